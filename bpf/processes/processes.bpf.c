// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes, without the files that they open. */
#include "processes.h"

char LICENSE[] SEC("license") = "GPL";
