// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes processes, and prints one line of JSON for each: its number, its maker's, and how it ends.
 *
 *   process-trees trees COUNT [apart]       COUNT processes in nested trees; apart: in a pid namespace of their own
 *   process-trees adopted                   one that outlives its maker, and a child of its maker's parent
 *   process-trees storm RATE SECONDS PROGRAM   runs PROGRAM RATE times a second, and prints how often it did
 *
 * Each process runs this program as `process-trees node NUMBER COUNT`, so its arguments name it. A tree has TREE
 * processes, numbered from its root; each makes up to three others and waits for them, then ends as its number says.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TREE	13
#define AT_ONCE 4

/* What wait(2) gave for each process, shared by all under this descriptor. */
#define STATUSES_FD 100

enum kind {
	ENDS_PLAINLY,
	ENDS_BY_KILL,		/* SIGKILL of itself */
	LEADER_ENDS_FIRST,	/* its other thread ends the process */
	LEADER_ENDS_FIRST_LONE, /* its other thread ends by itself: whose code counts depends on the kernel */
	RUN_BY_THREAD,		/* exec by a thread that is not the leader */
	MADE_BY_VFORK,
	ENDS_BY_SIGNAL,	   /* with threads that sleep */
	RUN_AFTER_FAILURE, /* an exec that fails comes first */
	KINDS,
};

static char self[4096];
static int *statuses;

static void fail(const char *what)
{
	fprintf(stderr, "process-trees: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static enum kind kind_of(int number)
{
	return number % KINDS;
}

static int code_of(int number)
{
	return number % 200;
}

/* The number of a process in its tree, and of its children. */
static int first_child(int number)
{
	return number / TREE * TREE + number % TREE * 3 + 1;
}

static int has_child(int number, int child, int count)
{
	return child < count && child < (number / TREE + 1) * TREE;
}

static void run_node(int number, int count)
{
	char number_text[16], count_text[16];

	snprintf(number_text, sizeof(number_text), "%d", number);
	snprintf(count_text, sizeof(count_text), "%d", count);
	execl(self, "process-trees", "node", number_text, count_text, (char *)NULL);
	fail("exec");
}

struct node {
	int number;
	int count;
};

static void *run_node_by_thread(void *argument)
{
	const struct node *node = argument;

	run_node(node->number, node->count);
	return NULL;
}

static pid_t make(int number, int count)
{
	enum kind kind = kind_of(number);
	pid_t pid = kind == MADE_BY_VFORK ? vfork() : fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	if (kind == RUN_BY_THREAD) {
		struct node node = {number, count};
		pthread_t thread;

		if (pthread_create(&thread, NULL, run_node_by_thread, &node))
			fail("thread");
		for (;;)
			pause();
	}
	if (kind == RUN_AFTER_FAILURE)
		execl("/no/such/program", "no-such-program", (char *)NULL);
	run_node(number, count);
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("wait");
	return status;
}

static void share_statuses(int count)
{
	size_t bytes = count * sizeof(*statuses);

	if (fcntl(STATUSES_FD, F_GETFD) < 0 &&
	    (dup2(memfd_create("statuses", 0), STATUSES_FD) < 0 || ftruncate(STATUSES_FD, bytes)))
		fail("statuses");
	statuses = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, STATUSES_FD, 0);
	if (statuses == MAP_FAILED)
		fail("statuses");
}

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* Until the leader has ended; it is a zombie as long as another thread goes on. */
static void wait_for_leader(void)
{
	char path[64], text[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	for (;;) {
		const char *state = NULL;

		file = fopen(path, "r");
		if (!file)
			fail(path);
		if (fgets(text, sizeof(text), file))
			state = strrchr(text, ')');
		fclose(file);
		if (state && state[2] == 'Z')
			return;
		sched_yield();
	}
}

static void *end_after_leader(void *argument)
{
	const int *number = argument;

	wait_for_leader();
	if (kind_of(*number) == LEADER_ENDS_FIRST)
		_exit(code_of(*number));
	syscall(SYS_exit, 77);
	return NULL;
}

/* Ends the process. */
static void end_as(int number)
{
	static int its_number;
	pthread_t thread;

	its_number = number;
	switch (kind_of(number)) {
	case ENDS_BY_KILL:
		kill(getpid(), SIGKILL);
		break;
	case ENDS_BY_SIGNAL:
		for (int i = 0; i < 3; i++)
			if (pthread_create(&thread, NULL, sleep_for_ever, NULL))
				fail("thread");
		kill(getpid(), SIGTERM);
		sleep_for_ever(NULL);
		break;
	case LEADER_ENDS_FIRST:
	case LEADER_ENDS_FIRST_LONE:
		if (pthread_create(&thread, NULL, end_after_leader, &its_number))
			fail("thread");
		syscall(SYS_exit, kind_of(number) == LEADER_ENDS_FIRST ? 11 : code_of(number));
		break;
	default:
		break;
	}
	_exit(code_of(number));
}

static void be_node(int number, int count)
{
	int first = first_child(number), made = 0;
	pid_t children[3];

	share_statuses(count);
	for (; made < 3 && has_child(number, first + made, count); made++)
		children[made] = make(first + made, count);
	for (int i = 0; i < made; i++)
		statuses[first + i] = wait_for(children[i]);
	end_as(number);
}

/* What is to be seen of a process; `maker` -1: the program that was started. */
static void print_node(int number, int maker)
{
	int status = statuses[number];

	printf("{\"number\":%d,\"maker\":%d,", number, maker);
	if (WIFSIGNALED(status))
		printf("\"exit_code\":null,\"exit_signal\":%d}\n", WTERMSIG(status));
	else
		printf("\"exit_code\":%d,\"exit_signal\":null}\n", WEXITSTATUS(status));
}

static void make_trees(int count)
{
	pid_t roots[AT_ONCE] = {};
	int trees = (count + TREE - 1) / TREE;

	share_statuses(count);
	for (int tree = 0; tree < trees + AT_ONCE; tree++) {
		if (tree >= AT_ONCE && tree - AT_ONCE < trees)
			statuses[(tree - AT_ONCE) * TREE] = wait_for(roots[tree % AT_ONCE]);
		if (tree < trees)
			roots[tree % AT_ONCE] = make(tree * TREE, count);
	}
	for (int number = 0; number < count; number++) {
		int place = number % TREE;

		print_node(number, place ? number / TREE * TREE + (place - 1) / 3 : -1);
	}
}

static void make_trees_apart(int count)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		fail("unshare");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", 0, NULL))
			fail("mount");
		make_trees(count);
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fail("the pid namespace");
}

/* A child that ends when the pipe is closed. */
static void end_with_pipe(const int *ends)
{
	char byte;

	close(ends[1]);
	if (read(ends[0], &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

/* Prints the pids: this program adopts the orphan, and is the parent of the sibling of its maker. */
static void be_adopted(void)
{
	int ends[2], pids[2];
	pid_t maker, orphan, sibling;
	int status;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) || pipe(ends) || pipe(pids))
		fail("adopted");
	maker = fork();
	if (!maker) {
		orphan = fork();
		if (!orphan)
			end_with_pipe(ends);
		sibling = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (!sibling)
			end_with_pipe(ends);
		if (write(pids[1], &orphan, sizeof(orphan)) < 0 || write(pids[1], &sibling, sizeof(sibling)) < 0)
			_exit(1);
		_exit(0);
	}
	if (read(pids[0], &orphan, sizeof(orphan)) != sizeof(orphan) ||
	    read(pids[0], &sibling, sizeof(sibling)) != sizeof(sibling))
		fail("pids");
	wait_for(maker);
	close(ends[1]);
	for (int i = 0; i < 2; i++)
		if (wait(&status) < 0 || status)
			fail("adopted");
	printf("{\"self\":%d,\"maker\":%d,\"orphan\":%d,\"sibling\":%d}\n", getpid(), maker, orphan, sibling);
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* As many as are due, whatever that takes; late ones are made up for. */
static void storm(int rate, int seconds, char *program)
{
	long long began = now_ns(), ended;
	int total = rate * seconds;
	char *arguments[] = {program, NULL};

	for (int made = 0; made < total; made++) {
		long long due = began + made * 1000000000LL / rate, now = now_ns();
		struct timespec rest = {.tv_nsec = due - now};
		pid_t pid;

		if (due > now)
			nanosleep(&rest, NULL);
		pid = vfork();
		if (pid < 0)
			fail("vfork");
		if (!pid) {
			execv(program, arguments);
			_exit(127);
		}
		wait_for(pid);
	}
	ended = now_ns();
	printf("{\"made\":%d,\"seconds\":%.3f}\n", total, (ended - began) / 1e9);
}

int main(int argc, char **argv)
{
	struct rlimit none = {};
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		fail("/proc/self/exe");
	setrlimit(RLIMIT_CORE, &none);
	if (argc >= 4 && !strcmp(argv[1], "node"))
		be_node(atoi(argv[2]), atoi(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "trees"))
		make_trees(atoi(argv[2]));
	else if (argc == 4 && !strcmp(argv[1], "trees") && !strcmp(argv[3], "apart"))
		make_trees_apart(atoi(argv[2]));
	else if (argc == 2 && !strcmp(argv[1], "adopted"))
		be_adopted();
	else if (argc == 5 && !strcmp(argv[1], "storm"))
		storm(atoi(argv[2]), atoi(argv[3]), argv[4]);
	else
		return 64;
	return 0;
}
