// What crosses between the addon and what loads for it: fixed sizes, names as bytes up to a NUL, numbers in the
// machine's byte order.
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

// Where NAT keeps the addresses of a connection (struct nf_conn).
struct Conntrack {
	uint32_t tuples_at;
	uint32_t tuple_stride;
	uint32_t status_at;
};

} // namespace tcptop
