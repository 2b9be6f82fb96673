// What Node may still do once the broker has the privileges.
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../broker/capabilities.hh"
#include "../source.hh"
#include "landlock.hh"
#include "seccomp.hh"
#include "threads.hh"

namespace tcptop
{

namespace
{

// To become another user; gone with becoming it.
constexpr uint64_t to_change_user = bit(CAP_SETUID) | bit(CAP_SETGID);

uint64_t kept;
int rules = -1; // Landlock's; a thread that comes to it late finds it closed
bool has_rules;

void confine_thread()
{
	reduce_to(kept);
	if (rules >= 0 && !restrict_to(rules))
		has_rules = false;
}

bool is_confined(const char *tid)
{
	char path[64];
	char line[128];
	unsigned long long permitted = ~0ULL;
	int no_new_privs = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
	FILE *status = fopen(path, "re");
	if (!status)
		return true; // it has ended
	while (fgets(line, sizeof(line), status)) {
		sscanf(line, "CapPrm: %llx", &permitted);
		sscanf(line, "NoNewPrivs: %d", &no_new_privs);
	}
	fclose(status);
	return (permitted & ~kept) == 0 && no_new_privs == 1;
}

[[noreturn]] void fail(const char *what)
{
	throw Failure("FAILED", "privileges", errno, std::string(what) + ": " + strerror(errno));
}

// The C library does it in every thread.
bool become(const User &user)
{
	return setgroups(1, &user.gid) == 0 && setresgid(user.gid, user.gid, user.gid) == 0 &&
	       setresuid(user.uid, user.uid, user.uid) == 0;
}

// They end with user 0, unless securebits (capabilities(7)) keep them.
bool has_capabilities()
{
	Capabilities now;

	return !get_capabilities(&now) || now.permitted != 0;
}

} // namespace

bool find_user(const std::string &name, User *out)
{
	const passwd *entry = getpwnam(name.c_str());

	if (!entry)
		return false;
	*out = {entry->pw_uid, entry->pw_gid};
	return true;
}

// Each thread has Landlock's rules of its own, with the same content. seccomp(2) comes last: it reaches all threads by
// itself.
// Without /proc the threads cannot be listed: capabilities then end with user 0, which the C library changes in all.
Confinement confine(const User *user, const std::vector<std::string> &readable)
{
	Confinement done = {};
	Fd landlock = landlock_rules(readable);

	rules = landlock.get();
	has_rules = landlock.get() >= 0;
	kept = user ? to_change_user : 0;
	bool is_everywhere = in_every_thread(confine_thread, is_confined);
	bool has_ended = is_everywhere;
	done.has_landlock = has_rules && is_everywhere;
	if (user) {
		done.has_user = become(*user);
		kept = 0;
		if (has_capabilities()) {
			rules = -1;
			has_ended = in_every_thread(confine_thread, is_confined);
		} else {
			has_ended = true;
		}
	}
	// No other process of this user may look into this one, or take its socket.
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		fail("prctl");
	done.has_seccomp = filter_calls();
	if (!has_ended) {
		errno = ENOENT;
		fail("/proc/self/task");
	}
	return done;
}

} // namespace tcptop
