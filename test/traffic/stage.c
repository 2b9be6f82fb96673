// SPDX-License-Identifier: GPL-2.0-or-later
/* What all scenarios stand on: processes, gates between them, the shared table of ends, sockets. */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ENDS 65536

struct table {
	int used;
	pid_t main_pid;
	char skip_reason[200];
	struct end ends[MAX_ENDS];
};

static struct table *table;
static int table_fd = -1;
static int gates[GATES][2];
static int arg_count;
static char **args;

static int near_netns = -1, far_netns = -1;

/* Open as long as a process of the scenario lives: with hold=1 its network namespaces stay until then. */
static int life[2];

static struct {
	pid_t pid;
	char name[NAME_LEN];
	ino_t netns;
} self;

const char *text_option(const char *key)
{
	size_t len = strlen(key);

	for (int i = 0; i < arg_count; i++) {
		if (!strncmp(args[i], key, len) && args[i][len] == '=')
			return args[i] + len + 1;
	}
	return NULL;
}

long option(const char *key, long fallback)
{
	const char *text = text_option(key);
	char *rest;
	long value;

	if (!text)
		return fallback;
	value = strtol(text, &rest, 10);
	if (*rest || rest == text)
		failed("%s=%s: not a whole number", key, text);
	return value;
}

void failed(const char *format, ...)
{
	va_list list;

	fprintf(stderr, "traffic: %s: ", self.name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	_exit(1);
}

void syscall_failed(const char *what)
{
	failed("%s: %s", what, strerror(errno));
}

/* Hands "skipped" on to the parent; the first process of all tells the reader. */
static _Noreturn void end_skipped(void)
{
	if (getpid() == table->main_pid) {
		printf("{\"skip\":\"%s\"}\n", table->skip_reason);
		fflush(stdout);
	}
	_exit(EXIT_SKIPPED);
}

void skipped(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(table->skip_reason, sizeof(table->skip_reason), format, list);
	va_end(list);
	end_skipped();
}

long must(long value, const char *what)
{
	if (value < 0)
		syscall_failed(what);
	return value;
}

static ino_t current_netns(void)
{
	struct stat st;

	must(stat("/proc/thread-self/ns/net", &st), "stat of the network namespace");
	return st.st_ino;
}

/* In the PID namespace of /proc, which a process in a namespace of its own can still see. */
static pid_t pid_for_others(void)
{
	char text[16] = {0};

	must(readlink("/proc/self", text, sizeof(text) - 1), "/proc/self");
	return atoi(text);
}

void refresh_name(void)
{
	self.pid = pid_for_others();
	self.netns = current_netns();
	must(prctl(PR_GET_NAME, self.name), "PR_GET_NAME");
}

pid_t spawn(const char *name, void (*run)(void *), void *context)
{
	pid_t parent = getpid();
	pid_t pid = must(fork(), "fork");

	if (pid)
		return pid;
	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
	if (getppid() != parent)
		_exit(1);
	must(prctl(PR_SET_NAME, name), "PR_SET_NAME");
	refresh_name();
	run(context);
	_exit(0);
}

struct far_process {
	void (*run)(void *);
	void *context;
};

static void run_far(void *context)
{
	const struct far_process *process = context;

	go_far();
	process->run(process->context);
}

pid_t spawn_far(const char *name, void (*run)(void *), void *context)
{
	return spawn(name, run_far, &(struct far_process){run, context});
}

void join_all(void)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0) {
		if (WIFSIGNALED(status))
			failed("process %d ended by signal %d", pid, WTERMSIG(status));
		if (WEXITSTATUS(status) == EXIT_SKIPPED)
			end_skipped();
		if (WEXITSTATUS(status))
			_exit(1);
	}
}

void gate_open(int gate)
{
	if (write(gates[gate][1], "", 1) != 1)
		syscall_failed("gate_open");
}

void gate_wait(int gate)
{
	char byte;

	if (read(gates[gate][0], &byte, 1) != 1)
		syscall_failed("gate_wait");
}

void wait_for_go(void)
{
	char byte;

	puts("{\"ready\":true}");
	fflush(stdout);
	do {
		if (read(STDIN_FILENO, &byte, 1) != 1)
			failed("stdin ended before a line came");
	} while (byte != '\n');
}

static void on_alarm(int signal)
{
	static const char message[] = "traffic: time is up\n";

	(void)signal;
	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		_exit(2);
	_exit(1);
}

static void map_table(void)
{
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
	if (table == MAP_FAILED)
		syscall_failed("mmap of the table");
}

void stage_open(int argc, char **argv)
{
	arg_count = argc;
	args = argv;
	refresh_name();
	/* Without MFD_CLOEXEC: tcp-exec finds it again. */
	table_fd = must(memfd_create("traffic-ends", 0), "memfd_create");
	must(ftruncate(table_fd, sizeof(*table)), "ftruncate");
	map_table();
	table->main_pid = getpid();
	for (int i = 0; i < GATES; i++)
		must(pipe(gates[i]), "pipe");
	must(pipe(life), "pipe");
	if (text_option("far")) {
		near_netns = must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "the network namespace");
		far_netns = must(open(text_option("far"), O_RDONLY | O_CLOEXEC), text_option("far"));
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	alarm(option("timeout", 60));
}

void stage_resume(int argc, char **argv)
{
	arg_count = argc;
	args = argv;
	refresh_name();
	table_fd = option("table", -1);
	map_table();
}

int stage_table_fd(void)
{
	return table_fd;
}

/* --- the table of ends --- */

void end_use(struct end *end)
{
	end->pid = self.pid;
	memcpy(end->process, self.name, NAME_LEN);
}

struct end *end_between(const char *role, int proto, const union address *local, const union address *remote)
{
	int index = __atomic_fetch_add(&table->used, 1, __ATOMIC_RELAXED);
	struct end *end = &table->ends[index];

	if (index >= MAX_ENDS)
		failed("more than %d ends", MAX_ENDS);
	end->role = role;
	end->proto = proto;
	end->local = *local;
	end->remote = *remote;
	end->netns = self.netns;
	end_use(end);
	return end;
}

struct end *end_of(const char *role, int fd)
{
	union address local = local_address(fd), remote = remote_address(fd);
	struct end *end;
	int proto;
	socklen_t len = sizeof(proto);

	must(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &proto, &len), "SO_PROTOCOL");
	end = end_between(role, proto, &local, &remote);
	end->fd = fd;
	return end;
}

bool was_used(const union address *local)
{
	for (int i = 0; i < table->used; i++) {
		if (!memcmp(&table->ends[i].local, local, sizeof(*local)))
			return true;
	}
	return false;
}

void count_in(struct end *end, uint64_t bytes, uint64_t packets)
{
	end_use(end);
	__atomic_fetch_add(&end->now.bytes_in, bytes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&end->now.packets_in, packets, __ATOMIC_RELAXED);
}

void count_out(struct end *end, uint64_t bytes, uint64_t packets)
{
	end_use(end);
	__atomic_fetch_add(&end->now.bytes_out, bytes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&end->now.packets_out, packets, __ATOMIC_RELAXED);
}

int end_index(const struct end *end)
{
	return end - table->ends;
}

struct end *end_at(int index)
{
	return &table->ends[index];
}

void ends_existed(void)
{
	for (int i = 0; i < table->used; i++) {
		struct end *end = &table->ends[i];

		end->existed = true;
		end->before = end->now;
		memset(&end->now, 0, sizeof(end->now));
	}
}

/* An IPv4-mapped address is printed as the IPv4 address it is. */
static void print_address(const char *key, const union address *address)
{
	char text[INET6_ADDRSTRLEN];
	const struct in6_addr *v6 = &address->v6.sin6_addr;

	if (address->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof(text));
	else if (IN6_IS_ADDR_V4MAPPED(v6))
		inet_ntop(AF_INET, &v6->s6_addr[12], text, sizeof(text));
	else
		inet_ntop(AF_INET6, v6, text, sizeof(text));
	printf(",\"%s_address\":\"%s\",\"%s_port\":%u", key, text, key, ntohs(address->v4.sin_port));
}

static void print_counts(const struct counts *counts, bool packets)
{
	printf("\"bytes_in\":%ju,\"bytes_out\":%ju", (uintmax_t)counts->bytes_in, (uintmax_t)counts->bytes_out);
	if (packets)
		printf(",\"packets_in\":%ju,\"packets_out\":%ju", (uintmax_t)counts->packets_in,
		       (uintmax_t)counts->packets_out);
}

void stage_report(void)
{
	for (int i = 0; i < table->used; i++) {
		const struct end *end = &table->ends[i];
		bool udp = end->proto == IPPROTO_UDP;

		printf("{\"end\":\"%s\",\"proto\":\"%s\"", end->role, udp ? "udp" : "tcp");
		print_address("local", &end->local);
		print_address("remote", &end->remote);
		printf(",\"netns\":%ju,\"pid\":%d,\"process\":\"%s\",", (uintmax_t)end->netns, end->pid, end->process);
		print_counts(&end->now, udp);
		if (end->existed) {
			printf(",\"before\":{");
			print_counts(&end->before, udp);
			printf("}");
		}
		if (end->note)
			printf(",\"note\":\"%s\"", end->note);
		printf("}\n");
	}
	if (fflush(stdout))
		syscall_failed("stdout");
}

/* A process that nobody waits for, in this network namespace: no other one gets its number. */
static void keep_netns(void)
{
	pid_t pid = must(fork(), "fork");
	char byte;

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (must(fork(), "fork") == 0) {
		alarm(0);
		must(dup2(life[0], 0), "dup2");
		must(close_range(1, ~0U, 0), "close_range");
		if (read(0, &byte, 1) < 0)
			_exit(1);
	}
	_exit(0);
}

void wait_if_held(void)
{
	char byte;

	if (!option("hold", 0))
		return;
	alarm(0);
	puts("{\"held\":true}");
	fflush(stdout);
	/* Everything else is over, as it would be without this wait. */
	must(dup2(life[1], STDOUT_FILENO), "dup2");
	must(close_range(STDOUT_FILENO + 1, ~0U, 0), "close_range");
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

void enter_new_netns(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd;

	must(unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)");
	fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(ioctl(fd, SIOCGIFFLAGS, &request), "SIOCGIFFLAGS");
	request.ifr_flags |= IFF_UP;
	must(ioctl(fd, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
	close(fd);
	self.netns = current_netns();
	if (option("hold", 0))
		keep_netns();
}

void enter_netns(int netns)
{
	if (netns < 0)
		return;
	must(setns(netns, CLONE_NEWNET), "setns");
	self.netns = current_netns();
}

void go_far(void)
{
	enter_netns(far_netns);
}

void go_near(void)
{
	enter_netns(near_netns);
}

/* --- addresses and sockets --- */

union address loopback(int family, int port)
{
	union address address = {0};

	address.sa.sa_family = family;
	if (family == AF_INET) {
		address.v4.sin_port = htons(port);
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else {
		address.v6.sin6_port = htons(port);
		address.v6.sin6_addr = in6addr_loopback;
	}
	return address;
}

union address server_address(int family)
{
	union address address = loopback(family, option("port", 0));

	if (far_netns < 0)
		return address;
	if (family == AF_INET)
		inet_pton(AF_INET, "192.0.2.2", &address.v4.sin_addr);
	else
		inet_pton(AF_INET6, "2001:db8::2", &address.v6.sin6_addr);
	return address;
}

void set_option(int fd, int level, int name, int value)
{
	must(setsockopt(fd, level, name, &value, sizeof(value)), "setsockopt");
}

socklen_t address_len(const union address *address)
{
	return address->sa.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

union address local_address(int fd)
{
	union address address = {0};
	socklen_t len = sizeof(address);

	must(getsockname(fd, &address.sa, &len), "getsockname");
	return address;
}

union address remote_address(int fd)
{
	union address address = {0};
	socklen_t len = sizeof(address);

	must(getpeername(fd, &address.sa, &len), "getpeername");
	return address;
}

int bound_socket(int type, const union address *address)
{
	int fd = must(socket(address->sa.sa_family, type, 0), "socket");
	int on = 1;

	/* The ports of ended connections stay in TIME_WAIT: fixed ones must not fail for that. */
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
	must(bind(fd, &address->sa, address_len(address)), "bind");
	return fd;
}

int listener_at(const union address *address)
{
	int fd = bound_socket(SOCK_STREAM, address);

	must(listen(fd, 4096), "listen");
	return fd;
}

int connected_socket(int type, const union address *to)
{
	int fd = must(socket(to->sa.sa_family, type, 0), "socket");

	must(connect(fd, &to->sa, address_len(to)), "connect");
	return fd;
}

union address closed_port(int type)
{
	union address any = loopback(AF_INET, 0);
	int fd = bound_socket(type, &any);
	union address address = local_address(fd);

	close(fd);
	return address;
}

char *make_buffer(size_t size)
{
	char *buffer = malloc(size ? size : 1);

	if (!buffer)
		failed("no memory for %zu bytes", size);
	for (size_t i = 0; i < size; i++)
		buffer[i] = i * 131 + (i >> 8);
	return buffer;
}

static size_t at_most(size_t chunk, uint64_t left)
{
	return left < chunk ? left : chunk;
}

uint64_t send_bytes(int fd, struct end *end, uint64_t total, size_t chunk, int flags)
{
	char *buffer = make_buffer(chunk);
	uint64_t done = 0;

	while (done < total) {
		ssize_t n = must(send(fd, buffer, at_most(chunk, total - done), flags), "send");

		count_out(end, n, 0);
		done += n;
	}
	free(buffer);
	return done;
}

/* A reader in a sockmap may be woken for nothing (tcp_bpf_recvmsg_parser()): it waits again. */
static ssize_t receive(int fd, void *buffer, size_t len, int flags)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n = recv(fd, buffer, len, flags);

		if (n >= 0 || errno != EAGAIN || (flags & MSG_DONTWAIT))
			return must(n, "recv");
		must(poll(&readable, 1, -1), "poll");
	}
}

uint64_t recv_bytes(int fd, struct end *end, uint64_t total, size_t chunk, int flags)
{
	char *buffer = make_buffer(chunk);
	uint64_t done = 0;

	while (done < total) {
		ssize_t n = receive(fd, buffer, at_most(chunk, total - done), flags);

		if (!n)
			break;
		count_in(end, n, 0);
		done += n;
	}
	free(buffer);
	return done;
}

uint64_t recv_to_eof(int fd, struct end *end)
{
	return recv_bytes(fd, end, UINT64_MAX, 256 * 1024, 0);
}

void expect_eof(int fd)
{
	char byte;

	if (receive(fd, &byte, 1, 0) != 0)
		failed("data where the stream should have ended");
}

/* --- a TCP connection between two processes --- */

struct tcp_stage {
	const struct tcp_pair *pair;
	int listener;
	union address to;
};

static void serve(void *context)
{
	const struct tcp_stage *stage = context;
	int fd = must(accept(stage->listener, NULL, NULL), "accept");

	close(stage->listener);
	stage->pair->on_server(fd, end_of("server", fd));
	close(fd);
}

static void request(void *context)
{
	const struct tcp_stage *stage = context;
	int fd;

	close(stage->listener);
	fd = connected_socket(SOCK_STREAM, &stage->to);
	stage->pair->on_client(fd, end_of("client", fd));
	close(fd);
}

void run_tcp_pair(const struct tcp_pair *pair)
{
	struct tcp_stage stage = {.pair = pair, .to = pair->client};

	go_far();
	stage.listener = listener_at(&pair->server);
	go_near();
	/* sin_port and sin6_port are the same two bytes. */
	stage.to.v4.sin_port = local_address(stage.listener).v4.sin_port;
	spawn_far("tt-server", serve, &stage);
	spawn("tt-client", request, &stage);
	close(stage.listener);
	join_all();
}

void run_tcp4(void (*on_client)(int, struct end *), void (*on_server)(int, struct end *))
{
	struct tcp_pair pair = {
	    .server = server_address(AF_INET),
	    .client = server_address(AF_INET),
	    .on_client = on_client,
	    .on_server = on_server,
	};

	run_tcp_pair(&pair);
}
