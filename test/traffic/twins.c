// SPDX-License-Identifier: GPL-2.0-or-later
/* Two sockets of one network namespace with the same addresses and ports, in use at the same time. */
#include "traffic.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TWINS = 2, READY = 0, GO = 1, NEAR_PORT = 5000, FAR_PORT = 6000 };

/* What keeps the two apart. */
enum apart { BY_DEVICE, BY_ZONE, BY_VRF };

struct twin {
	int number, type, far, far_fd;
	char device[IFNAMSIZ], bound_to[IFNAMSIZ];
	union address near_address, far_address;
};

static long rounds(const struct twin *twin)
{
	return 5 + twin->number;
}

static size_t size(const struct twin *twin)
{
	return 400 * (twin->number + 1);
}

static union address address_of(enum apart apart, int number, int port, const char *device)
{
	union address address = loopback(apart == BY_ZONE ? AF_INET6 : AF_INET, port);

	if (apart == BY_ZONE) {
		address.v6.sin6_addr = (struct in6_addr){{{0xfe, 0x80, [15] = number}}};
		address.v6.sin6_scope_id = if_nametoindex(device);
	} else {
		address.v4.sin_addr.s_addr = htonl(0xc0000200 + number);
	}
	return address;
}

static void send_some(struct end *end, int fd, size_t len)
{
	char *buffer = make_buffer(len);

	count_out(end, must(send(fd, buffer, len, 0), "send"), 1);
}

static void recv_some(struct end *end, int fd, size_t len)
{
	char *buffer = make_buffer(len);

	count_in(end, must(recv(fd, buffer, len, MSG_WAITALL), "recv"), 1);
}

static void ask(const struct twin *twin, struct end *end, int fd)
{
	for (long i = rounds(twin); i > 0; i--) {
		send_some(end, fd, size(twin));
		recv_some(end, fd, 2 * size(twin));
	}
}

static int near_socket(const struct twin *twin)
{
	int fd = must(socket(twin->near_address.sa.sa_family, twin->type, 0), "socket");

	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (twin->bound_to[0])
		must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, twin->bound_to, strlen(twin->bound_to) + 1),
		     "SO_BINDTODEVICE");
	must(bind(fd, &twin->near_address.sa, address_len(&twin->near_address)), "bind");
	must(connect(fd, &twin->far_address.sa, address_len(&twin->far_address)), "connect");
	return fd;
}

static void run_near(void *context)
{
	const struct twin *twin = context;
	int fd = near_socket(twin);
	struct end *end = end_of("client", fd);

	ask(twin, end, fd);
	gate_open(READY);
	gate_wait(GO);
	ask(twin, end, fd);
	close(fd);
}

static void answer(const struct twin *twin, struct end *end, int fd)
{
	for (long i = rounds(twin); i > 0; i--) {
		recv_some(end, fd, size(twin));
		send_some(end, fd, 2 * size(twin));
	}
}

static void run_far(void *context)
{
	const struct twin *twin = context;
	int fd = twin->far_fd;
	struct end *end;

	enter_netns(twin->far);
	if (twin->type == SOCK_STREAM)
		fd = must(accept(fd, NULL, NULL), "accept");
	end = end_of("server", fd);
	/* Ready once the last answer is counted: its reader may be ahead. */
	for (int half = 0; half < 2; half++) {
		answer(twin, end, fd);
		if (half == 0)
			gate_open(READY);
	}
	if (twin->type == SOCK_STREAM)
		expect_eof(fd);
}

static void open_far(struct twin *twin, enum apart apart)
{
	int near = own_netns();
	union address here, there = twin->near_address;

	enter_netns(twin->far);
	here = address_of(apart, 2, FAR_PORT, "eth0");
	if (twin->type == SOCK_STREAM) {
		twin->far_fd = listener_at(&here);
	} else {
		twin->far_fd = bound_socket(SOCK_DGRAM, &here);
		if (apart == BY_ZONE)
			there.v6.sin6_scope_id = here.v6.sin6_scope_id;
		must(connect(twin->far_fd, &there.sa, address_len(&there)), "connect");
	}
	enter_netns(near);
	close(near);
}

static void open_vrf(const struct twin *twin)
{
	command("ip link add %s type vrf table %d && ip link set %s up", twin->bound_to, 100 + twin->number,
		twin->bound_to);
	command("ip link set %s master %s", twin->device, twin->bound_to);
}

static void run_twins(int type, enum apart apart)
{
	struct twin twins[TWINS];

	enter_new_netns();
	for (int i = 0; i < TWINS; i++) {
		struct twin *twin = &twins[i];

		*twin = (struct twin){.number = i, .type = type};
		snprintf(twin->device, sizeof(twin->device), "link%d", i);
		twin->far = open_link(twin->device);
		if (apart == BY_VRF) {
			snprintf(twin->bound_to, sizeof(twin->bound_to), "vrf%d", i);
			open_vrf(twin);
		} else if (apart == BY_DEVICE) {
			memcpy(twin->bound_to, twin->device, sizeof(twin->device));
		}
		twin->near_address = address_of(apart, 1, NEAR_PORT, twin->device);
		twin->far_address = address_of(apart, 2, FAR_PORT, twin->device);
		open_far(twin, apart);
	}
	for (int i = 0; i < TWINS; i++) {
		spawn(i ? "tw-far-1" : "tw-far-0", run_far, &twins[i]);
		spawn(i ? "tw-near-1" : "tw-near-0", run_near, &twins[i]);
		gate_wait(READY);
		gate_wait(READY);
	}
	if (option("existing", 0))
		ends_existed();
	wait_for_go();
	for (int i = 0; i < TWINS; i++)
		gate_open(GO);
	join_all();
}

static void tcp_twins_device(void)
{
	run_twins(SOCK_STREAM, BY_DEVICE);
}

static void tcp_twins_zone(void)
{
	run_twins(SOCK_STREAM, BY_ZONE);
}

static void tcp_twins_vrf(void)
{
	run_twins(SOCK_STREAM, BY_VRF);
}

static void udp_twins_device(void)
{
	run_twins(SOCK_DGRAM, BY_DEVICE);
}

static void udp_twins_zone(void)
{
	run_twins(SOCK_DGRAM, BY_ZONE);
}

static void udp_twins_vrf(void)
{
	run_twins(SOCK_DGRAM, BY_VRF);
}

const struct scenario twin_scenarios[] = {
    {"tcp-twins-device", tcp_twins_device},
    {"tcp-twins-zone", tcp_twins_zone},
    {"tcp-twins-vrf", tcp_twins_vrf},
    {"udp-twins-device", udp_twins_device},
    {"udp-twins-zone", udp_twins_zone},
    {"udp-twins-vrf", udp_twins_vrf},
    {0},
};
