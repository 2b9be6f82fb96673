// The object that JavaScript holds: one source, from open to close.
#pragma once

#include <napi.h>

#include <memory>

#include "spec.hh"

namespace tcptop
{

// close() may come at any time and twice; every call after it throws an Error with code CLOSED. Work that
// runs on another thread holds the source until it is done.
class SourceObject : public Napi::ObjectWrap<SourceObject>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit SourceObject(const Napi::CallbackInfo &info);

      private:
	Napi::Value drain(const Napi::CallbackInfo &info);
	Napi::Value iterate(const Napi::CallbackInfo &info);
	Napi::Value walk(const Napi::CallbackInfo &info);
	Napi::Value has(const Napi::CallbackInfo &info);
	Napi::Value read(const Napi::CallbackInfo &info);
	void write(const Napi::CallbackInfo &info);
	Napi::Value skipped(const Napi::CallbackInfo &info);
	Napi::Value tell_conntrack(const Napi::CallbackInfo &info);
	Napi::Value left_out(const Napi::CallbackInfo &info);
	void close(const Napi::CallbackInfo &info);

	Source &source(Napi::Env env) const;
	size_t iterator_of(const Napi::CallbackInfo &info) const;
	const Variable &variable_of(const Napi::CallbackInfo &info) const;
	uint8_t *memory_of(Napi::Env env, const Variable &variable) const;

	Spec spec_;
	std::shared_ptr<Source> source_;
};

// A JavaScript Error with code, stage, errno and log.
Napi::Error to_error(Napi::Env env, const Failure &failure);

} // namespace tcptop
