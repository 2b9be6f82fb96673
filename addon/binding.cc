// What the addon exports: the Session class and the layout of its records.
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

Napi::Object init(Napi::Env env, Napi::Object exports)
{
	exports.Set("Session", tcptop::Session::define(env));
	exports.Set("wireLayout", Napi::Function::New(env, wire_layout, "wireLayout"));
	exports.Set("wireVersion", Napi::Number::New(env, TCPTOP_WIRE_VERSION));
	return exports;
}

} // namespace

NODE_API_MODULE(tcptop, init)
