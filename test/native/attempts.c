// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: at SIGRTMIN+5 a thread of the process tries what it must not do, and appends to the file ATTEMPTS,
 * which is open since the start, a line "name errno" for each. WRITTEN is what it tries to write to.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int told = -1;
static const char *written;

static void tell(const char *name, long result)
{
	dprintf(told, "%s %d\n", name, result < 0 ? errno : 0);
}

static void on_signal(int number)
{
	char *arguments[] = {"true", NULL};
	union bpf_attr attributes = {};
	int before = errno;

	(void)number;
	tell("shadow", open("/etc/shadow", O_RDONLY | O_CLOEXEC));
	tell("home", open("/root", O_RDONLY | O_CLOEXEC));
	tell("write", open(written, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	tell("ptrace", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
	tell("raw socket", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 255));
	tell("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	tell("bpf", syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof(attributes)));
	tell("namespace", unshare(CLONE_NEWUSER));
	tell("clone", syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, NULL, NULL, NULL, NULL));
	tell("process", fork());
	tell("signal", kill(getppid(), 0));
	tell("own signal", kill(getpid(), 0));
	tell("terminal", ioctl(STDIN_FILENO, TIOCSTI, "x"));
	tell("user", setresuid(0, 0, 0));
	tell("execve", execve("/bin/true", arguments, environ));
	tell("end", 0);
	errno = before;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("ATTEMPTS");
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	written = getenv("WRITTEN");
	if (path && written)
		told = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (told >= 0)
		sigaction(SIGRTMIN + 5, &action, NULL);
}
