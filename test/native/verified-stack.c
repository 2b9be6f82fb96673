// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the running kernel's verifier says of the stack of a BPF object's programs: a line each of the program's
 * name, and the bytes of its frame and of the frames of its subprograms, in their order in the loaded program,
 * with "+" between them. A program that this kernel refuses has no line.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_BYTES      (1 << 20)
#define LOG_STATISTICS 4 /* BPF_LOG_STATS in the kernel's linux/bpf_verifier.h */

static const char MARK[] = "stack depth ";

static char log_text[LOG_BYTES];

static struct bpf_object *open_object(const char *path)
{
	struct bpf_object *object = bpf_object__open(path);

	if (!object) {
		fprintf(stderr, "verified-stack: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return object;
}

/* An object for one program, since an object is loaded whole or not at all. */
static void verify(const char *path, const char *name)
{
	struct bpf_object *object = open_object(path);
	struct bpf_program *program;
	const char *depths;

	bpf_object__for_each_program (program, object)
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), name));
	program = bpf_object__find_program_by_name(object, name);
	log_text[0] = '\0';
	bpf_program__set_log_buf(program, log_text, sizeof(log_text));
	bpf_program__set_log_level(program, LOG_STATISTICS);
	if (!bpf_object__load(object) && (depths = strstr(log_text, MARK))) {
		depths += strlen(MARK);
		printf("%s %.*s\n", name, (int)strspn(depths, "0123456789+"), depths);
	}
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	struct bpf_object *all;
	struct bpf_program *program;

	if (argc != 2) {
		fputs("usage: verified_stack OBJECT\n", stderr);
		return 64;
	}
	libbpf_set_print(NULL);
	all = open_object(argv[1]);
	bpf_object__for_each_program (program, all)
		verify(argv[1], bpf_program__name(program));
	bpf_object__close(all);
	return 0;
}
