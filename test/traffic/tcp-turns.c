// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP: one socket that several processes use in turns. */
#include "traffic.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/*
 * Gates: one a user, whose turn it is; a user has left; the test has seen what it waited for; the exchanges are over,
 * and then the calls that move nothing.
 */
enum { MOST_USERS = 5, LEFT = MOST_USERS, SEEN, DONE };
enum { MESSAGE = 10 };

struct user {
	int number, fd;
	struct end *end;
};

/* users=: processes, the first is the one that accepted. exchanges= and then idle=: turns, user after user. */
static long users(void)
{
	return option("users", 2);
}

static long exchanges(void)
{
	return option("exchanges", 3);
}

static long turns(void)
{
	return exchanges() + option("idle", 0);
}

static void exchange(const struct user *user)
{
	recv_bytes(user->fd, user->end, MESSAGE, MESSAGE, MSG_WAITALL);
	send_bytes(user->fd, user->end, MESSAGE, MESSAGE, 0);
}

static void call_for_nothing(const struct user *user)
{
	char byte;

	if (recv(user->fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		failed("something came that nobody has sent");
	end_use(user->end);
}

static void take_turn(const struct user *user, long turn)
{
	if (turn < exchanges())
		exchange(user);
	else
		call_for_nothing(user);
	if (turn + 1 != exchanges() && turn + 1 != turns())
		return;
	gate_open(DONE);
	if (turns() > exchanges())
		gate_wait(SEEN);
}

/* The socket is closed by whoever has the last turn. */
static void use_in_turns(void *context)
{
	const struct user *user = context;

	for (long turn = user->number; turn < turns(); turn += users()) {
		gate_wait(user->number);
		take_turn(user, turn);
		gate_open((turn + 1) % users());
	}
	if ((turns() - 1) % users() == user->number) {
		for (long others = users() - 1; others > 0; others--)
			gate_wait(LEFT);
	}
	close(user->fd);
	gate_open(LEFT);
}

static void share(int fd, struct end *end)
{
	struct user user = {.fd = fd, .end = end};
	char name[NAME_LEN];

	for (user.number = 1; user.number < users(); user.number++) {
		snprintf(name, sizeof(name), "tt-user-%d", user.number);
		spawn(name, use_in_turns, &user);
	}
	user.number = 0;
	gate_open(0);
	use_in_turns(&user);
	join_all();
}

static void talk_to_all(int fd, struct end *end)
{
	for (long left = exchanges(); left > 0; left--) {
		send_bytes(fd, end, MESSAGE, MESSAGE, 0);
		recv_bytes(fd, end, MESSAGE, MESSAGE, MSG_WAITALL);
	}
	expect_eof(fd);
}

static void run_shared(void *context)
{
	(void)context;
	run_tcp4(talk_to_all, share);
}

static void tcp_turns(void)
{
	spawn("tt-shared", run_shared, NULL);
	for (int parts = turns() > exchanges() ? 2 : 0; parts > 0; parts--) {
		gate_wait(DONE);
		wait_for_go();
		gate_open(SEEN);
	}
	join_all();
}

const struct scenario tcp_turn_scenarios[] = {
    {"tcp-turns", tcp_turns},
    {0},
};
