// What JavaScript asks to be loaded, checked and brought into the form that is sent.
#pragma once

#include <napi.h>

#include <map>
#include <string>

#include "source.hh"

namespace tcptop
{

struct Variable {
	size_t index;
	size_t bytes;
};

struct Spec {
	LoadRequest request = {};
	RecordSizes sizes = {};
	std::map<std::string, size_t> iterators;
	std::map<std::string, Variable> variables;
};

// Throws TypeError or RangeError.
Spec read_spec(Napi::Env env, const Napi::Value &value);

// A name in the form that is sent.
Name read_name(Napi::Env env, const Napi::Value &value);

} // namespace tcptop
