/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the records of all lenses have in common: a head, by which a reader steps over what it does not know.
 *
 * Every field has a fixed width, records have no implicit padding, and numbers are in the machine's byte order.
 * `npm run gen:layout` writes the layouts for TypeScript from the BTF of the programs: of struct tcptop_head, and of
 * each struct of a lens, whose name begins with the lens's, into src/lenses/NAME/layout.gen.ts.
 */
#ifndef TCPTOP_RECORD_H
#define TCPTOP_RECORD_H

#ifdef __bpf__
#define TCPTOP_TAG(text) __attribute__((btf_decl_tag("tcptop:" text)))
#else
#include <linux/types.h>
#define TCPTOP_TAG(text)
#endif

#define TCPTOP_TEXT(value)  #value
#define TCPTOP_VALUE(value) TCPTOP_TEXT(value)

/* A struct that crosses to user space. BTF has only what a global, a map or a function refers to. */
#define TCPTOP_LAYOUT TCPTOP_TAG("layout")

/* The record of a lens: the lens's number, and its version of the record. */
#define TCPTOP_RECORD_OF(lens, abi)                                                                                    \
	TCPTOP_LAYOUT TCPTOP_TAG("lens=" TCPTOP_VALUE(lens)) TCPTOP_TAG("abi=" TCPTOP_VALUE(abi))

/* A process's name: TASK_COMM_LEN. */
#define TCPTOP_COMM_LEN 16

/* Comes first in every record. Numbers of lenses from 250 on are for tests. */
struct tcptop_head {
	__u16 size;    /* of the whole record */
	__u8 lens;     /* whose record it is */
	__u8 kind;     /* what happened; each lens has kinds of its own */
	__u16 abi;     /* goes up with every change to the lens's record; fields are only appended */
	__u16 parts;   /* optional parts behind the record, in the order of the bits */
	__u64 time_ns; /* when the record was made, CLOCK_MONOTONIC */
} TCPTOP_LAYOUT;

#ifdef __cplusplus
static_assert(sizeof(struct tcptop_head) == 16, "head size");
#else
_Static_assert(sizeof(struct tcptop_head) == 16, "head size");
#endif

#endif
