// SPDX-License-Identifier: GPL-2.0-or-later
/* Raw sockets of protocol UDP beside true ones: they read what others are sent, and send what no UDP socket sent. */
#include "traffic.h"

#include <netinet/udp.h>

struct raw_udp {
	int server, raw;
	union address to, from;
	struct end *end;
};

/* Receives what others are sent too, which is not its own. */
static void sniff(void *context)
{
	const struct raw_udp *raw = context;
	char buffer[2000];

	for (long i = option("count", 50); i > 0; i--)
		must(recv(raw->raw, buffer, sizeof(buffer), 0), "recv of a raw socket");
	gate_open(0);
}

static void receive_all(void *context)
{
	const struct raw_udp *raw = context;
	char buffer[2000];

	for (long i = option("count", 50); i > 0; i--)
		count_in(raw->end, must(recv(raw->server, buffer, sizeof(buffer), 0), "recv"), 1);
	gate_open(0);
}

static struct raw_udp open_raw_udp(void)
{
	union address any = loopback(AF_INET, 0);
	struct raw_udp raw;

	enter_new_netns();
	raw.raw = must(socket(AF_INET, SOCK_RAW, IPPROTO_UDP), "socket");
	raw.server = bound_socket(SOCK_DGRAM, &any);
	raw.to = local_address(raw.server);
	return raw;
}

static void raw_udp_listener(void)
{
	struct raw_udp raw = open_raw_udp();
	int client = connected_socket(SOCK_DGRAM, &raw.to);
	char buffer[1000] = {0};
	struct end *end;

	raw.from = local_address(client);
	raw.end = end_between("server", IPPROTO_UDP, &raw.to, &raw.from);
	end = end_between("client", IPPROTO_UDP, &raw.from, &raw.to);
	spawn("ts-server", receive_all, &raw);
	spawn("ts-sniffer", sniff, &raw);
	for (long i = option("count", 50); i > 0; i--)
		count_out(end, must(send(client, buffer, sizeof(buffer), 0), "send"), 1);
	gate_wait(0);
	gate_wait(0);
	join_all();
}

/* A datagram that a raw socket sends is received as any other; no UDP socket has sent it. */
static void raw_udp_sender(void)
{
	struct raw_udp raw = open_raw_udp();
	struct {
		struct udphdr header;
		char payload[1000];
	} datagram = {.header = {.len = htons(sizeof(datagram))}};

	raw.from = loopback(AF_INET, 12345);
	datagram.header.source = raw.from.v4.sin_port;
	datagram.header.dest = raw.to.v4.sin_port;
	raw.end = end_between("server", IPPROTO_UDP, &raw.to, &raw.from);
	spawn("ts-server", receive_all, &raw);
	raw.to.v4.sin_port = 0;
	for (long i = option("count", 50); i > 0; i--)
		must(sendto(raw.raw, &datagram, sizeof(datagram), 0, &raw.to.sa, sizeof(raw.to.v4)), "sendto");
	join_all();
}

const struct scenario raw_udp_scenarios[] = {
    {"raw-udp-listener", raw_udp_listener},
    {"raw-udp-sender", raw_udp_sender},
    {0},
};
