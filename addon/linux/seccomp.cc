#include "seccomp.hh"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tcptop
{

namespace
{

#if defined(__x86_64__)
constexpr uint32_t architecture = AUDIT_ARCH_X86_64;
constexpr uint32_t foreign_from = 0x40000000; // the x32 calls
#else
constexpr uint32_t architecture = AUDIT_ARCH_AARCH64;
constexpr uint32_t foreign_from = UINT32_MAX;
#endif

// Numbers above 423 are the same on all architectures, and not in the oldest headers that this is built with.
constexpr uint32_t pidfd_open = 434, pidfd_getfd = 438, mount_setattr = 442, io_uring_setup = 425, io_uring_enter = 426,
		   io_uring_register = 427, open_tree = 428, fsopen_number = 430;

// Programs, other processes' memory, sockets, the kernel and its modules, namespaces and mounts. A thread is made by
// clone() and stays possible.
constexpr uint32_t refused[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    pidfd_open,
    pidfd_getfd,
    SYS_socket,
    SYS_socketpair,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_personality,
    SYS_acct,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_syslog,
    SYS_quotactl,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    open_tree,
    fsopen_number,
    mount_setattr,
};

// What programs try and do without.
constexpr uint32_t unknown[] = {io_uring_setup, io_uring_enter, io_uring_register};

sock_filter load(size_t at)
{
	return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(at));
}

void answer(std::vector<sock_filter> *filter, uint32_t number, uint32_t with)
{
	filter->push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
	filter->push_back(BPF_STMT(BPF_RET | BPF_K, with));
}

} // namespace

bool filter_calls()
{
	std::vector<sock_filter> filter;

	filter.push_back(load(offsetof(seccomp_data, arch)));
	filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	filter.push_back(load(offsetof(seccomp_data, nr)));
	filter.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, foreign_from, 0, 1));
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
	for (uint32_t number : refused)
		answer(&filter, number, SECCOMP_RET_ERRNO | EPERM);
	for (uint32_t number : unknown)
		answer(&filter, number, SECCOMP_RET_ERRNO | ENOSYS);
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

} // namespace tcptop
