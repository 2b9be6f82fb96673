/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic whose every byte is known: each scenario runs the ends of some flows in processes of its
 * own, and each process counts what its socket calls returned.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define NAME_LEN 16

/* Exit status of a scenario that this kernel cannot run. */
#define EXIT_SKIPPED 77

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct counts {
	uint64_t bytes_in, bytes_out;
	uint64_t packets_in, packets_out; /* datagrams on the wire; UDP only */
};

/*
 * One end of one flow. Lives in memory that all processes of the scenario share, so that what a process
 * counted outlives it.
 */
struct end {
	const char *role;
	const char *note;
	int proto;
	int fd; /* in the process that made this end */
	union address local, remote;
	ino_t netns;
	pid_t pid;		/* of the process that used the socket last */
	char process[NAME_LEN]; /* its name */
	struct counts before;	/* up to the moment ends_existed() was called */
	struct counts now;
	bool existed;
};

/* --- stage.c: arguments, processes, gates, the table of ends --- */

/* The value of KEY=value on the command line, a whole number; as text, or NULL. */
long option(const char *key, long fallback);
const char *text_option(const char *key);

/* Ends this process, and so the scenario, saying why; `syscall_failed` adds errno. */
_Noreturn void failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void syscall_failed(const char *what);
_Noreturn void skipped(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `value`, unless it is negative: then the scenario fails. */
long must(long value, const char *what);

/* Runs `run(context)` in a new process called `name`; it dies with its parent. */
pid_t spawn(const char *name, void (*run)(void *), void *context);
/* The same on the far side. */
pid_t spawn_far(const char *name, void (*run)(void *), void *context);
/* Waits for every process this one has spawned; fails when one of them did. */
void join_all(void);
/* Takes this process's name from the kernel again, after it has changed. */
void refresh_name(void);

/* One-way signals between the processes of a scenario; a gate opens for as many waiters as `gate_open` calls. */
enum { GATES = 8 };
void gate_open(int gate);
void gate_wait(int gate);

/* Prints `{"ready":true}` and waits for a line on stdin. */
void wait_for_go(void);
/* Moves what was counted so far to `before` for all ends. */
void ends_existed(void);

/* A new end for a connected socket, and for a pair of addresses. */
struct end *end_of(const char *role, int fd);
struct end *end_between(const char *role, int proto, const union address *local, const union address *remote);
/* The caller is the process that uses the socket now. */
void end_use(struct end *end);
void count_in(struct end *end, uint64_t bytes, uint64_t packets);
void count_out(struct end *end, uint64_t bytes, uint64_t packets);
/* Whether an end of this scenario has had this local address. */
bool was_used(const union address *local);
int end_index(const struct end *end);
struct end *end_at(int index);

void stage_open(int argc, char **argv);
/* Maps the table of the process that this one was before it called exec. */
void stage_resume(int argc, char **argv);
/* Arguments with which an exec'ed copy of this program finds the table. */
int stage_table_fd(void);
/* Prints one JSON object per end. */
void stage_report(void);
/* With hold=1: prints `{"held":true}` and waits for the end of stdin, while the network namespaces stay. */
void wait_if_held(void);

/* Moves this process to a new network namespace with its loopback interface up; to an open one, unless negative. */
void enter_new_netns(void);
void enter_netns(int netns);

/*
 * With far=FILE, a network namespace, servers are on the far side of a link whose near end is in this
 * process's: 192.0.2.1 and 2001:db8::1 are near, 192.0.2.2 and 2001:db8::2 far. Without it, both sides
 * are one. These move this process.
 */
void go_far(void);
void go_near(void);
/* Where servers listen: loopback, or the far side; at the port of port=, else at any. */
union address server_address(int family);

/* --- addresses and sockets --- */

union address loopback(int family, int port);
void set_option(int fd, int level, int name, int value);
socklen_t address_len(const union address *address);
union address local_address(int fd);
union address remote_address(int fd);
/* A socket bound to `address`. */
int bound_socket(int type, const union address *address);
int listener_at(const union address *address);
int connected_socket(int type, const union address *to);

/* A port of 127.0.0.1 on which nothing listens. */
union address closed_port(int type);

/* `size` bytes that differ from their neighbours. */
char *make_buffer(size_t size);

/* Sends or receives until `total` bytes, or until the end of the stream; returns how many it were. */
uint64_t send_bytes(int fd, struct end *end, uint64_t total, size_t chunk, int flags);
uint64_t recv_bytes(int fd, struct end *end, uint64_t total, size_t chunk, int flags);
void expect_eof(int fd);
/* Receives to the end of the stream; returns how many bytes it were. */
uint64_t recv_to_eof(int fd, struct end *end);

/*
 * A TCP connection between processes tt-server and tt-client; each side closes when it returns.
 * The client connects to `client` at the server's port.
 */
struct tcp_pair {
	union address server, client;
	void (*on_server)(int fd, struct end *end);
	void (*on_client)(int fd, struct end *end);
};
void run_tcp_pair(const struct tcp_pair *pair);
void run_tcp4(void (*on_client)(int, struct end *), void (*on_server)(int, struct end *));

/* --- place.c --- */

/* Runs a shell command; the scenario is skipped where it fails. */
void command(const char *format, ...) __attribute__((format(printf, 1, 2)));
void write_setting(const char *path, const char *value);
/* This process's network namespace, open. */
int own_netns(void);
/*
 * A new network namespace, open, at the far end of a link whose near end is `device`: 192.0.2.1, 2001:db8::1 and
 * fe80::1 are near, .2 and ::2 far, on each link. The far end is called eth0.
 */
int open_link(const char *device);

/* --- programs.c --- */

struct bpf_insn;

/* The types are those of linux/bpf.h. Where the kernel does not take them the scenario is skipped. */
int load_program(int type, int attach_type, const struct bpf_insn *code, int len);
void attach_program(int target, int program, int attach_type, int flags);
void detach_program(int target, int program, int attach_type);
/* A map for two sockets. */
int socket_map(void);
void put_socket(int map, uint32_t key, int fd);

/* --- inspect.c --- */

/* The modes called bpf-*: what there is of BPF in the kernel, one thing a line. Returns the exit status. */
int inspect_bpf(int argc, char **argv);

/* --- scenarios --- */

struct scenario {
	const char *name;
	void (*run)(void);
};
extern const struct scenario tcp_scenarios[], tcp_owner_scenarios[], udp_scenarios[], kernel_scenarios[],
    socket_scenarios[], raw_udp_scenarios[], twin_scenarios[], udp_reader_scenarios[], udp_path_scenarios[],
    tcp_edge_scenarios[], tcp_turn_scenarios[], restless_scenarios[], redirect_scenarios[];

/* The rest of tcp-exec, after exec. */
void resume_after_exec(void);

#endif
