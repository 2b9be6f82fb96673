// SPDX-License-Identifier: GPL-2.0-or-later
/* UDP that changes on its way or ends there: translated, encrypted, denied, damaged, without room. */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- translated and encrypted: a client asks and is answered --- */

enum { ROUNDS = 10, NAME_PORT = 53, SERVER_PORT = 5353 };

/* Where the client is bound and sends; where the server is bound, in which network namespace. */
struct path {
	union address from, to, server;
	int far, server_fd;
};

static union address ipv4(const char *address, int port)
{
	union address result = loopback(AF_INET, port);

	result.v4.sin_addr.s_addr = inet_addr(address);
	return result;
}

static void answer(void *context)
{
	const struct path *path = context;
	char buffer[2000];
	struct end *end = NULL;

	enter_netns(path->far);
	for (int i = 0; i < ROUNDS; i++) {
		union address peer = {0};
		socklen_t len = sizeof(peer);
		ssize_t n = must(recvfrom(path->server_fd, buffer, sizeof(buffer), 0, &peer.sa, &len), "recvfrom");

		if (!end)
			end = end_between("server", IPPROTO_UDP, &path->server, &peer);
		count_in(end, n, 1);
		count_out(end, must(sendto(path->server_fd, buffer, 2 * n, 0, &peer.sa, len), "sendto"), 1);
	}
}

/* With connected=1 the client's socket is connected. */
static void ask(void *context)
{
	const struct path *path = context;
	int fd = bound_socket(SOCK_DGRAM, &path->from);
	union address local = local_address(fd);
	struct end *end = end_between("client", IPPROTO_UDP, &local, &path->to);
	const struct sockaddr *to = &path->to.sa;
	char buffer[2000] = {0};

	if (option("connected", 0)) {
		must(connect(fd, to, sizeof(path->to.v4)), "connect");
		to = NULL;
	}
	for (int i = 0; i < ROUNDS; i++) {
		count_out(end, must(sendto(fd, buffer, 100 + i, 0, to, to ? sizeof(path->to.v4) : 0), "sendto"), 1);
		count_in(end, must(recv(fd, buffer, sizeof(buffer), 0), "recv"), 1);
	}
}

static void run_path(struct path *path)
{
	int near = own_netns();

	enter_netns(path->far);
	path->server_fd = bound_socket(SOCK_DGRAM, &path->server);
	enter_netns(near);
	spawn("tn-server", answer, path);
	spawn("tn-client", ask, path);
	join_all();
}

static void translate_output(const char *verdict)
{
	struct path path = {.from = ipv4("127.0.0.1", 0),
			    .to = ipv4("127.0.0.2", NAME_PORT),
			    .server = ipv4("127.0.0.1", SERVER_PORT),
			    .far = -1};

	enter_new_netns();
	command(
	    "nft 'table ip n { chain o { type nat hook output priority -100; ip daddr 127.0.0.2 udp dport %d %s; }; }'",
	    NAME_PORT, verdict);
	run_path(&path);
}

/* As Docker's resolver and Kubernetes' services are reached. */
static void udp_dnat(void)
{
	translate_output("dnat to 127.0.0.1:5353");
}

static void udp_redirect(void)
{
	translate_output("redirect to :5353");
}

static void udp_masquerade(void)
{
	struct path path = {.from = ipv4("192.0.2.9", 0),
			    .to = ipv4("192.0.2.2", SERVER_PORT),
			    .server = ipv4("192.0.2.2", SERVER_PORT)};

	enter_new_netns();
	path.far = open_link("link0");
	command("ip address add 192.0.2.9/24 dev link0");
	command(
	    "nft 'table ip n { chain p { type nat hook postrouting priority 100; ip saddr 192.0.2.9 masquerade; }; }'");
	run_path(&path);
}

/* Transport mode, so that the addresses stay. */
static void add_ipsec(const char *near)
{
	static const char key[] = "0x000102030405060708090a0b0c0d0e0f10111213";
	const char *const ends[2][2] = {{"192.0.2.1", "192.0.2.2"}, {"192.0.2.2", "192.0.2.1"}};

	for (int i = 0; i < 2; i++) {
		const char *from = ends[i][0], *to = ends[i][1];

		command(
		    "ip xfrm state add src %s dst %s proto esp spi %d mode transport aead 'rfc4106(gcm(aes))' %s 128",
		    from, to, 0x100 + i, key);
		command("ip xfrm policy add src %s dst %s proto udp dir %s tmpl src %s dst %s proto esp mode transport",
			from, to, !strcmp(from, near) ? "out" : "in", from, to);
	}
}

static void udp_ipsec(void)
{
	struct path path = {.from = ipv4("192.0.2.1", 0),
			    .to = ipv4("192.0.2.2", SERVER_PORT),
			    .server = ipv4("192.0.2.2", SERVER_PORT)};
	int near;

	enter_new_netns();
	path.far = open_link("link0");
	add_ipsec("192.0.2.1");
	near = own_netns();
	enter_netns(path.far);
	add_ipsec("192.0.2.2");
	enter_netns(near);
	run_path(&path);
}

/* --- denied by a program on the process's cgroup --- */

enum { DENIED = 10, ALLOWED = 5, DENIED_LEN = 100 };

struct denied {
	char cgroup[256];
	enum bpf_attach_type type;
};

/* A cgroup of version 2 under the root, empty. */
static void make_cgroup(struct denied *denied)
{
	char device[200], place[200], type[40], line[1000];
	FILE *mounts = fopen("/proc/self/mounts", "r");

	if (!mounts)
		syscall_failed("/proc/self/mounts");
	while (fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%199s %199s %39s", device, place, type) == 3 && !strcmp(type, "cgroup2")) {
			fclose(mounts);
			snprintf(denied->cgroup, sizeof(denied->cgroup), "%s/traffic-%d", place, getpid());
			must(mkdir(denied->cgroup, 0755), denied->cgroup);
			return;
		}
	}
	skipped("no cgroup2 is mounted");
}

/* The socket's cgroup is the one in which its process is when it is made. */
static void enter_cgroup(const struct denied *denied)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/cgroup.procs", denied->cgroup);
	write_setting(path, "0");
}

/* return 0: the packet is dropped */
static int deny_program(enum bpf_attach_type type)
{
	static const struct bpf_insn program[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return load_program(BPF_PROG_TYPE_CGROUP_SKB, type, program, sizeof(program) / sizeof(program[0]));
}

static void set_denied(const struct denied *denied, int program, bool on)
{
	int cgroup = must(open(denied->cgroup, O_RDONLY | O_CLOEXEC), denied->cgroup);

	if (on)
		attach_program(cgroup, program, denied->type, BPF_F_ALLOW_MULTI);
	else
		detach_program(cgroup, program, denied->type);
	close(cgroup);
}

struct exchange {
	int from, to;
	struct end *sender, *receiver;
};

static struct exchange open_exchange(void)
{
	union address any = loopback(AF_INET, 0), from, to;
	struct exchange x;

	x.to = bound_socket(SOCK_DGRAM, &any);
	to = local_address(x.to);
	x.from = connected_socket(SOCK_DGRAM, &to);
	from = local_address(x.from);
	x.sender = end_between("client", IPPROTO_UDP, &from, &to);
	x.receiver = end_between("server", IPPROTO_UDP, &to, &from);
	return x;
}

static void pass(const struct exchange *x, int datagrams, bool arrives)
{
	char buffer[DENIED_LEN] = {0};

	while (datagrams--) {
		count_out(x->sender, must(send(x->from, buffer, sizeof(buffer), 0), "send"), 1);
		if (arrives)
			count_in(x->receiver, must(recv(x->to, buffer, sizeof(buffer), 0), "recv"), 1);
	}
}

/* What is denied on its way in was sent. */
static void exchange_denied(void *context)
{
	const struct denied *denied = context;
	int program = deny_program(denied->type);
	char buffer[DENIED_LEN] = {0};
	struct exchange x;

	enter_cgroup(denied);
	x = open_exchange();
	pass(&x, ALLOWED, true);
	set_denied(denied, program, true);
	if (denied->type == BPF_CGROUP_INET_INGRESS)
		pass(&x, DENIED, false);
	for (int i = 0; i < DENIED && denied->type == BPF_CGROUP_INET_EGRESS; i++) {
		if (send(x.from, buffer, sizeof(buffer), 0) >= 0 || errno != EPERM)
			failed("a denied send did not fail with EPERM");
	}
	set_denied(denied, program, false);
	pass(&x, ALLOWED, true);
}

static void run_denied(enum bpf_attach_type type)
{
	struct denied denied = {.type = type};
	siginfo_t info;
	pid_t pid;

	enter_new_netns();
	make_cgroup(&denied);
	pid = spawn("tn-denied", exchange_denied, &denied);
	must(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), "waitid");
	must(rmdir(denied.cgroup), denied.cgroup);
	join_all();
}

static void udp_denied_out(void)
{
	run_denied(BPF_CGROUP_INET_EGRESS);
}

static void udp_denied_in(void)
{
	run_denied(BPF_CGROUP_INET_INGRESS);
}

/* --- damaged: nobody has received a datagram whose checksum is wrong --- */

static void udp_bad_checksum(void)
{
	union address any = loopback(AF_INET, 0), to, from = loopback(AF_INET, 12345);
	int raw, server;
	struct {
		struct udphdr header;
		char payload[1000];
	} datagram = {.header = {.source = from.v4.sin_port, .len = htons(sizeof(datagram))}};
	struct end *end;

	enter_new_netns();
	raw = must(socket(AF_INET, SOCK_RAW, IPPROTO_UDP), "socket");
	server = bound_socket(SOCK_DGRAM, &any);
	to = local_address(server);
	end = end_between("server", IPPROTO_UDP, &to, &from);
	datagram.header.dest = to.v4.sin_port;
	to.v4.sin_port = 0;
	/* A checksum of 0 is none; the last of each five has none. */
	for (int i = 0; i < 50; i++) {
		datagram.header.check = i % 5 == 4 ? 0 : htons(0xbad);
		must(sendto(raw, &datagram, sizeof(datagram), 0, &to.sa, sizeof(to.v4)), "sendto");
		if (i % 5 == 4)
			count_in(end, must(recv(server, datagram.payload, sizeof(datagram.payload), 0), "recv"), 1);
	}
}

/* --- no room in the device's queue --- */

enum { FULL_LEN = 1000, FULL_SENDS = 20 };

static void receive_to_marker(void *context)
{
	const struct exchange *x = context;
	char buffer[FULL_LEN];
	ssize_t n;

	do {
		n = must(recv(x->to, buffer, sizeof(buffer), 0), "recv");
		count_in(x->receiver, n, 1);
	} while (n != 1);
}

/* A program that asked for errors (recverr=1) is told of a full queue; else it is told that the datagram was sent. */
static void udp_queue_full(void)
{
	union address near = ipv4("192.0.2.1", 0), far = ipv4("192.0.2.2", SERVER_PORT);
	char buffer[FULL_LEN] = {0};
	int home, netns, refused = 0;
	struct exchange x;

	enter_new_netns();
	netns = open_link("link0");
	home = own_netns();
	x.from = bound_socket(SOCK_DGRAM, &near);
	near = local_address(x.from);
	must(connect(x.from, &far.sa, sizeof(far.v4)), "connect");
	set_option(x.from, IPPROTO_IP, IP_RECVERR, option("recverr", 1));
	x.sender = end_between("client", IPPROTO_UDP, &near, &far);
	enter_netns(netns);
	x.to = bound_socket(SOCK_DGRAM, &far);
	x.receiver = end_between("server", IPPROTO_UDP, &far, &near);
	spawn("tn-server", receive_to_marker, &x);
	enter_netns(home);

	/* The first one finds the peer's hardware address. */
	count_out(x.sender, must(send(x.from, buffer, 10, 0), "send"), 1);
	command("tc qdisc add dev link0 root tbf rate 8kbit burst 2000 limit 4000");
	for (int i = 0; i < FULL_SENDS; i++) {
		if (send(x.from, buffer, sizeof(buffer), 0) >= 0)
			count_out(x.sender, sizeof(buffer), 1);
		else if (errno == ENOBUFS)
			refused++;
		else
			syscall_failed("send");
	}
	if (option("recverr", 1) != (refused > 0))
		failed("%d sends failed", refused);
	command("tc qdisc del dev link0 root");
	count_out(x.sender, must(send(x.from, buffer, 1, 0), "send"), 1);
	join_all();
}

const struct scenario udp_path_scenarios[] = {
    {"udp-dnat", udp_dnat},
    {"udp-redirect", udp_redirect},
    {"udp-masquerade", udp_masquerade},
    {"udp-ipsec", udp_ipsec},
    {"udp-denied-out", udp_denied_out},
    {"udp-denied-in", udp_denied_in},
    {"udp-bad-checksum", udp_bad_checksum},
    {"udp-queue-full", udp_queue_full},
    {0},
};
