// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP: every way to move bytes through a socket and every way to end a connection. */
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024)

static uint64_t size_option(void)
{
	return option("size", 10 * 1000 * 1000 + 7);
}

static short wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	must(poll(&p, 1, -1), "poll");
	return p.revents;
}

static void receive_all(int fd, struct end *end)
{
	recv_to_eof(fd, end);
}

/* --- plain transfers --- */

static void send_all_read_answer(int fd, struct end *end)
{
	send_bytes(fd, end, size_option(), CHUNK, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	recv_to_eof(fd, end);
}

/* A quarter of what came goes back. */
static void receive_all_answer(int fd, struct end *end)
{
	send_bytes(fd, end, recv_to_eof(fd, end) / 4, 100 * 1000, 0);
}

/* As fast as can be, or `rate` bytes a second. */
static void send_all(int fd, struct end *end)
{
	if (option("rate", 0))
		set_option(fd, SOL_SOCKET, SO_MAX_PACING_RATE, option("rate", 0));
	send_bytes(fd, end, size_option(), CHUNK, 0);
}

static void tcp_up(void)
{
	run_tcp4(send_all, receive_all);
}

static void tcp_down(void)
{
	run_tcp4(receive_all, send_all);
}

static void tcp_bulk(void)
{
	run_tcp4(send_all_read_answer, receive_all_answer);
}

static void tcp_ipv6(void)
{
	struct tcp_pair pair = {
	    .server = server_address(AF_INET6),
	    .client = server_address(AF_INET6),
	    .on_client = send_all_read_answer,
	    .on_server = receive_all_answer,
	};

	run_tcp_pair(&pair);
}

static void tcp_mapped(void)
{
	struct tcp_pair pair = {
	    .server = loopback(AF_INET6, 0),
	    .client = loopback(AF_INET, 0),
	    .on_client = send_all_read_answer,
	    .on_server = receive_all_answer,
	};

	pair.server.v6.sin6_addr = in6addr_any;
	run_tcp_pair(&pair);
}

enum { TINY = 64 };

static void ping(int fd, struct end *end)
{
	for (long i = option("count", 10000); i > 0; i--) {
		send_bytes(fd, end, TINY, TINY, 0);
		recv_bytes(fd, end, TINY, TINY, 0);
	}
}

static void pong(int fd, struct end *end)
{
	while (recv_bytes(fd, end, TINY, TINY, 0) == TINY)
		send_bytes(fd, end, TINY, TINY, 0);
}

static void tcp_tiny(void)
{
	run_tcp4(ping, pong);
}

/* Few bytes at a time, with a rest after each. */
static void drip(int fd, struct end *end)
{
	const struct timespec rest = {.tv_nsec = option("rest_ms", 200) * 1000000};

	for (long i = option("count", 20); i > 0; i--) {
		send_bytes(fd, end, i, i, 0);
		recv_bytes(fd, end, i, i, MSG_WAITALL);
		nanosleep(&rest, NULL);
	}
}

static void give_back(int fd, struct end *end)
{
	for (long i = option("count", 20); i > 0; i--)
		send_bytes(fd, end, recv_bytes(fd, end, i, i, MSG_WAITALL), CHUNK, 0);
	expect_eof(fd);
}

static void tcp_slow(void)
{
	run_tcp4(drip, give_back);
}

static void nothing(int fd, struct end *end)
{
	(void)fd;
	(void)end;
}

static void only_eof(int fd, struct end *end)
{
	(void)end;
	expect_eof(fd);
}

static void tcp_no_data(void)
{
	run_tcp4(nothing, only_eof);
}

/* --- many connections --- */

struct many {
	int listener;
	union address to;
	long count;
	uint64_t bytes;
};

/* Both sides send before they read: `bytes` has to fit the socket buffers. */
static void exchange(int fd, const char *role, uint64_t bytes)
{
	struct end *end = end_of(role, fd);

	send_bytes(fd, end, bytes, bytes, 0);
	if (recv_bytes(fd, end, bytes, bytes, 0) != bytes)
		failed("the connection ended early");
	close(fd);
}

static void serve_one_by_one(void *context)
{
	const struct many *many = context;

	for (long i = 0; i < many->count; i++)
		exchange(must(accept(many->listener, NULL, NULL), "accept"), "server", many->bytes);
}

static void request_one_by_one(void *context)
{
	const struct many *many = context;

	close(many->listener);
	for (long i = 0; i < many->count; i++)
		exchange(connected_socket(SOCK_STREAM, &many->to), "client", many->bytes);
}

static void serve_all_at_once(void *context)
{
	const struct many *many = context;
	int *fds = calloc(many->count, sizeof(*fds));

	for (long i = 0; i < many->count; i++)
		fds[i] = must(accept(many->listener, NULL, NULL), "accept");
	gate_open(0);
	for (long i = 0; i < many->count; i++)
		exchange(fds[i], "server", many->bytes + i);
}

static void request_all_at_once(void *context)
{
	const struct many *many = context;
	int *fds = calloc(many->count, sizeof(*fds));

	close(many->listener);
	for (long i = 0; i < many->count; i++)
		fds[i] = connected_socket(SOCK_STREAM, &many->to);
	gate_wait(0);
	for (long i = 0; i < many->count; i++)
		exchange(fds[i], "client", many->bytes + i);
}

static void run_many(void (*request)(void *), void (*serve)(void *), long count)
{
	union address address = server_address(AF_INET);
	struct many many = {.count = option("count", count), .bytes = option("size", 10000)};

	go_far();
	many.listener = listener_at(&address);
	go_near();
	many.to = local_address(many.listener);
	spawn_far("tt-server", serve, &many);
	spawn("tt-client", request, &many);
	close(many.listener);
	join_all();
}

static void tcp_short(void)
{
	run_many(request_one_by_one, serve_one_by_one, 1000);
}

static void tcp_concurrent(void)
{
	run_many(request_all_at_once, serve_all_at_once, 100);
}

/* --- system calls that move data --- */

static void send_file(int fd, struct end *end)
{
	uint64_t size = size_option(), done = 0;
	int file = must(memfd_create("content", 0), "memfd_create");

	must(ftruncate(file, size), "ftruncate");
	while (done < size) {
		ssize_t n = must(sendfile(fd, file, NULL, size - done), "sendfile");

		count_out(end, n, 0);
		done += n;
	}
}

static void tcp_sendfile(void)
{
	run_tcp4(send_file, receive_all);
}

static void splice_out(int fd, struct end *end)
{
	char *buffer = make_buffer(65536);
	uint64_t left = size_option();
	int pipes[2];

	must(pipe(pipes), "pipe");
	while (left) {
		ssize_t filled = must(write(pipes[1], buffer, left < 65536 ? left : 65536), "write");

		left -= filled;
		while (filled) {
			ssize_t n = must(splice(pipes[0], NULL, fd, NULL, filled, 0), "splice to the socket");

			count_out(end, n, 0);
			filled -= n;
		}
	}
}

static void splice_in(int fd, struct end *end)
{
	int sink = must(open("/dev/null", O_WRONLY), "/dev/null");
	int pipes[2];

	must(pipe(pipes), "pipe");
	for (;;) {
		ssize_t filled = must(splice(fd, NULL, pipes[1], NULL, 65536, 0), "splice from the socket");

		if (!filled)
			return;
		count_in(end, filled, 0);
		while (filled)
			filled -= must(splice(pipes[0], NULL, sink, NULL, filled, 0), "splice to /dev/null");
	}
}

static void tcp_splice(void)
{
	run_tcp4(splice_out, splice_in);
}

static void send_small_pieces(int fd, struct end *end)
{
	send_bytes(fd, end, size_option(), 1500, 0);
}

static void receive_waiting_for_all(int fd, struct end *end)
{
	recv_bytes(fd, end, UINT64_MAX, 1000 * 1000, MSG_WAITALL);
}

static void tcp_waitall(void)
{
	run_tcp4(send_small_pieces, receive_waiting_for_all);
}

/* Looks at everything twice before it takes half of it. */
static void peek_then_receive(int fd, struct end *end)
{
	char *buffer = make_buffer(CHUNK);
	ssize_t seen;

	while ((seen = must(recv(fd, buffer, CHUNK, MSG_PEEK), "recv(MSG_PEEK)"))) {
		must(recv(fd, buffer, seen, MSG_PEEK), "recv(MSG_PEEK)");
		count_in(end, must(recv(fd, buffer, seen / 2 + 1, 0), "recv"), 0);
	}
}

static void tcp_peek(void)
{
	run_tcp4(send_small_pieces, peek_then_receive);
}

/* For TCP the flag means: drop instead of copying. */
static void receive_truncating(int fd, struct end *end)
{
	recv_bytes(fd, end, UINT64_MAX, CHUNK, MSG_TRUNC);
}

static void tcp_truncated(void)
{
	run_tcp4(send_small_pieces, receive_truncating);
}

static void send_urgent(int fd, struct end *end)
{
	send_bytes(fd, end, 1000, 1000, 0);
	send_bytes(fd, end, 1, 1, MSG_OOB);
	send_bytes(fd, end, 500, 500, 0);
}

/* The urgent byte does not come with the others but is one of the stream. */
static void receive_urgent(int fd, struct end *end)
{
	wait_for(fd, POLLPRI);
	recv_bytes(fd, end, 1, 1, MSG_OOB);
	recv_to_eof(fd, end);
}

static void tcp_urgent(void)
{
	run_tcp4(send_urgent, receive_urgent);
}

/* Both sides write and read as much as goes without blocking, through buffers that are mostly full. */
static void exchange_without_blocking(int fd, struct end *end)
{
	uint64_t left_out = size_option();
	char *buffer = make_buffer(CHUNK);
	bool reading = true;

	set_option(fd, SOL_SOCKET, SO_SNDBUF, 16384);
	must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	while (left_out || reading) {
		ssize_t n;

		wait_for(fd, (left_out ? POLLOUT : 0) | (reading ? POLLIN : 0));
		while (left_out && (n = send(fd, buffer, left_out < CHUNK ? left_out : CHUNK, 0)) > 0) {
			count_out(end, n, 0);
			left_out -= n;
			if (!left_out)
				must(shutdown(fd, SHUT_WR), "shutdown");
		}
		if (left_out && errno != EAGAIN)
			syscall_failed("send");
		while (reading && (n = recv(fd, buffer, 30000, 0)) >= 0) {
			reading = n > 0;
			count_in(end, n, 0);
		}
		if (reading && errno != EAGAIN)
			syscall_failed("recv");
	}
}

static void tcp_eagain(void)
{
	run_tcp4(exchange_without_blocking, exchange_without_blocking);
}

static void send_vectors(int fd, struct end *end)
{
	uint64_t size = size_option(), done = 0;
	char *buffer = make_buffer(3000);

	while (done < size) {
		size_t last = size - done > 3000 ? 1989 : 1;
		struct iovec v[] = {{buffer, 11}, {buffer, 0}, {buffer + 11, 1000}, {buffer + 1011, last}};
		ssize_t n = must(writev(fd, v, 4), "writev");

		count_out(end, n, 0);
		done += n;
	}
}

static void receive_vectors(int fd, struct end *end)
{
	char *buffer = make_buffer(CHUNK);
	struct iovec v[] = {{buffer, 1}, {buffer + 1, 999}, {buffer + 1000, CHUNK - 1000}};
	ssize_t n;

	while ((n = must(readv(fd, v, 3), "readv")))
		count_in(end, n, 0);
}

static void tcp_vectors(void)
{
	run_tcp4(send_vectors, receive_vectors);
}

enum { BATCH = 16 };

static void send_batches(int fd, struct end *end)
{
	char *buffer = make_buffer(10000);
	long batches = option("count", 200);

	while (batches-- > 0) {
		struct iovec v[BATCH];
		struct mmsghdr messages[BATCH] = {0};
		int sent;

		for (int i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){buffer, 1 + 600 * i};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
		}
		sent = must(sendmmsg(fd, messages, BATCH, 0), "sendmmsg");
		for (int i = 0; i < sent; i++)
			count_out(end, messages[i].msg_len, 0);
	}
}

static void receive_batches(int fd, struct end *end)
{
	char *buffer = make_buffer(BATCH * 5000);

	for (;;) {
		struct iovec v[BATCH];
		struct mmsghdr messages[BATCH] = {0};
		int received;

		for (int i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){buffer + i * 5000, 5000};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
		}
		received = must(recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL), "recvmmsg");
		for (int i = 0; i < received; i++) {
			if (!messages[i].msg_len)
				return;
			count_in(end, messages[i].msg_len, 0);
		}
	}
}

static void tcp_mmsg(void)
{
	run_tcp4(send_batches, receive_batches);
}

static void send_corked(int fd, struct end *end)
{
	for (long i = option("count", 500); i > 0; i--) {
		set_option(fd, IPPROTO_TCP, TCP_CORK, 1);
		send_bytes(fd, end, 137, 1, 0);
		send_bytes(fd, end, 5000, 999, MSG_MORE);
		set_option(fd, IPPROTO_TCP, TCP_CORK, 0);
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		send_bytes(fd, end, 99, 33, 0);
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 0);
	}
}

static void tcp_cork(void)
{
	run_tcp4(send_corked, receive_all);
}

/* Takes the notices of finished zero-copy sends; they are no data. Returns how many it took. */
static unsigned int reap_zerocopy(int fd)
{
	unsigned int done = 0;
	char control[128];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};

	while (recvmsg(fd, &message, MSG_ERRQUEUE) >= 0) {
		const struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		const struct sock_extended_err *notice;

		if (!c)
			failed("a zero-copy notice without content");
		notice = (const void *)CMSG_DATA(c);
		done += notice->ee_data - notice->ee_info + 1;
		message.msg_controllen = sizeof(control);
	}
	if (errno != EAGAIN)
		syscall_failed("recvmsg(MSG_ERRQUEUE)");
	return done;
}

static void send_zerocopy(int fd, struct end *end)
{
	char *buffer = make_buffer(CHUNK);
	uint64_t left = size_option();
	unsigned int pending = 0;

	set_option(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	while (left) {
		ssize_t n = send(fd, buffer, left < CHUNK ? left : CHUNK, MSG_ZEROCOPY);

		if (n < 0 && errno != ENOBUFS)
			syscall_failed("send(MSG_ZEROCOPY)");
		if (n > 0) {
			count_out(end, n, 0);
			left -= n;
			pending++;
		}
		pending -= reap_zerocopy(fd);
	}
	while (pending) {
		wait_for(fd, 0);
		pending -= reap_zerocopy(fd);
	}
}

static void tcp_zerocopy(void)
{
	run_tcp4(send_zerocopy, receive_all);
}

/* Maps received pages instead of copying them; recv() takes what does not fill pages. */
static void receive_mapped(int fd, struct end *end)
{
	void *window = mmap(NULL, CHUNK, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t total = 0;

	if (window == MAP_FAILED)
		skipped("mmap of a socket: %s", strerror(errno));
	for (;;) {
		struct tcp_zerocopy_receive mapped = {.address = (uintptr_t)window, .length = CHUNK};
		socklen_t len = sizeof(mapped);
		size_t rest;

		wait_for(fd, POLLIN);
		if (getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &mapped, &len)) {
			if (errno != EIO) /* the stream has ended */
				syscall_failed("TCP_ZEROCOPY_RECEIVE");
			break;
		}
		count_in(end, mapped.length, 0);
		total += mapped.length;
		rest = mapped.recv_skip_hint;
		if (mapped.length && !rest)
			continue;
		recv_bytes(fd, end, rest ? rest : 1, rest ? rest : 1, 0);
	}
	expect_eof(fd);
	if (!total)
		failed("no page was mapped");
}

static void tcp_mapped_receive(void)
{
	run_tcp4(send_file, receive_mapped);
}

/* --- io_uring, one request at a time --- */

struct uring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int sqe_flags;
};

static void *map_ring(int fd, size_t size, uint64_t offset)
{
	void *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (ring == MAP_FAILED)
		syscall_failed("mmap of an io_uring");
	return ring;
}

static struct uring uring_open(void)
{
	struct io_uring_params p = {0};
	struct uring u = {.fd = syscall(__NR_io_uring_setup, 4, &p)};
	char *sq, *cq;

	if (u.fd < 0)
		skipped("io_uring_setup: %s", strerror(errno));
	sq = map_ring(u.fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map_ring(u.fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	u.sqes = map_ring(u.fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	u.sq_tail = (void *)(sq + p.sq_off.tail);
	u.sq_mask = (void *)(sq + p.sq_off.ring_mask);
	u.sq_array = (void *)(sq + p.sq_off.array);
	u.cq_head = (void *)(cq + p.cq_off.head);
	u.cq_tail = (void *)(cq + p.cq_off.tail);
	u.cq_mask = (void *)(cq + p.cq_off.ring_mask);
	u.cqes = (void *)(cq + p.cq_off.cqes);
	u.sqe_flags = option("async", 0) ? IOSQE_ASYNC : 0;
	if (u.sqe_flags && !(p.features & IORING_FEAT_NATIVE_WORKERS))
		skipped("io_uring's workers are kernel threads, not the process's, before 5.12");
	return u;
}

static long uring_call(struct uring *u, int opcode, int fd, void *buffer, size_t len)
{
	unsigned int tail = *u->sq_tail, slot = tail & *u->sq_mask, head = *u->cq_head;
	long result;

	u->sqes[slot] = (struct io_uring_sqe){
	    .opcode = opcode,
	    .flags = u->sqe_flags,
	    .fd = fd,
	    .addr = (uintptr_t)buffer,
	    .len = len,
	};
	u->sq_array[slot] = slot;
	__atomic_store_n(u->sq_tail, tail + 1, __ATOMIC_RELEASE);
	must(syscall(__NR_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), "io_uring_enter");
	if (__atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE) == head)
		failed("io_uring_enter came back without a completion");
	result = u->cqes[head & *u->cq_mask].res;
	__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	if (result < 0) {
		errno = -result;
		syscall_failed("an io_uring request");
	}
	return result;
}

static void uring_send(int fd, struct end *end)
{
	struct uring u = uring_open();
	char *buffer = make_buffer(CHUNK);
	uint64_t left = size_option();

	while (left) {
		long n = uring_call(&u, IORING_OP_SEND, fd, buffer, left < CHUNK ? left : CHUNK);

		count_out(end, n, 0);
		left -= n;
	}
}

static void uring_receive(int fd, struct end *end)
{
	struct uring u = uring_open();
	char *buffer = make_buffer(CHUNK);
	long n;

	while ((n = uring_call(&u, IORING_OP_RECV, fd, buffer, CHUNK)))
		count_in(end, n, 0);
}

static void tcp_io_uring(void)
{
	run_tcp4(uring_send, uring_receive);
}

/* --- ways to begin and to end --- */

static void end_sending_then_read(int fd, struct end *end)
{
	send_bytes(fd, end, 1000, 1000, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	recv_to_eof(fd, end);
}

static void read_to_eof_then_send(int fd, struct end *end)
{
	recv_to_eof(fd, end);
	send_bytes(fd, end, size_option(), CHUNK, 0);
}

static void tcp_half_close(void)
{
	run_tcp4(end_sending_then_read, read_to_eof_then_send);
}

static void wait_for_tcp_state(int fd, int state)
{
	struct tcp_info info;
	socklen_t len;

	do {
		len = sizeof(info);
		must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO");
	} while (info.tcpi_state != state);
}

/* The socket is in state CLOSE, both FINs acknowledged, when the data is read. */
static void read_after_close(int fd, struct end *end)
{
	gate_wait(0);
	send_bytes(fd, end, 77, 77, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	wait_for_tcp_state(fd, TCP_CLOSE);
	recv_to_eof(fd, end);
}

static void send_end_read(int fd, struct end *end)
{
	send_bytes(fd, end, 20000, 20000, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	gate_open(0);
	recv_to_eof(fd, end);
}

static void tcp_read_after_close(void)
{
	run_tcp4(send_end_read, read_after_close);
}

static void reset_on_close(int fd)
{
	struct linger abort = {.l_onoff = 1, .l_linger = 0};

	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), "SO_LINGER");
}

static void expect_reset(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) >= 0 || errno != ECONNRESET)
		failed("the connection was not reset");
}

/* Gate 0: the server has read everything. */
static void send_then_reset(int fd, struct end *end)
{
	send_bytes(fd, end, size_option(), CHUNK, 0);
	gate_wait(0);
	reset_on_close(fd);
}

static void receive_then_expect_reset(int fd, struct end *end)
{
	recv_bytes(fd, end, size_option(), CHUNK, 0);
	gate_open(0);
	expect_reset(fd);
}

static void tcp_reset(void)
{
	run_tcp4(send_then_reset, receive_then_expect_reset);
}

/* Gate 0: the server's answer, which the client never reads, is on its way. */
static void reset_with_unread_data(int fd, struct end *end)
{
	send_bytes(fd, end, 5000, 5000, 0);
	gate_wait(0);
	wait_for(fd, POLLIN);
	reset_on_close(fd);
}

static void answer_then_expect_reset(int fd, struct end *end)
{
	recv_bytes(fd, end, 5000, 5000, 0);
	send_bytes(fd, end, 3000, 3000, 0);
	gate_open(0);
	expect_reset(fd);
}

static void tcp_reset_unread(void)
{
	run_tcp4(reset_with_unread_data, answer_then_expect_reset);
}

/* Gate 0: the server has accepted and looked at its addresses, which a reset takes away. */
/* Gate 0: the server knows whom it talks to, which it cannot ask after the reset. */
static void send_and_reset_at_once(int fd, struct end *end)
{
	int unacknowledged;

	send_bytes(fd, end, 20000, 20000, 0);
	do
		must(ioctl(fd, TIOCOUTQ, &unacknowledged), "TIOCOUTQ");
	while (unacknowledged);
	gate_wait(0);
	reset_on_close(fd);
}

static void read_after_reset(int fd, struct end *end)
{
	gate_open(0);
	gate_open(0);
	while (!(wait_for(fd, POLLIN) & POLLERR))
		;
	recv_bytes(fd, end, 20000, 20000, 0);
	expect_reset(fd);
}

static void tcp_read_after_reset(void)
{
	run_tcp4(send_and_reset_at_once, read_after_reset);
}

/* Gate 0: all is sent. A close with unread data resets the connection. */
static void send_and_get_reset(int fd, struct end *end)
{
	send_bytes(fd, end, 20000, 20000, 0);
	gate_open(0);
	expect_reset(fd);
}

static void read_half(int fd, struct end *end)
{
	gate_wait(0);
	recv_bytes(fd, end, 10000, 10000, MSG_WAITALL);
	wait_for(fd, POLLIN);
}

static void tcp_unread(void)
{
	run_tcp4(send_and_get_reset, read_half);
}

static void connect_in_vain(void *context)
{
	const union address *to = context;
	union address any = loopback(AF_INET, 0), local;
	int fd = bound_socket(SOCK_STREAM, &any);

	local = local_address(fd);
	end_between("client", IPPROTO_TCP, &local, to);
	if (!connect(fd, &to->sa, address_len(to)) || errno != ECONNREFUSED)
		failed("the connection was not refused");
}

static void tcp_refused(void)
{
	union address to = closed_port(SOCK_STREAM);

	spawn("tt-client", connect_in_vain, &to);
	join_all();
}

/* Dissolves the connection and makes another with the same socket. */
static void connect_twice(void *context)
{
	const struct many *many = context;
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	int fd;
	struct end *end;

	close(many->listener);
	fd = connected_socket(SOCK_STREAM, &many->to);
	end = end_of("client", fd);
	send_bytes(fd, end, 4000, 4000, 0);
	gate_wait(0); /* read by the server; its answer stays unread here */
	wait_for(fd, POLLIN);
	recv_bytes(fd, end, 100, 100, MSG_WAITALL);
	must(connect(fd, &nowhere, sizeof(nowhere)), "connect(AF_UNSPEC)");
	must(connect(fd, &many->to.sa, address_len(&many->to)), "connect");
	end = end_of("client", fd);
	send_bytes(fd, end, 6000, 6000, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	recv_to_eof(fd, end);
}

static void serve_twice(void *context)
{
	const struct many *many = context;
	int fd = must(accept(many->listener, NULL, NULL), "accept");
	struct end *end = end_of("server", fd);

	recv_bytes(fd, end, 4000, 4000, MSG_WAITALL);
	send_bytes(fd, end, 250, 250, 0);
	gate_open(0);
	expect_reset(fd);
	close(fd);
	fd = must(accept(many->listener, NULL, NULL), "accept");
	end = end_of("server", fd);
	recv_to_eof(fd, end);
	send_bytes(fd, end, 333, 333, 0);
	close(fd);
}

static void tcp_reconnect(void)
{
	run_many(connect_twice, serve_twice, 2);
}

/* --- data in the SYN --- */

static void request_with_data_in_syn(void *context)
{
	const struct many *many = context;
	char *buffer = make_buffer(many->bytes);

	close(many->listener);
	for (long i = 0; i < many->count; i++) {
		int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		ssize_t n = must(sendto(fd, buffer, many->bytes, MSG_FASTOPEN, &many->to.sa, address_len(&many->to)),
				 "sendto(MSG_FASTOPEN)");
		struct end *end = end_of("client", fd);
		struct tcp_info info;
		socklen_t len = sizeof(info);

		count_out(end, n, 0);
		send_bytes(fd, end, many->bytes, many->bytes, 0);
		must(shutdown(fd, SHUT_WR), "shutdown");
		recv_to_eof(fd, end);
		must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO");
		if (i && !(info.tcpi_options & TCPI_OPT_SYN_DATA))
			failed("the SYN carried no data");
		end->note = i ? "data in the SYN" : "asked for the cookie";
		close(fd);
	}
}

static void serve_with_data_in_syn(void *context)
{
	const struct many *many = context;

	for (long i = 0; i < many->count; i++) {
		int fd = must(accept(many->listener, NULL, NULL), "accept");
		struct end *end = end_of("server", fd);

		send_bytes(fd, end, 10, 10, 0);
		recv_to_eof(fd, end);
		send_bytes(fd, end, 20, 20, 0);
		close(fd);
	}
}

static void tcp_fastopen(void)
{
	union address any = loopback(AF_INET, 0);
	struct many many = {.count = option("count", 5), .bytes = 700};
	int setting;

	enter_new_netns();
	setting = must(open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY), "tcp_fastopen");
	must(write(setting, "3", 1), "tcp_fastopen");
	many.listener = listener_at(&any);
	set_option(many.listener, IPPROTO_TCP, TCP_FASTOPEN, 16);
	many.to = local_address(many.listener);
	spawn("tt-server", serve_with_data_in_syn, &many);
	spawn("tt-client", request_with_data_in_syn, &many);
	close(many.listener);
	join_all();
}

const struct scenario tcp_scenarios[] = {
    {"tcp-bulk", tcp_bulk},
    {"tcp-up", tcp_up},
    {"tcp-down", tcp_down},
    {"tcp-slow", tcp_slow},
    {"tcp-tiny", tcp_tiny},
    {"tcp-short", tcp_short},
    {"tcp-concurrent", tcp_concurrent},
    {"tcp-ipv6", tcp_ipv6},
    {"tcp-mapped", tcp_mapped},
    {"tcp-sendfile", tcp_sendfile},
    {"tcp-splice", tcp_splice},
    {"tcp-waitall", tcp_waitall},
    {"tcp-peek", tcp_peek},
    {"tcp-truncated", tcp_truncated},
    {"tcp-urgent", tcp_urgent},
    {"tcp-eagain", tcp_eagain},
    {"tcp-vectors", tcp_vectors},
    {"tcp-mmsg", tcp_mmsg},
    {"tcp-cork", tcp_cork},
    {"tcp-zerocopy", tcp_zerocopy},
    {"tcp-mapped-receive", tcp_mapped_receive},
    {"tcp-io-uring", tcp_io_uring},
    {"tcp-no-data", tcp_no_data},
    {"tcp-half-close", tcp_half_close},
    {"tcp-read-after-close", tcp_read_after_close},
    {"tcp-reset", tcp_reset},
    {"tcp-reset-unread", tcp_reset_unread},
    {"tcp-read-after-reset", tcp_read_after_reset},
    {"tcp-unread", tcp_unread},
    {"tcp-refused", tcp_refused},
    {"tcp-reconnect", tcp_reconnect},
    {"tcp-fastopen", tcp_fastopen},
    {0},
};
