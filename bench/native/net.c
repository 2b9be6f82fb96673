// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets on the loopback network, processes and time. */
#include "net.h"

#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_tool.h"

struct sockaddr_in loopback(int address)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (in_addr_t)address),
	};

	return in;
}

struct sockaddr_in bound_address(int fd)
{
	struct sockaddr_in in;
	socklen_t size = sizeof(in);

	must(getsockname(fd, (struct sockaddr *)&in, &size), "getsockname");
	return in;
}

int bound_socket(int type, int address)
{
	struct sockaddr_in in = loopback(address);
	int fd = must(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");

	must(bind(fd, (struct sockaddr *)&in, sizeof(in)), "bind");
	return fd;
}

int listen_on(int address)
{
	int fd = bound_socket(SOCK_STREAM, address);

	must(listen(fd, 4096), "listen");
	return fd;
}

void connect_to(int fd, struct sockaddr_in to)
{
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
}

pid_t fork_child(void)
{
	unsigned int lifetime = alarm(0);
	pid_t parent = getpid();
	pid_t pid;

	alarm(lifetime);
	fflush(stdout);
	pid = must(fork(), "fork");
	if (pid == 0) {
		alarm(lifetime);
		must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

void allow_descriptors(rlim_t wanted)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	must(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
}

void add_ns(struct timespec *at, long ns)
{
	at->tv_nsec += ns;
	if (at->tv_nsec >= NS_PER_S) {
		at->tv_nsec -= NS_PER_S;
		at->tv_sec++;
	}
}

void send_all(int fd, const char *from, int size)
{
	for (int done = 0; done < size;)
		done += must(send(fd, from + done, size - done, MSG_NOSIGNAL), "send");
}

void receive_all(int fd, char *to, int size)
{
	for (int done = 0; done < size;) {
		long n = must(recv(fd, to + done, size - done, 0), "recv");

		if (n == 0)
			failed("recv: the other end has gone");
		done += n;
	}
}

void no_delay(int fd)
{
	int on = 1;

	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
}

void open_pair(int ends[2], bool udp)
{
	if (udp) {
		ends[0] = bound_socket(SOCK_DGRAM, 0);
		ends[1] = bound_socket(SOCK_DGRAM, 0);
		connect_to(ends[0], bound_address(ends[1]));
		connect_to(ends[1], bound_address(ends[0]));
	} else {
		int listener = listen_on(0);

		ends[0] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
		connect_to(ends[0], bound_address(listener));
		ends[1] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
		close(listener);
		no_delay(ends[0]);
		no_delay(ends[1]);
	}
}

void pin(int processor)
{
	cpu_set_t allowed, one;
	int left = processor;

	CPU_ZERO(&one);
	must(sched_getaffinity(0, sizeof(allowed), &allowed), "sched_getaffinity");
	if (CPU_COUNT(&allowed) < 2)
		return;
	left %= CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && left-- == 0)
			CPU_SET(cpu, &one);
	}
	must(sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}
