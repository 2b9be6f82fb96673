/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of processes and of the files they open.
 */
#ifndef PROCESSES_WIRE_H
#define PROCESSES_WIRE_H

#include "../record.h"

#define PROCESSES_LENS 2
#define PROCESSES_ABI  1

#define PROCESSES_TTY_LEN 16

/* Bytes of a text: what is longer is cut. A path may have one more name than fits. */
#define PROCESSES_ARGUMENTS_MOST 1024
#define PROCESSES_PATH_MOST	 1024
#define PROCESSES_NAME_MOST	 256

enum processes_kind {
	PROCESSES_KIND_FORK = 1,   /* it begins */
	PROCESSES_KIND_EXEC = 2,   /* it runs another program; arguments, executable and directory follow */
	PROCESSES_KIND_EXIT = 3,   /* its last thread ends */
	PROCESSES_KIND_FOUND = 4,  /* met by a walk over all processes; executable and directory may follow */
	PROCESSES_KIND_CGROUP = 5, /* struct processes_cgroup */
	PROCESSES_KIND_FILE = 6,   /* struct processes_file */
};

enum processes_flag {
	PROCESSES_FLAG_ARGUMENTS_CUT = 1,
	PROCESSES_FLAG_ARGUMENTS_UNREAD = 2, /* their memory is not there */
	PROCESSES_FLAG_EXECUTABLE_CUT = 4,
	PROCESSES_FLAG_DIRECTORY_CUT = 8,
	PROCESSES_FLAG_BY_SIBLING = 16,	 /* a child of its maker's parent (CLONE_PARENT) */
	PROCESSES_FLAG_RUNTIME_CUT = 32, /* it has more threads than were added up */
	PROCESSES_FLAG_OF_TREE = 64,	 /* it is of the tree that is watched */
};

/*
 * A process at one moment. Its texts follow: arguments, each with a NUL behind it; paths as names with a NUL each,
 * the last name of the path first.
 */
struct processes_record {
	struct tcptop_head head;
	__u64 start_ns;	       /* when it began, CLOCK_BOOTTIME; its identity together with pid */
	__u64 parent_start_ns; /* when its parent began, CLOCK_BOOTTIME */
	__u64 age_ns;	       /* from start_ns to now, time asleep (suspend) included */
	__u64 cgroup_id;
	__u64 runtime_ns;   /* processor time of all its threads, as far as the scheduler has accounted it */
	__u64 memory_bytes; /* resident now; in EXIT the most that ever was */
	__u32 pid;	    /* initial pid namespace */
	__u32 ppid;
	__u32 uid;    /* initial user namespace */
	__u32 status; /* EXIT: as wait(2) gives it */
	__u16 flags;  /* enum processes_flag */
	__u16 arguments_bytes;
	__u16 executable_bytes;
	__u16 directory_bytes;
	char process[TCPTOP_COMM_LEN]; /* bytes up to a NUL, any bytes */
	char tty[PROCESSES_TTY_LEN];   /* the controlling terminal's name in the kernel: pts3; empty: none */
} TCPTOP_RECORD_OF(PROCESSES_LENS, PROCESSES_ABI);

/* The path of a control group, in front of the first record that has its id; its names follow, the last one first. */
struct processes_cgroup {
	struct tcptop_head head;
	__u64 id;
	__u16 path_bytes;
	__u16 is_cut;
	__u32 reserved;
} TCPTOP_LAYOUT;

/* An open(2), openat(2), openat2(2) or creat(2). The path follows. */
struct processes_file {
	struct tcptop_head head;
	__u64 start_ns; /* of the process, CLOCK_BOOTTIME */
	__u32 pid;
	__s32 result; /* a descriptor, or a negative errno */
	__u32 open_flags;
	__u16 path_bytes;
	__u8 is_asked; /* a text as the process passed it; else the names of the open file, the last one first */
	__u8 is_cut;
	char process[TCPTOP_COMM_LEN];
} TCPTOP_LAYOUT;

/* What found no room in the ring buffer; each only grows. */
struct processes_losses {
	__u64 forks_lost;
	__u64 execs_lost;
	__u64 exits_lost;
	__u64 files_lost;
	__u64 cgroups_deferred; /* paths of control groups; the next record of a process there brings the path again */
} TCPTOP_LAYOUT;

#ifdef __cplusplus
static_assert(sizeof(struct processes_record) == 120, "record size");
static_assert(sizeof(struct processes_cgroup) == 32, "cgroup size");
static_assert(sizeof(struct processes_file) == 56, "file size");
static_assert(sizeof(struct processes_losses) == 40, "losses size");
#else
_Static_assert(sizeof(struct processes_record) == 120, "record size");
_Static_assert(sizeof(struct processes_cgroup) == 32, "cgroup size");
_Static_assert(sizeof(struct processes_file) == 56, "file size");
_Static_assert(sizeof(struct processes_losses) == 40, "losses size");
#endif

#endif
