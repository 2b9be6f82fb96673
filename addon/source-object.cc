#include "source-object.hh"

#include <algorithm>

namespace tcptop
{

namespace
{

// Reads an iterator on a thread of libuv's pool: with many processes it takes a while.
class Walk : public Napi::AsyncWorker
{
      public:
	Walk(Napi::Env env, std::shared_ptr<Source> source, size_t iterator)
	    : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), source_(std::move(source)),
	      iterator_(iterator)
	{
	}

	Napi::Promise promise() const
	{
		return deferred_.Promise();
	}

      protected:
	void Execute() override
	{
		try {
			bytes_ = source_->walk(iterator_);
		} catch (const Failure &failure) {
			failure_ = std::make_unique<Failure>(failure);
		}
	}

	void OnOK() override
	{
		Napi::Env env = Env();

		source_.reset();
		if (failure_)
			deferred_.Reject(to_error(env, *failure_).Value());
		else
			deferred_.Resolve(Napi::Buffer<uint8_t>::Copy(env, bytes_.data(), bytes_.size()));
	}

	void OnError(const Napi::Error &error) override
	{
		source_.reset();
		deferred_.Reject(error.Value());
	}

      private:
	Napi::Promise::Deferred deferred_;
	std::shared_ptr<Source> source_;
	size_t iterator_;
	std::vector<uint8_t> bytes_;
	std::unique_ptr<Failure> failure_;
};

Napi::Uint8Array array_of(const Napi::CallbackInfo &info, size_t argument)
{
	if (info.Length() != argument + 1 || !info[argument].IsTypedArray() ||
	    info[argument].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
		throw Napi::TypeError::New(info.Env(), "a Uint8Array to write to is needed");
	return info[argument].As<Napi::Uint8Array>();
}

void check_room(Napi::Env env, const Napi::Uint8Array &to, uint32_t record_bytes)
{
	if (to.ByteLength() < record_bytes)
		throw Napi::RangeError::New(env, "the array has no room for one record");
}

std::string name_of(const Napi::CallbackInfo &info)
{
	if (info.Length() < 1 || !info[0].IsString())
		throw Napi::TypeError::New(info.Env(), "a name is needed");
	return info[0].As<Napi::String>();
}

} // namespace

Napi::Error to_error(Napi::Env env, const Failure &failure)
{
	Napi::Error error = Napi::Error::New(env, failure.what());

	error.Set("code", Napi::String::New(env, failure.code));
	error.Set("stage", Napi::String::New(env, failure.stage));
	error.Set("errno", Napi::Number::New(env, failure.error));
	error.Set("log", Napi::String::New(env, failure.log));
	return error;
}

Napi::Function SourceObject::define(Napi::Env env)
{
	return DefineClass(env, "Source",
			   {
			       InstanceMethod<&SourceObject::drain>("drain"),
			       InstanceMethod<&SourceObject::iterate>("iterate"),
			       InstanceMethod<&SourceObject::walk>("walk"),
			       InstanceMethod<&SourceObject::has>("has"),
			       InstanceMethod<&SourceObject::read>("read"),
			       InstanceMethod<&SourceObject::write>("write"),
			       InstanceMethod<&SourceObject::skipped>("skipped"),
			       InstanceMethod<&SourceObject::tell_conntrack>("tellConntrack"),
			       InstanceMethod<&SourceObject::close>("close"),
			       InstanceAccessor<&SourceObject::left_out>("leftOut"),
			   });
}

SourceObject::SourceObject(const Napi::CallbackInfo &info) : Napi::ObjectWrap<SourceObject>(info)
{
	if (info.Length() != 1)
		throw Napi::TypeError::New(info.Env(), "what is to be loaded must be an object");
	spec_ = read_spec(info.Env(), info[0]);
	try {
		source_ = open_source(spec_.request, spec_.sizes);
	} catch (const Failure &failure) {
		throw to_error(info.Env(), failure);
	} catch (const std::exception &failure) {
		throw Napi::Error::New(info.Env(), failure.what());
	}
}

Source &SourceObject::source(Napi::Env env) const
{
	if (!source_)
		throw to_error(env, Failure("CLOSED", "source", 0, "the capture is closed"));
	return *source_;
}

size_t SourceObject::iterator_of(const Napi::CallbackInfo &info) const
{
	auto found = spec_.iterators.find(name_of(info));

	if (found == spec_.iterators.end())
		throw Napi::RangeError::New(info.Env(), "no iterator has this name");
	return found->second;
}

const Variable &SourceObject::variable_of(const Napi::CallbackInfo &info) const
{
	auto found = spec_.variables.find(name_of(info));

	if (found == spec_.variables.end())
		throw Napi::RangeError::New(info.Env(), "no variable has this name");
	return found->second;
}

uint8_t *SourceObject::memory_of(Napi::Env env, const Variable &variable) const
{
	Source &open = source(env);
	uint8_t *memory = open.variable(variable.index);
	uint32_t at = open.reply().variable_at[variable.index];

	if (!memory || variable.bytes > open.reply().variables_bytes - at)
		throw Napi::RangeError::New(env, "the programs have no such variable");
	return memory;
}

Napi::Value SourceObject::drain(const Napi::CallbackInfo &info)
{
	Source &open = source(info.Env());
	Napi::Uint8Array to = array_of(info, 0);

	check_room(info.Env(), to, spec_.sizes.ring);
	try {
		return Napi::Number::New(info.Env(), static_cast<double>(open.drain(to.Data(), to.ByteLength())));
	} catch (const Failure &failure) {
		throw to_error(info.Env(), failure);
	}
}

Napi::Value SourceObject::iterate(const Napi::CallbackInfo &info)
{
	Source &open = source(info.Env());
	size_t iterator = iterator_of(info);
	Napi::Uint8Array to = array_of(info, 1);

	check_room(info.Env(), to, spec_.sizes.iterators[iterator]);
	try {
		size_t bytes = open.iterate(iterator, to.Data(), to.ByteLength());
		return Napi::Number::New(info.Env(), static_cast<double>(bytes));
	} catch (const Failure &failure) {
		throw to_error(info.Env(), failure);
	}
}

Napi::Value SourceObject::walk(const Napi::CallbackInfo &info)
{
	source(info.Env());
	auto *worker = new Walk(info.Env(), source_, iterator_of(info));
	Napi::Promise promise = worker->promise();
	worker->Queue();
	return promise;
}

Napi::Value SourceObject::has(const Napi::CallbackInfo &info)
{
	const Variable &variable = variable_of(info);

	return Napi::Boolean::New(info.Env(), source(info.Env()).variable(variable.index) != nullptr);
}

Napi::Value SourceObject::read(const Napi::CallbackInfo &info)
{
	const Variable &variable = variable_of(info);

	return Napi::Buffer<uint8_t>::Copy(info.Env(), memory_of(info.Env(), variable), variable.bytes);
}

void SourceObject::write(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	const Variable &variable = variable_of(info);
	bool is_whole = false;

	if (info.Length() != 2 || !info[1].IsBigInt())
		throw Napi::TypeError::New(env, "a bigint to write is needed");
	uint64_t value = info[1].As<Napi::BigInt>().Uint64Value(&is_whole);
	bool fits = variable.bytes >= sizeof(value) || value >> (8 * variable.bytes) == 0;
	if (!is_whole || !fits || variable.bytes > sizeof(value))
		throw Napi::RangeError::New(env, "the variable has no room for this number");
	uint8_t *memory = memory_of(env, variable);
	switch (variable.bytes) {
	case 1:
		__atomic_store_n(memory, static_cast<uint8_t>(value), __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n(reinterpret_cast<uint32_t *>(memory), static_cast<uint32_t>(value), __ATOMIC_RELEASE);
		break;
	case 8:
		__atomic_store_n(reinterpret_cast<uint64_t *>(memory), value, __ATOMIC_RELEASE);
		break;
	default:
		throw Napi::RangeError::New(env, "no number has the size of this variable");
	}
}

Napi::Value SourceObject::skipped(const Napi::CallbackInfo &info)
{
	Source &open = source(info.Env());

	if (info.Length() != 1)
		throw Napi::TypeError::New(info.Env(), "a name is needed");
	Name program = read_name(info.Env(), info[0]);
	try {
		return Napi::Number::New(info.Env(), static_cast<double>(open.skipped(program)));
	} catch (const Failure &failure) {
		throw to_error(info.Env(), failure);
	}
}

// Null: the programs do not want to know it.
Napi::Value SourceObject::tell_conntrack(const Napi::CallbackInfo &info)
{
	Source &open = source(info.Env());

	try {
		Answer answer = open.tell_conntrack();
		if (answer == not_wanted)
			return info.Env().Null();
		return Napi::Boolean::New(info.Env(), answer == told);
	} catch (const Failure &failure) {
		throw to_error(info.Env(), failure);
	}
}

Napi::Value SourceObject::left_out(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	const LoadReply &reply = source(env).reply();
	Napi::Array out = Napi::Array::New(env);

	for (uint32_t i = 0; i < std::min<uint32_t>(reply.left_out_count, max_left_out); i++) {
		const LeftOut &program = reply.left_out[i];
		Napi::Object entry = Napi::Object::New(env);
		entry.Set("program", program.program.str());
		entry.Set("reason", program.error ? Napi::Value(Napi::String::New(env, program.reason))
						  : Napi::Value(env.Null()));
		out.Set(i, entry);
	}
	return out;
}

void SourceObject::close(const Napi::CallbackInfo &)
{
	source_.reset();
}

} // namespace tcptop
