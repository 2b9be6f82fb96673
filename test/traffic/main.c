// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `traffic SCENARIO [KEY=VALUE...]` makes traffic and prints one JSON object per end of each flow:
 * addresses, the process that used the socket last, and what the programs themselves counted. Exit
 * status 0; 77 with `{"skip":"reason"}` where the kernel cannot do it; else a line on stderr says why.
 *
 * tcp-held, tcp-turns, the ones called *-restless and existing-* print `{"ready":true}` and wait for a line on
 * stdin; what existing-* counted before that is reported apart. `timeout=` (seconds, default 60) bounds them all;
 * `far=FILE` puts the servers into that network namespace where a scenario can be spread over two. With alone=1 the
 * scenario runs in a network namespace of its own. With hold=1 the network namespaces that a scenario makes stay until
 * stdin ends, so that no other gets one's number meanwhile.
 */
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scenario *const groups[] = {
    tcp_scenarios,	tcp_owner_scenarios, udp_scenarios,	   kernel_scenarios,   socket_scenarios,
    raw_udp_scenarios,	twin_scenarios,	     udp_reader_scenarios, udp_path_scenarios, tcp_edge_scenarios,
    tcp_turn_scenarios, restless_scenarios,  redirect_scenarios};

static const struct scenario *find(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct scenario *s = groups[i]; s->name; s++) {
			if (!strcmp(s->name, name))
				return s;
		}
	}
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct scenario *s = groups[i]; s->name; s++)
			puts(s->name);
	}
}

int main(int argc, char **argv)
{
	const struct scenario *scenario;

	if (argc < 2) {
		fprintf(stderr, "usage: traffic list | bpf-programs | bpf-links | bpf-maps | bpf-map-entries ID... |\n"
				"       SCENARIO [KEY=VALUE...]\n");
		return 64;
	}
	if (!strcmp(argv[1], "list")) {
		list();
		return 0;
	}
	if (!strncmp(argv[1], "bpf-", 4))
		return inspect_bpf(argc - 1, argv + 1);
	if (!strcmp(argv[1], "after-exec")) {
		stage_resume(argc - 2, argv + 2);
		resume_after_exec();
		return 0;
	}
	scenario = find(argv[1]);
	if (!scenario) {
		fprintf(stderr, "traffic: no scenario %s; try: traffic list\n", argv[1]);
		return 64;
	}
	stage_open(argc - 2, argv + 2);
	if (option("alone", 0))
		enter_new_netns();
	scenario->run();
	stage_report();
	wait_if_held();
	return 0;
}
