/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets on the loopback network, processes and time, for every kind of load. Failures end the process. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

#define NS_PER_S 1000000000L

/* 127.0.0.1 + `address`, no port. */
struct sockaddr_in loopback(int address);
struct sockaddr_in bound_address(int fd);
int bound_socket(int type, int address);
int listen_on(int address);
void connect_to(int fd, struct sockaddr_in to);
void no_delay(int fd);

/* Both ends, connected, before there is a second process. */
void open_pair(int ends[2], bool udp);

void send_all(int fd, const char *from, int size);
void receive_all(int fd, char *to, int size);

/* Forks a child that goes when this process goes. */
pid_t fork_child(void);
/* Keeps this process on one processor, where there are several to choose from. */
void pin(int processor);
void allow_descriptors(rlim_t wanted);

/* CLOCK_MONOTONIC */
uint64_t now_ns(void);
void add_ns(struct timespec *at, long ns);

#endif
