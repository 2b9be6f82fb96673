// What the addon exports: the Source class, facts of the kernel, giving up privileges, the layout of records, and what
// Node cannot ask of a descriptor.
#include <napi.h>

#include "source-object.hh"

namespace
{

Napi::Value wire_layout(const Napi::CallbackInfo &info)
{
	try {
		return Napi::String::New(info.Env(), tcptop::wire_layout());
	} catch (const tcptop::Failure &failure) {
		throw tcptop::to_error(info.Env(), failure);
	}
}

int descriptor_of(const Napi::CallbackInfo &info)
{
	if (info.Length() != 1 || !info[0].IsNumber())
		throw Napi::TypeError::New(info.Env(), "a file descriptor is needed");
	return info[0].As<Napi::Number>().Int32Value();
}

Napi::Value has_reader(const Napi::CallbackInfo &info)
{
	return Napi::Boolean::New(info.Env(), tcptop::has_reader(descriptor_of(info)));
}

Napi::Value lock_file(const Napi::CallbackInfo &info)
{
	return Napi::Boolean::New(info.Env(), tcptop::lock_file(descriptor_of(info)));
}

Napi::Value facts(const Napi::CallbackInfo &info)
{
	tcptop::Facts known = tcptop::facts();
	Napi::Object out = Napi::Object::New(info.Env());

	out.Set("pageBytes", known.page_bytes);
	out.Set("tickNs", static_cast<double>(known.tick_ns));
	out.Set("isPreemptible", known.is_preemptible);
	return out;
}

Napi::Value conntrack(const Napi::CallbackInfo &info)
{
	tcptop::Conntrack places;

	try {
		if (!tcptop::find_conntrack(&places))
			return info.Env().Null();
	} catch (const tcptop::Failure &failure) {
		throw tcptop::to_error(info.Env(), failure);
	}
	Napi::Object out = Napi::Object::New(info.Env());
	out.Set("tuplesAt", places.tuples_at);
	out.Set("tupleStride", places.tuple_stride);
	out.Set("statusAt", places.status_at);
	return out;
}

Napi::Value end_loading(const Napi::CallbackInfo &info)
{
	tcptop::end_loading();
	return info.Env().Undefined();
}

Napi::Value confine(const Napi::CallbackInfo &info)
{
	if (info.Length() != 1 || !info[0].IsBoolean())
		throw Napi::TypeError::New(info.Env(), "whether files are opened later is needed");
	try {
		tcptop::confine(info[0].As<Napi::Boolean>());
	} catch (const tcptop::Failure &failure) {
		throw tcptop::to_error(info.Env(), failure);
	}
	return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports)
{
	exports.Set("Source", tcptop::SourceObject::define(env));
	exports.Set("facts", Napi::Function::New(env, facts, "facts"));
	exports.Set("conntrack", Napi::Function::New(env, conntrack, "conntrack"));
	exports.Set("endLoading", Napi::Function::New(env, end_loading, "endLoading"));
	exports.Set("wireLayout", Napi::Function::New(env, wire_layout, "wireLayout"));
	exports.Set("confine", Napi::Function::New(env, confine, "confine"));
	exports.Set("hasReader", Napi::Function::New(env, has_reader, "hasReader"));
	exports.Set("lockFile", Napi::Function::New(env, lock_file, "lockFile"));
	return exports;
}

} // namespace

NODE_API_MODULE(tcptop, init)
