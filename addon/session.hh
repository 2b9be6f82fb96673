// The object that JavaScript holds: one capture, from open to close.
#pragma once

#include <napi.h>

#include <memory>

#include "collector.hh"

namespace tcptop
{

// close() may come at any time and twice; every call after it throws an Error with code CLOSED. Work that
// runs on another thread holds the collector until it is done.
class Session : public Napi::ObjectWrap<Session>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit Session(const Napi::CallbackInfo &info);

      private:
	Napi::Value drain(const Napi::CallbackInfo &info);
	Napi::Value sweep(const Napi::CallbackInfo &info);
	Napi::Value sweep_all(const Napi::CallbackInfo &info);
	Napi::Value owners(const Napi::CallbackInfo &info);
	Napi::Value losses(const Napi::CallbackInfo &info);
	Napi::Value unowned(const Napi::CallbackInfo &info);
	Napi::Value backend(const Napi::CallbackInfo &info);
	Napi::Value step_downs(const Napi::CallbackInfo &info);
	void close(const Napi::CallbackInfo &info);

	Collector &collector(Napi::Env env) const;
	Napi::Value fill(const Napi::CallbackInfo &info, size_t (Collector::*method)(uint8_t *, size_t));

	std::shared_ptr<Collector> collector_;
};

// A JavaScript Error with code, stage, errno, log and stepDowns.
Napi::Error to_error(Napi::Env env, const Failure &failure);

} // namespace tcptop
