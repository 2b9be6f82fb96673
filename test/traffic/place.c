// SPDX-License-Identifier: GPL-2.0-or-later
/* What a scenario needs around it: links to other network namespaces, settings, commands that make them. */
#include "traffic.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void command(const char *format, ...)
{
	static const char joined[] = "exec 2>&1; ";
	char line[400], output[100] = "";
	size_t room = sizeof(line) - strlen(joined), len;
	va_list list;
	FILE *pipe;

	strcpy(line, joined);
	va_start(list, format);
	len = vsnprintf(line + strlen(joined), room, format, list);
	va_end(list);
	if (len >= room)
		failed("a command is too long: %s", line);
	pipe = popen(line, "r");
	if (!pipe)
		syscall_failed(line);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	if (pclose(pipe) == 0)
		return;
	/* It goes into a JSON string. */
	for (char *c = output; *c; c++) {
		if (*c < ' ' || *c == '"' || *c == '\\')
			*c = ' ';
	}
	line[80] = '\0';
	skipped("%s: %s", line + strlen(joined), output);
}

void write_setting(const char *path, const char *value)
{
	int fd = must(open(path, O_WRONLY), path);

	if (write(fd, value, strlen(value)) < 0)
		syscall_failed(path);
	close(fd);
}

static void give_addresses(const char *device, int number)
{
	command("ip link set %s addrgenmode none && ip link set %s up", device, device);
	command("ip address add 192.0.2.%d/24 dev %s", number, device);
	command("ip address add 2001:db8::%d/64 dev %s nodad && ip address add fe80::%d/64 dev %s nodad", number,
		device, number, device);
}

int own_netns(void)
{
	return must(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "the network namespace");
}

int open_link(const char *device)
{
	int near = own_netns(), far;
	char path[80];

	enter_new_netns();
	far = own_netns();
	enter_netns(near);
	command("ip link add %s type veth peer name eth0 netns /proc/%d/fd/%d", device, getpid(), far);
	/* Answers come back on the link that was asked, whatever the routes say. */
	write_setting("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", device);
	write_setting(path, "0");
	give_addresses(device, 1);
	enter_netns(far);
	give_addresses("eth0", 2);
	enter_netns(near);
	close(near);
	return far;
}
