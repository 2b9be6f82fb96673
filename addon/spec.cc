#include "spec.hh"

#include <functional>

namespace tcptop
{

namespace
{

constexpr double most_u32 = 4294967295.0;

Napi::Object object_of(Napi::Env env, const Napi::Value &value, const char *what)
{
	if (!value.IsObject())
		throw Napi::TypeError::New(env, std::string(what) + " must be an object");
	return value.As<Napi::Object>();
}

double number_of(Napi::Env env, const Napi::Value &value, const std::string &what, double least, double most)
{
	if (!value.IsNumber())
		throw Napi::TypeError::New(env, what + " must be a number");
	double number = value.As<Napi::Number>().DoubleValue();
	if (!(number >= least && number <= most))
		throw Napi::RangeError::New(env, what + " is out of range");
	return number;
}

// Calls `take` for each entry of the object that `spec` has under `name`, with its place; none where it has none.
void for_each(Napi::Env env, const Napi::Object &spec, const char *name, size_t most,
	      const std::function<void(size_t, const Name &, const Napi::Value &)> &take)
{
	Napi::Value list = spec.Get(name);

	if (list.IsUndefined())
		return;
	Napi::Object entries = object_of(env, list, name);
	Napi::Array keys = entries.GetPropertyNames();
	if (keys.Length() > most)
		throw Napi::RangeError::New(env, std::string(name) + " has too many entries");
	for (uint32_t i = 0; i < keys.Length(); i++) {
		Napi::Value key = keys.Get(i);
		take(i, read_name(env, key), entries.Get(key));
	}
}

uint32_t record_bytes(Napi::Env env, const Napi::Object &of)
{
	Napi::Value bytes = of.Get("recordBytes");

	if (bytes.IsNull())
		return by_head;
	return static_cast<uint32_t>(number_of(env, bytes, "recordBytes", 1, 65536));
}

} // namespace

Name read_name(Napi::Env env, const Napi::Value &value)
{
	Name name = {};

	if (!value.IsString())
		throw Napi::TypeError::New(env, "a name must be a string");
	std::string text = value.As<Napi::String>();
	if (text.empty() || text.size() >= name_bytes || text.find('\0') != std::string::npos)
		throw Napi::RangeError::New(env, "a name is out of range");
	text.copy(name.text, name_bytes - 1);
	return name;
}

Spec read_spec(Napi::Env env, const Napi::Value &value)
{
	Napi::Object object = object_of(env, value, "what is to be loaded");
	Spec spec;
	LoadRequest &request = spec.request;

	request.object = read_name(env, object.Get("object"));
	Napi::Value ring = object.Get("ring");
	if (!ring.IsNull()) {
		Napi::Object of = object_of(env, ring, "ring");
		request.ring = read_name(env, of.Get("map"));
		spec.sizes.ring = record_bytes(env, of);
	}
	for_each(env, object, "constants", max_constants, [&](size_t i, const Name &name, const Napi::Value &constant) {
		bool is_whole = false;
		if (!constant.IsBigInt())
			throw Napi::TypeError::New(env, name.str() + " must be a bigint");
		uint64_t number = constant.As<Napi::BigInt>().Uint64Value(&is_whole);
		if (!is_whole)
			throw Napi::RangeError::New(env, name.str() + " is out of range");
		request.constants[i] = {name, number};
	});
	for_each(env, object, "sizes", max_sizes, [&](size_t i, const Name &name, const Napi::Value &entries) {
		request.sizes[i] = {name, static_cast<uint32_t>(number_of(env, entries, name.str(), 1, 1u << 30))};
	});
	for_each(env, object, "iterators", max_iterators, [&](size_t i, const Name &name, const Napi::Value &of) {
		Napi::Object iterator = object_of(env, of, "an iterator");
		Napi::Value map = iterator.Get("map");
		request.iterators[i] = {name, map.IsNull() ? Name{} : read_name(env, map)};
		spec.sizes.iterators[i] = record_bytes(env, iterator);
		spec.iterators[name.str()] = i;
	});
	for_each(env, object, "variables", max_variables, [&](size_t i, const Name &name, const Napi::Value &bytes) {
		request.variables[i] = name;
		spec.variables[name.str()] = {i, static_cast<size_t>(number_of(env, bytes, name.str(), 1, 4096))};
	});
	for_each(env, object, "conditions", max_conditions, [&](size_t i, const Name &name, const Napi::Value &of) {
		Napi::Object condition = object_of(env, of, "a condition");
		Napi::Value without = condition.Get("without");
		Napi::Value parameters = condition.Get("parameters");
		request.conditions[i] = {name, without.IsUndefined() ? Name{} : read_name(env, without),
					 parameters.IsUndefined() ? 0
								  : static_cast<uint32_t>(number_of(
									env, parameters, "parameters", 0, most_u32)),
					 condition.Get("mayFail").ToBoolean().Value()};
	});
	return spec;
}

} // namespace tcptop
