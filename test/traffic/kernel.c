// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP sockets that the kernel itself reads and writes. */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* --- Multipath TCP: the program has the connection, the kernel the TCP sockets under it --- */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

enum { MPTCP_INFO_OPTION = 1, MPTCP_FELL_BACK = 1 };

/* The beginning of struct mptcp_info, linux/mptcp.h. */
struct multipath_info {
	uint8_t subflows, add_addr_signal, add_addr_accepted, subflows_max;
	uint8_t add_addr_signal_max, add_addr_accepted_max;
	uint32_t flags;
};

struct multipath {
	int listener;
	union address to;
};

static int multipath_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	if (fd < 0)
		skipped("Multipath TCP: %s", strerror(errno));
	return fd;
}

static void expect_multipath(int fd)
{
	struct multipath_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_MPTCP, MPTCP_INFO_OPTION, &info, &len))
		skipped("MPTCP_INFO: %s", strerror(errno));
	if (info.flags & MPTCP_FELL_BACK)
		failed("the connection fell back to plain TCP");
}

static void serve_multipath(void *context)
{
	const struct multipath *multipath = context;
	int fd = must(accept(multipath->listener, NULL, NULL), "accept");
	struct end *end = end_of("server", fd);

	expect_multipath(fd);
	send_bytes(fd, end, recv_to_eof(fd, end) / 4, 100 * 1000, 0);
	close(fd);
}

static void request_multipath(void *context)
{
	const struct multipath *multipath = context;
	int fd = multipath_socket();
	struct end *end;

	close(multipath->listener);
	must(connect(fd, &multipath->to.sa, address_len(&multipath->to)), "connect");
	end = end_of("client", fd);
	expect_multipath(fd);
	send_bytes(fd, end, option("size", 3000000), 65536, 0);
	must(shutdown(fd, SHUT_WR), "shutdown");
	recv_to_eof(fd, end);
	close(fd);
}

static void tcp_multipath(void)
{
	union address address = server_address(AF_INET);
	struct multipath multipath;

	go_far();
	multipath.listener = multipath_socket();
	set_option(multipath.listener, SOL_SOCKET, SO_REUSEADDR, 1);
	must(bind(multipath.listener, &address.sa, address_len(&address)), "bind");
	must(listen(multipath.listener, 16), "listen");
	go_near();
	multipath.to = local_address(multipath.listener);
	spawn_far("tt-server", serve_multipath, &multipath);
	spawn("tt-client", request_multipath, &multipath);
	close(multipath.listener);
	join_all();
}

/* --- a network block device: a program connects, the kernel talks --- */

enum { BLOCK = 4096 };

/* The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md */
static void serve_blocks(int fd, struct end *end)
{
	char *block = make_buffer(1 << 20);
	struct nbd_request request;

	while (recv(fd, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
		struct nbd_reply reply = {.magic = htonl(NBD_REPLY_MAGIC)};
		uint32_t len = ntohl(request.len), type = ntohl(request.type);

		count_in(end, sizeof(request), 0);
		if (type == NBD_CMD_DISC)
			return;
		if (len > 1 << 20)
			failed("a request for %u bytes", len);
		memcpy(reply.handle, request.handle, sizeof(reply.handle));
		if (type == NBD_CMD_WRITE)
			recv_bytes(fd, end, len, len, MSG_WAITALL);
		count_out(end, must(send(fd, &reply, sizeof(reply), 0), "send"), 0);
		for (uint32_t done = 0; type == NBD_CMD_READ && done < len;) {
			ssize_t n = must(send(fd, block + done, len - done, 0), "send");

			count_out(end, n, 0);
			done += n;
		}
	}
}

static void run_device(void *context)
{
	const int *device = context;

	must(ioctl(*device, NBD_DO_IT), "NBD_DO_IT");
}

/* The device has a size once the kernel has begun to talk. */
static void wait_for_size(int disk, uint64_t expected)
{
	uint64_t size;

	do
		must(ioctl(disk, BLKGETSIZE64, &size), "BLKGETSIZE64");
	while (size != expected);
}

/* Reads the whole device and writes a part of it, past the page cache. */
static void use_device(const char *path, long blocks)
{
	int disk = must(open(path, O_RDWR | O_DIRECT), path);
	void *buffer = NULL;

	wait_for_size(disk, blocks * BLOCK);
	if (posix_memalign(&buffer, BLOCK, 16 * BLOCK))
		failed("no memory");
	memset(buffer, 'x', 16 * BLOCK);
	for (long done = 0; done < blocks; done += 16) {
		if (must(pread(disk, buffer, 16 * BLOCK, done * BLOCK), "read from the device") != 16 * BLOCK)
			failed("the device is too short");
	}
	for (long done = 0; done < blocks / 4; done += 16)
		must(pwrite(disk, buffer, 16 * BLOCK, done * BLOCK), "write to the device");
	close(disk);
}

static int free_device(char *path, size_t size)
{
	for (int i = 0; i < 16; i++) {
		int fd;

		snprintf(path, size, "/dev/nbd%d", i);
		fd = open(path, O_RDWR);
		if (fd < 0)
			skipped("%s: %s", path, strerror(errno));
		if (!ioctl(fd, NBD_SET_BLKSIZE, (long)BLOCK))
			return fd;
		close(fd);
	}
	skipped("no network block device is free");
}

static void attach_blocks(int fd, struct end *end)
{
	char path[32];
	int device = free_device(path, sizeof(path));
	long blocks = option("blocks", 512) / 16 * 16;

	end->note = "used by the kernel";
	must(ioctl(device, NBD_SET_SIZE_BLOCKS, blocks), "NBD_SET_SIZE_BLOCKS");
	must(ioctl(device, NBD_CLEAR_SOCK), "NBD_CLEAR_SOCK");
	must(ioctl(device, NBD_SET_SOCK, fd), "NBD_SET_SOCK");
	close(fd);
	spawn("tt-device", run_device, &device);
	use_device(path, blocks);
	must(ioctl(device, NBD_DISCONNECT), "NBD_DISCONNECT");
	join_all();
	must(ioctl(device, NBD_CLEAR_SOCK), "NBD_CLEAR_SOCK");
	close(device);
}

/* Nobody can ask the kernel what it moved: its end has what the other end counted. */
static void tcp_block_device(void)
{
	struct end *client, *server;

	run_tcp4(attach_blocks, serve_blocks);
	client = end_at(!strcmp(end_at(0)->role, "server"));
	server = end_at(strcmp(end_at(0)->role, "server") != 0);
	client->now.bytes_in = server->now.bytes_out;
	client->now.bytes_out = server->now.bytes_in;
}

const struct scenario kernel_scenarios[] = {
    {"tcp-multipath", tcp_multipath},
    {"tcp-block-device", tcp_block_device},
    {0},
};
