// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP sockets whose bytes take another way: between sockets in the kernel (sockmap), or encrypted by it (kTLS). */
#include "traffic.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#define SOL_TLS_LEVEL 282

static long size(void)
{
	return option("size", 1000000);
}

#define MAP_REDIRECT(map, key, flags, helper)                                                                          \
	{                                                                                                              \
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},   \
		    {0}, {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = key},                      \
		    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = flags},                         \
		    {.code = BPF_JMP | BPF_CALL, .imm = helper}, {.code = BPF_JMP | BPF_EXIT},                         \
	}

/* --- sk_msg: what the client sends goes to the server's socket without TCP --- */

enum { REDIRECTED, CONNECTED };

static void send_redirected(int fd, struct end *end)
{
	gate_wait(REDIRECTED);
	send_bytes(fd, end, size(), 10000, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	expect_eof(fd);
}

static void receive_all(void *context)
{
	const int *fd = context;
	struct end *end = end_of("server", *fd);

	gate_open(REDIRECTED);
	recv_bytes(*fd, end, size(), 10000, 0);
	expect_eof(*fd);
}

static void run_client(void *context)
{
	const int *fd = context;

	send_redirected(*fd, end_of("client", *fd));
}

/* Both sockets are made here, so that they can be put into the map; then a process has each. */
static void tcp_sockmap_message(void)
{
	union address any = loopback(AF_INET, 0), to;
	int listener, map = socket_map();
	const struct bpf_insn code[] = MAP_REDIRECT(map, 0, BPF_F_INGRESS, BPF_FUNC_msg_redirect_map);
	int program = load_program(BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, code, sizeof(code) / sizeof(code[0]));
	int client, server;

	enter_new_netns();
	listener = listener_at(&any);
	to = local_address(listener);
	client = connected_socket(SOCK_STREAM, &to);
	server = must(accept(listener, NULL, NULL), "accept");
	attach_program(map, program, BPF_SK_MSG_VERDICT, 0);
	put_socket(map, 0, server);
	put_socket(map, 1, client);
	spawn("tr-server", receive_all, &server);
	close(server);
	spawn("tr-client", run_client, &client);
	close(client);
	join_all();
	close(map);
}

/* --- sk_skb: what arrives at a proxy's one socket leaves by its other, and the proxy sees none of it --- */

struct proxy {
	int front, back;
	union address front_address, back_address;
};

static void run_proxy(void *context)
{
	const struct proxy *proxy = context;
	int map = socket_map();
	static const struct bpf_insn whole[] = {
	    {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_1},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	const struct bpf_insn redirect[] = MAP_REDIRECT(map, 1, 0, BPF_FUNC_sk_redirect_map);
	int parser = load_program(BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_PARSER, whole, 2);
	int verdict = load_program(BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_VERDICT, redirect,
				   sizeof(redirect) / sizeof(redirect[0]));
	int front = must(accept(proxy->front, NULL, NULL), "accept");
	int back = connected_socket(SOCK_STREAM, &proxy->back_address);
	struct end *ends[2] = {end_of("server", front), end_of("client", back)};

	attach_program(map, parser, BPF_SK_SKB_STREAM_PARSER, 0);
	attach_program(map, verdict, BPF_SK_SKB_STREAM_VERDICT, 0);
	put_socket(map, 0, front);
	put_socket(map, 1, back);
	gate_open(REDIRECTED);
	gate_wait(CONNECTED);
	ends[0]->now.bytes_in = size();
	ends[1]->now.bytes_out = size();
	close(back);
	close(front);
}

static void run_backend(void *context)
{
	const struct proxy *proxy = context;
	int fd = must(accept(proxy->back, NULL, NULL), "accept");
	struct end *end = end_of("server", fd);

	recv_bytes(fd, end, size(), 10000, 0);
	gate_open(CONNECTED);
	expect_eof(fd);
	close(fd);
}

static void run_frontend(void *context)
{
	const struct proxy *proxy = context;
	int fd = connected_socket(SOCK_STREAM, &proxy->front_address);
	struct end *end = end_of("client", fd);

	gate_wait(REDIRECTED);
	send_bytes(fd, end, size(), 10000, 0);
	expect_eof(fd);
	close(fd);
}

static void tcp_sockmap_proxy(void)
{
	union address any = loopback(AF_INET, 0);
	struct proxy proxy;

	/* Skipped before there is a connection that a later scenario would see end. */
	close(socket_map());
	enter_new_netns();
	proxy.front = listener_at(&any);
	proxy.back = listener_at(&any);
	proxy.front_address = local_address(proxy.front);
	proxy.back_address = local_address(proxy.back);
	spawn("tr-backend", run_backend, &proxy);
	spawn("tr-proxy", run_proxy, &proxy);
	spawn("tr-client", run_frontend, &proxy);
	join_all();
}

/* --- kTLS: a child sends through a socket that its parent has set up --- */

/*
 * Before there is a connection that a later scenario would see end. Of a socket that is not connected the kernel says
 * so only after it has found kTLS.
 */
static void skip_without_ktls(void)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) && errno != ENOTCONN)
		skipped("kTLS: %s", strerror(errno));
	close(fd);
}

static void encrypt(int fd)
{
	const struct tls12_crypto_info_aes_gcm_128 keys = {
	    .info = {.version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128}};

	must(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")), "TCP_ULP");
	if (setsockopt(fd, SOL_TLS_LEVEL, TLS_TX, &keys, sizeof(keys)))
		skipped("TLS_TX: %s", strerror(errno));
}

struct handed {
	int fd;
	struct end *end;
};

static void send_encrypted(void *context)
{
	const struct handed *handed = context;

	end_use(handed->end);
	for (int i = 0; i < 10; i++) {
		char *buffer = make_buffer(5000);

		must(send(handed->fd, buffer, 5000, 0), "send");
		free(buffer);
	}
}

static void encrypt_then_fork(int fd, struct end *end)
{
	struct handed handed = {fd, end};

	encrypt(fd);
	spawn("tr-heir", send_encrypted, &handed);
	close(fd);
	join_all();
}

static void receive_encrypted(int fd, struct end *end)
{
	recv_to_eof(fd, end);
}

/* The server does not decrypt: it receives what TCP carries, which the sender cannot count. */
static void tcp_ktls_child(void)
{
	struct end *client, *server;

	skip_without_ktls();
	enter_new_netns();
	run_tcp4(encrypt_then_fork, receive_encrypted);
	client = end_at(!strcmp(end_at(0)->role, "server"));
	server = end_at(strcmp(end_at(0)->role, "server") != 0);
	client->now.bytes_out = server->now.bytes_in;
}

const struct scenario redirect_scenarios[] = {
    {"tcp-sockmap-message", tcp_sockmap_message},
    {"tcp-sockmap-proxy", tcp_sockmap_proxy},
    {"tcp-ktls-child", tcp_ktls_child},
    {0},
};
