// What crosses between Node and the broker, which has the privileges: fixed sizes, names as bytes up to a NUL, numbers
// in the machine's byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace tcptop
{

constexpr size_t name_bytes = 32;

// Empty where a list has fewer entries than places.
struct Name {
	char text[name_bytes];

	bool is_empty() const
	{
		return text[0] == 0;
	}
	std::string str() const
	{
		return std::string(text, strnlen(text, sizeof(text)));
	}
};

// A constant of the programs (const volatile), 64 bits wide.
struct Constant {
	Name name;
	uint64_t value;
};

struct MapSize {
	Name map;
	uint32_t entries;
};

struct Iterator {
	Name program;
	Name map; // that it walks; empty: none
};

// What an optional program ("?" before its section) needs besides the function or tracepoint it is for.
struct Condition {
	Name program;
	Name without;	     // a function that the kernel must not have; empty: none
	uint32_t parameters; // that its tracepoint has at least
	uint32_t may_fail;   // whether the other programs for cgroups stay attached without it
};

constexpr size_t max_constants = 16;
constexpr size_t max_sizes = 16;
constexpr size_t max_iterators = 8;
constexpr size_t max_variables = 32;
constexpr size_t max_conditions = 8;
constexpr size_t max_left_out = 16;

struct LoadRequest {
	Name object;
	Name ring;
	Constant constants[max_constants];
	MapSize sizes[max_sizes];
	Iterator iterators[max_iterators];
	Name variables[max_variables];
	Condition conditions[max_conditions];
};

// A program that is not attached. With `error` and `reason`: one for cgroups; else the kernel has nothing for it.
struct LeftOut {
	Name program;
	int32_t error;
	char reason[256];
};

constexpr uint32_t no_place = UINT32_MAX;

struct LoadReply {
	uint32_t ring_bytes;
	uint32_t variables_bytes;
	uint32_t variable_at[max_variables]; // no_place: the object has none of that name
	uint32_t left_out_count;
	LeftOut left_out[max_left_out];
};

// What the broker does. Calls up to `seal` are refused after it: from then on nothing is asked for that the command
// line did not ask for.
enum class Call : uint32_t {
	load = 1,    // `load`: the reply has `load` and `source`, and the ring's and the variables' map
	keep_output, // `text`: a file's name, with its directory; `index`: who may own it: the reply has its `number`
	seal,	     // what only loading needs is freed, privileges that only loading needs are given up
	unload,	     // `source`
	iterate,     // `source`, `index`: the reply has the file
	skipped,     // `source`, `name`: `number`
	conntrack,   // `source`: `number` is an Answer
	netns,	     // `pid`: `number` is the inode of its network namespace, 0 if it cannot be had
	open_output, // `index`: the reply has the file, made if it is not there: `number` is 1
	make_output, // `index`: the same for a file that must not be there
	drop_output, // `index`, with the file: its name is removed if nobody wrote to it
	move_output, // `index`, with the file, `text`: what is appended to its name
};

// Whether the programs undo NAT.
enum Answer : uint64_t { not_wanted, unknown, told };

constexpr size_t text_bytes = 256;
constexpr size_t max_files = 2; // that go along with one message

struct Request {
	Call call;
	uint32_t source;
	uint32_t index;
	uint32_t pid;
	Name name;
	char text[text_bytes];
	LoadRequest load;
};

struct FailureReply {
	char code[name_bytes];
	char stage[name_bytes];
	int32_t error;
	char what[1024];
	char log[8192];
};

struct Reply {
	uint32_t has_failed; // `failure` is set, and nothing else
	uint32_t source;
	uint64_t number;
	LoadReply load;
	FailureReply failure;
};

template <size_t size> void copy_text(char (&to)[size], const std::string &text)
{
	size_t length = text.copy(to, size - 1);

	to[length] = 0;
}

template <size_t size> std::string text_of(const char (&from)[size])
{
	return std::string(from, strnlen(from, size));
}

} // namespace tcptop
