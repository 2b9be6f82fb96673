// The native platform trait: programs in the kernel and what they deliver. Nothing here depends on Node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/failure.hh"
#include "broker/protocol.hh"

namespace tcptop
{

// How long records are: a fixed number of bytes, or as the first two bytes of each say (bpf/record.h).
constexpr uint32_t by_head = 0;

struct RecordSizes {
	uint32_t ring;
	uint32_t iterators[max_iterators];
};

// A BPF object at work. Destruction detaches everything. Every call fails by throwing Failure. Calls come from one
// thread, but walk() may run on another beside them.
class Source
{
      public:
	virtual ~Source() = default;

	virtual const LoadReply &reply() const = 0;

	// Moves waiting records of the ring to `to`, whole ones only. Returns the bytes written; when not even one
	// more record would fit, more may wait.
	virtual size_t drain(uint8_t *to, size_t size) = 0;

	// Writes whole records of an iterator. A pass takes as many calls as it needs: it goes on at every call
	// until one returns 0, which ends it.
	virtual size_t iterate(size_t iterator, uint8_t *to, size_t size) = 0;

	// All that an iterator writes in one pass.
	virtual std::vector<uint8_t> walk(size_t iterator) = 0;

	// A global variable, shared with the programs; null where the object has none of that name.
	virtual uint8_t *variable(size_t variable) = 0;

	// How often the kernel has skipped a program that it would have run on top of itself.
	virtual uint64_t skipped(const Name &program) = 0;

	// Tells the programs where NAT keeps the addresses of a connection.
	virtual Answer tell_conntrack() = 0;
};

std::unique_ptr<Source> open_source(const LoadRequest &request, const RecordSizes &sizes);

// Starts the program that has the privileges, once, and returns its process id. All that loads and opens is asked of
// it. Throws Failure.
int start_broker(const std::string &program);

// Waits until it has ended, and everything is detached.
void stop_broker();

// Frees what loading needs and nothing else. From then on nothing is loaded, and no output is named. Throws Failure.
void end_loading();

struct Facts {
	uint32_t page_bytes;
	uint64_t tick_ns; // length of a jiffy
	bool is_preemptible;
};

Facts facts();

// The network namespace of a process, 0 if it cannot be had. Throws Failure.
uint64_t netns_of(uint32_t pid);

// Files that are written to, by their folder and name; they are opened as src/base/output-file.ts opens them. Named
// before end_loading(). `owner`: a user who may have the file, besides root. All of it throws Failure.
uint32_t keep_output(int folder, const std::string &name, uint32_t owner);
// `is_new`: it must not be there; set to whether it was made.
int open_output(uint32_t output, bool *is_new);
void drop_output(uint32_t output, int file);
void move_output(uint32_t output, int file, const std::string &suffix);

struct User {
	uint32_t uid;
	uint32_t gid;
};

// False: no user has this name.
bool find_user(const std::string &name, User *out);

// What a process may still do.
struct Confinement {
	bool has_user; // it is the user that was asked for
	bool has_landlock;
	bool has_seccomp;
};

// Makes this process, in every thread and for good, the user (null: it stays who it is) without any capability, which
// gains nothing by exec, opens nothing but what is below `readable`, and that for reading, and makes no system call
// that this program does not need. What the kernel does not have is left out; without /proc, Landlock. Throws Failure
// if a thread could not be made to. Call it on the main thread.
Confinement confine(const User *user, const std::vector<std::string> &readable);

// Whether the other end of a pipe or socket is open; true for a file, and where it is not known.
bool has_reader(int fd);

// Locks a file that is open for writing, for as long as it is open. False when another writer has locked it; true
// also where it cannot be locked, for a reader or for ever.
bool lock_file(int fd);

// What the BTF of the compiled BPF objects says of the structs that cross to user space (bpf/record.h): lines of
// "struct size", "struct field offset size kind" and "struct tag=value".
std::string wire_layout();

} // namespace tcptop
