// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes, and the files that they open. */
#include "files.h"

char LICENSE[] SEC("license") = "GPL";
