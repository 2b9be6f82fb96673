// Whether the running kernel may preempt a BPF program.
#pragma once

#include <string>

namespace tcptop
{

// What is known of the kernel, each empty where it cannot be read.
struct PreemptionFacts {
	std::string version; // utsname.version: "#1 SMP PREEMPT_DYNAMIC Debian ..."
	std::string mode;    // /sys/kernel/debug/sched/preempt: "none voluntary (full) lazy"
	std::string command; // /proc/cmdline
	std::string config;  // /boot/config-RELEASE
};

// Whether a task inside the kernel may be preempted by another one, CONFIG_PREEMPTION at work. True where it
// cannot be known.
bool is_preemptible(const PreemptionFacts &facts);

// The running kernel's.
PreemptionFacts preemption_facts();

} // namespace tcptop
