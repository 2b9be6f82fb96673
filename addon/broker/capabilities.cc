#include "capabilities.hh"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of Linux 5.8.
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

namespace tcptop
{

const uint64_t broker_capabilities =
    bit(CAP_BPF) | bit(CAP_PERFMON) | bit(CAP_NET_ADMIN) | bit(CAP_SYS_PTRACE) | bit(CAP_DAC_READ_SEARCH);

const uint64_t output_capabilities = bit(CAP_DAC_OVERRIDE);

const uint64_t loading_capabilities = bit(CAP_SYS_ADMIN) | bit(CAP_SYS_RESOURCE) | bit(CAP_SETPCAP);

bool get_capabilities(Capabilities *out)
{
	__user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	__user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	out->effective = data[0].effective | uint64_t(data[1].effective) << 32;
	out->permitted = data[0].permitted | uint64_t(data[1].permitted) << 32;
	out->inheritable = data[0].inheritable | uint64_t(data[1].inheritable) << 32;
	return true;
}

bool set_capabilities(const Capabilities &set)
{
	__user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	__user_cap_data_struct data[2] = {
	    {uint32_t(set.effective), uint32_t(set.permitted), uint32_t(set.inheritable)},
	    {uint32_t(set.effective >> 32), uint32_t(set.permitted >> 32), uint32_t(set.inheritable >> 32)},
	};

	return syscall(SYS_capset, &header, data) == 0;
}

// The bounding set needs CAP_SETPCAP, so it comes first; without that capability it stays, and gives nothing under
// no_new_privs.
bool reduce_to(uint64_t kept)
{
	Capabilities now;

	if (!get_capabilities(&now))
		return false;
	for (int capability = 0; capability < 64; capability++)
		if (!(kept & bit(capability)))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	kept &= now.permitted;
	return set_capabilities({kept, kept, 0}) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool pass_on(uint64_t passed)
{
	Capabilities now;

	if (!get_capabilities(&now))
		return false;
	passed &= now.permitted;
	if (!set_capabilities({now.effective, now.permitted, passed}))
		return false;
	for (int capability = 0; capability < 64; capability++)
		if (passed & bit(capability))
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
	return true;
}

} // namespace tcptop
