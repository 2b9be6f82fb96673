// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: before a BPF object is loaded, adds to its constants (const volatile) what BPF_CONSTANTS says:
 * "segs_shift=16 start_ns=-9504000000000000".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int load_fn(struct bpf_object *object);

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bpf-constants: %s\n", what);
	_exit(1);
}

static struct bpf_map *find_rodata(const struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		if (strstr(bpf_map__name(map), ".rodata"))
			return map;
	}
	fail("no constants in the object");
}

static void add(const struct bpf_object *object, const char *name, int64_t addend)
{
	const struct btf *types = bpf_object__btf(object);
	int id = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(types, id);
	const struct btf_var_secinfo *variable = section ? btf_var_secinfos(section) : NULL;
	size_t size;
	char *values = (char *)bpf_map__initial_value(find_rodata(object), &size);

	for (int i = 0; section && i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(types, variable->type);
		uint64_t value = 0;

		if (strcmp(btf__name_by_offset(types, type->name_off), name) || variable->size > sizeof(value))
			continue;
		memcpy(&value, values + variable->offset, variable->size);
		value += addend;
		memcpy(values + variable->offset, &value, variable->size);
		return;
	}
	fail(name);
}

int bpf_object__load(struct bpf_object *object)
{
	load_fn *next = (load_fn *)dlsym(RTLD_NEXT, "bpf_object__load");
	char *list = strdup(getenv("BPF_CONSTANTS") ?: ""), *rest = list, *word;

	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');

		if (!value)
			fail(word);
		*value++ = 0;
		add(object, word, strtoll(value, NULL, 10));
	}
	free(list);
	if (!next)
		fail("no bpf_object__load()");
	return next(object);
}
