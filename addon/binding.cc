// What the addon exports: the Session class, the layout of its records, giving up privileges, and what Node cannot
// ask of a descriptor.
#include <napi.h>

#include "session.hh"

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
	exports.Set("Session", tcptop::Session::define(env));
	exports.Set("wireLayout", Napi::Function::New(env, wire_layout, "wireLayout"));
	exports.Set("confine", Napi::Function::New(env, confine, "confine"));
	exports.Set("hasReader", Napi::Function::New(env, has_reader, "hasReader"));
	exports.Set("lockFile", Napi::Function::New(env, lock_file, "lockFile"));
	exports.Set("wireVersion", Napi::Number::New(env, TCPTOP_WIRE_VERSION));
	return exports;
}

} // namespace

NODE_API_MODULE(tcptop, init)
