// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP: who uses a socket, and connections that exist when somebody begins to watch. */
#include "traffic.h"

#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void receive_all(int fd, struct end *end)
{
	recv_to_eof(fd, end);
}

static struct end *end_with_role(const char *role)
{
	int i = 0;

	while (strcmp(end_at(i)->role, role))
		i++;
	return end_at(i);
}

/* --- a socket in other hands --- */

struct handed {
	int fd;
	struct end *end;
};

static void child_sends_the_rest(void *context)
{
	const struct handed *handed = context;

	send_bytes(handed->fd, handed->end, 30000, 7000, 0);
}

static void send_by_a_child(int fd, struct end *end)
{
	struct handed handed = {fd, end};

	send_bytes(fd, end, 1000, 1000, 0);
	spawn("tt-heir", child_sends_the_rest, &handed);
	close(fd);
	join_all();
}

static void tcp_fork(void)
{
	run_tcp4(send_by_a_child, receive_all);
}

struct handover {
	int from, to;
};

static void take_socket_and_send(void *context)
{
	const struct handover *handover = context;
	char control[CMSG_SPACE(sizeof(int))];
	int index, fd;
	struct iovec v = {&index, sizeof(index)};
	struct msghdr message = {
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};

	close(handover->from);
	must(recvmsg(handover->to, &message, 0), "recvmsg of a socket");
	if (!CMSG_FIRSTHDR(&message))
		failed("no socket came");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	gate_wait(0);
	send_bytes(fd, end_at(index), 40000, 9000, 0);
	close(fd);
}

static struct handover handover;

static void give_socket_away(int fd, struct end *end)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	int index = end_index(end);
	struct iovec v = {&index, sizeof(index)};
	struct msghdr message = {
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	send_bytes(fd, end, 2000, 2000, 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	must(sendmsg(handover.from, &message, 0), "sendmsg of a socket");
	close(fd);
	gate_open(0);
}

static void tcp_scm_rights(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
	handover = (struct handover){pair[0], pair[1]};
	spawn("tt-taker", take_socket_and_send, &handover);
	run_tcp4(give_socket_away, receive_all);
}

/* Replaces this program by a copy of itself, which goes on in resume_after_exec(). */
static void send_across_exec(int fd, struct end *end)
{
	char table[32], socket[32], index[32];

	send_bytes(fd, end, 5000, 5000, 0);
	snprintf(table, sizeof(table), "table=%d", stage_table_fd());
	snprintf(socket, sizeof(socket), "socket=%d", fd);
	snprintf(index, sizeof(index), "end=%d", end_index(end));
	execl("/proc/self/exe", "traffic", "after-exec", table, socket, index, NULL);
	syscall_failed("exec");
}

void resume_after_exec(void)
{
	send_bytes(option("socket", -1), end_at(option("end", -1)), 25000, 6000, 0);
}

static void tcp_exec(void)
{
	run_tcp4(send_across_exec, receive_all);
}

/* --- threads --- */

struct thread_context {
	int fd;
	struct end *end;
	const char *name;
};

static void *thread_sends(void *context)
{
	const struct thread_context *t = context;

	must(prctl(PR_SET_NAME, t->name), "PR_SET_NAME");
	send_bytes(t->fd, t->end, option("size", 3000000), 65536, 0);
	return NULL;
}

static void run_thread(pthread_t *thread, void *(*run)(void *), struct thread_context *context)
{
	if (pthread_create(thread, NULL, run, context))
		failed("no thread");
}

static void send_from_threads(int fd, struct end *end)
{
	static const char *const names[] = {"pool-1", "pool-2", "pool-3"};
	struct thread_context contexts[3];
	pthread_t threads[3];

	for (int i = 0; i < 3; i++) {
		contexts[i] = (struct thread_context){fd, end, names[i]};
		run_thread(&threads[i], thread_sends, &contexts[i]);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void tcp_threads(void)
{
	run_tcp4(send_from_threads, receive_all);
}

/* One thread sends while another receives, on both sides. */
static void send_while_receiving(int fd, struct end *end)
{
	struct thread_context context = {fd, end, "writer"};
	pthread_t thread;

	run_thread(&thread, thread_sends, &context);
	recv_bytes(fd, end, option("size", 3000000), 50000, 0);
	pthread_join(thread, NULL);
}

static void tcp_duplex(void)
{
	run_tcp4(send_while_receiving, send_while_receiving);
}

/* --- short lives and sudden ends --- */

struct brief {
	int listener;
	union address to;
	long count;
};

static void live_for_a_moment(void *context)
{
	const struct brief *brief = context;
	int fd = connected_socket(SOCK_STREAM, &brief->to);

	send_bytes(fd, end_of("client", fd), 1234, 1234, 0);
}

static void breed(void *context)
{
	const struct brief *brief = context;

	close(brief->listener);
	for (long i = 0; i < brief->count; i++) {
		spawn("tt-mayfly", live_for_a_moment, context);
		join_all();
	}
}

static void receive_from_each(void *context)
{
	const struct brief *brief = context;

	for (long i = 0; i < brief->count; i++) {
		int fd = must(accept(brief->listener, NULL, NULL), "accept");

		recv_to_eof(fd, end_of("server", fd));
		close(fd);
	}
}

static void tcp_mayfly(void)
{
	union address address = server_address(AF_INET);
	struct brief brief = {.count = option("count", 50)};

	go_far();
	brief.listener = listener_at(&address);
	go_near();
	brief.to = local_address(brief.listener);
	spawn_far("tt-server", receive_from_each, &brief);
	spawn("tt-mayflies", breed, &brief);
	close(brief.listener);
	join_all();
}

static void send_until_killed(void *context)
{
	const union address *to = context;
	int fd = connected_socket(SOCK_STREAM, to);
	struct end *end = end_of("client", fd);

	end->note = "killed";
	send_bytes(fd, end, UINT64_MAX, 100000, 0);
}

/*
 * The send in which a process is killed may have moved bytes that it never learned of, so its end
 * has sent what the other end received: no byte is lost on loopback.
 */
static void tcp_killed(void)
{
	union address any = loopback(AF_INET, 0);
	int listener = listener_at(&any), fd;
	union address to = local_address(listener);
	pid_t victim = spawn("tt-victim", send_until_killed, &to);
	struct end *server;

	fd = must(accept(listener, NULL, NULL), "accept");
	server = end_of("server", fd);
	recv_bytes(fd, server, option("size", 5000000), 65536, 0);
	must(kill(victim, SIGKILL), "kill");
	must(waitpid(victim, NULL, 0), "waitpid");
	recv_to_eof(fd, server);
	end_with_role("client")->now.bytes_out = server->now.bytes_in;
	close(fd);
}

/* --- a connection to look at while nothing moves --- */

/* Gate 0: all has arrived, and the acknowledgement of it too. Gate 1: the end. */
static void send_then_hold(int fd, struct end *end)
{
	int unacknowledged;

	send_bytes(fd, end, option("size", 1000000), 65536, 0);
	do
		must(ioctl(fd, SIOCOUTQ, &unacknowledged), "SIOCOUTQ");
	while (unacknowledged);
	gate_open(0);
	gate_wait(1);
}

static void receive_then_hold(int fd, struct end *end)
{
	recv_bytes(fd, end, option("size", 1000000), 65536, MSG_WAITALL);
	gate_open(0);
	expect_eof(fd);
}

static void run_held(void *context)
{
	(void)context;
	run_tcp4(send_then_hold, receive_then_hold);
}

static void tcp_held(void)
{
	spawn("tt-held", run_held, NULL);
	gate_wait(0);
	gate_wait(0);
	wait_for_go();
	gate_open(1);
	join_all();
}

/* --- equal addresses in two network namespaces --- */

struct twin {
	int number; /* of the namespace; gates 2n and 2n+1 are its own */
	uint64_t bytes;
};

enum { TWIN_SERVER_PORT = 5000, TWIN_CLIENT_PORT = 6000 };

static void twin_server(void *context)
{
	const struct twin *twin = context;
	union address address = loopback(AF_INET, TWIN_SERVER_PORT);
	int listener = listener_at(&address), fd;
	struct end *end;

	gate_open(2 * twin->number);
	fd = must(accept(listener, NULL, NULL), "accept");
	end = end_of("server", fd);
	send_bytes(fd, end, recv_to_eof(fd, end) / 2, 10000, 0);
}

/* Sends once the other namespace's connection exists too. */
static void twin_client(void *context)
{
	const struct twin *twin = context;
	union address local = loopback(AF_INET, TWIN_CLIENT_PORT), to = loopback(AF_INET, TWIN_SERVER_PORT);
	int fd = bound_socket(SOCK_STREAM, &local);
	struct end *end;

	gate_wait(2 * twin->number);
	must(connect(fd, &to.sa, address_len(&to)), "connect");
	end = end_of("client", fd);
	gate_open(2 * !twin->number + 1);
	gate_wait(2 * twin->number + 1);
	send_bytes(fd, end, twin->bytes, 10000, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	recv_to_eof(fd, end);
}

static void run_twin(void *context)
{
	const struct twin *twin = context;

	enter_new_netns();
	spawn(twin->number ? "tt-server-two" : "tt-server-one", twin_server, context);
	spawn(twin->number ? "tt-client-two" : "tt-client-one", twin_client, context);
	join_all();
}

static void netns_twins(void)
{
	struct twin one = {0, 100000}, two = {1, 200000};

	spawn("tt-netns-one", run_twin, &one);
	spawn("tt-netns-two", run_twin, &two);
	join_all();
}

/* --- connections that exist before somebody watches --- */

/*
 * Gates: 0 a side has done its part of the past, 1 the server goes on, 2 the client does. The past:
 * the client sends 5000 bytes of which the server reads 3000 and sends 700 back.
 */
enum { PAST, SERVER_GO, CLIENT_GO };

static void client_with_past(int fd, struct end *end)
{
	send_bytes(fd, end, 5000, 5000, 0);
	recv_bytes(fd, end, 700, 700, MSG_WAITALL);
	gate_open(PAST);
	gate_wait(CLIENT_GO);
	send_bytes(fd, end, option("size", 100000), 8000, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	recv_to_eof(fd, end);
}

static void server_with_past(int fd, struct end *end)
{
	recv_bytes(fd, end, 3000, 3000, MSG_WAITALL);
	send_bytes(fd, end, 700, 700, 0);
	gate_open(PAST);
	gate_wait(SERVER_GO);
	recv_to_eof(fd, end);
	send_bytes(fd, end, 4321, 4321, 0);
}

/* Waits in recv(), which was called before anyone watched. */
static void server_waiting(int fd, struct end *end)
{
	recv_bytes(fd, end, 5000, 5000, MSG_WAITALL);
	send_bytes(fd, end, 700, 700, 0);
	gate_open(PAST);
	recv_to_eof(fd, end);
	send_bytes(fd, end, 4321, 4321, 0);
}

static void client_idle(int fd, struct end *end)
{
	send_bytes(fd, end, 600, 600, 0);
	gate_open(PAST);
	gate_wait(CLIENT_GO);
}

static void server_idle(int fd, struct end *end)
{
	recv_bytes(fd, end, 600, 600, MSG_WAITALL);
	gate_open(PAST);
	expect_eof(fd);
}

/* One send() call that begins before anyone watches and ends after that. */
static void client_stuck(int fd, struct end *end)
{
	gate_open(PAST);
	send_bytes(fd, end, 40000000, 40000000, 0);
}

static void server_slow(int fd, struct end *end)
{
	recv_bytes(fd, end, 100, 100, MSG_WAITALL);
	gate_open(PAST);
	gate_wait(SERVER_GO);
	recv_to_eof(fd, end);
}

struct past {
	void (*on_client)(int, struct end *);
	void (*on_server)(int, struct end *);
	const char *blocked; /* the process that is to wait in `syscall` before it begins */
	long syscall;
	int family;
};

static void run_past(void *context)
{
	const struct past *past = context;
	struct tcp_pair pair = {
	    .server = loopback(past->family, 0),
	    .client = loopback(past->family, 0),
	    .on_client = past->on_client,
	    .on_server = past->on_server,
	};

	run_tcp_pair(&pair);
}

/* Until the process of the end with that role sleeps inside the system call. */
static void wait_until_blocked(const char *role, long number)
{
	char path[64], line[256];
	long now;

	snprintf(path, sizeof(path), "/proc/%d/syscall", end_with_role(role)->pid);
	do {
		FILE *file = fopen(path, "r");

		if (!file)
			syscall_failed(path);
		if (!fgets(line, sizeof(line), file))
			failed("%s is empty", path);
		fclose(file);
	} while (sscanf(line, "%ld", &now) != 1 || now != number);
}

static void make_past(const struct past *past)
{
	spawn("tt-past", run_past, (void *)past);
	gate_wait(PAST);
	gate_wait(PAST);
	if (past->blocked)
		wait_until_blocked(past->blocked, past->syscall);
	ends_existed();
}

static void run_after_past(void)
{
	wait_for_go();
	gate_open(SERVER_GO);
	gate_open(CLIENT_GO);
	join_all();
}

static void run_with_past(const struct past *past)
{
	make_past(past);
	run_after_past();
}

static void existing_tcp(void)
{
	run_with_past(&(struct past){client_with_past, server_with_past, .family = AF_INET});
}

static void existing_tcp6(void)
{
	run_with_past(&(struct past){client_with_past, server_with_past, .family = AF_INET6});
}

static void existing_blocked(void)
{
	run_with_past(&(struct past){client_with_past, server_waiting, "server", SYS_recvfrom, AF_INET});
}

static void existing_idle(void)
{
	run_with_past(&(struct past){client_idle, server_idle, "server", SYS_recvfrom, AF_INET});
}

static int socket_of(const struct end *end)
{
	int process = must(syscall(SYS_pidfd_open, end->pid, 0), "pidfd_open");
	int fd = must(syscall(SYS_pidfd_getfd, process, end->fd, 0), "pidfd_getfd");

	close(process);
	return fd;
}

static int queued(int fd, int request)
{
	int bytes;

	must(ioctl(fd, request, &bytes), "bytes in a socket's queue");
	return bytes;
}

/*
 * What the stuck send() has handed over so far: sent and read, sent and not read, not sent. It
 * changes no more once all that fits the receiver's window is acknowledged and the sender sleeps.
 */
static uint64_t accepted_so_far(const struct end *client, const struct end *server)
{
	int from = socket_of(client), to = socket_of(server), waiting;

	do {
		while (!queued(from, SIOCOUTQNSD) || queued(from, SIOCOUTQ) != queued(from, SIOCOUTQNSD))
			;
		wait_until_blocked("client", SYS_sendto);
		waiting = queued(from, SIOCOUTQ);
	} while (waiting != queued(from, SIOCOUTQNSD));
	waiting += server->before.bytes_in + queued(to, SIOCINQ);
	close(from);
	close(to);
	return waiting;
}

static void existing_stuck(void)
{
	struct end *client;
	uint64_t accepted;

	make_past(&(struct past){client_stuck, server_slow, "client", SYS_sendto, AF_INET});
	client = end_with_role("client");
	accepted = accepted_so_far(client, end_with_role("server"));
	client->before.bytes_out = accepted;
	run_after_past();
	client->now.bytes_out -= accepted;
}

const struct scenario tcp_owner_scenarios[] = {
    {"tcp-fork", tcp_fork},
    {"tcp-scm-rights", tcp_scm_rights},
    {"tcp-exec", tcp_exec},
    {"tcp-threads", tcp_threads},
    {"tcp-duplex", tcp_duplex},
    {"tcp-mayfly", tcp_mayfly},
    {"tcp-killed", tcp_killed},
    {"tcp-held", tcp_held},
    {"netns-twins", netns_twins},
    {"existing-tcp", existing_tcp},
    {"existing-tcp6", existing_tcp6},
    {"existing-blocked", existing_blocked},
    {"existing-idle", existing_idle},
    {"existing-stuck", existing_stuck},
    {0},
};
