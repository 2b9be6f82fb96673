#include "session.hh"

namespace tcptop
{

namespace
{

Napi::Array to_array(Napi::Env env, const std::vector<StepDown> &steps)
{
	Napi::Array out = Napi::Array::New(env, steps.size());

	for (size_t i = 0; i < steps.size(); i++) {
		Napi::Object step = Napi::Object::New(env);
		step.Set("backend", steps[i].backend);
		step.Set("reason", steps[i].reason);
		out.Set(static_cast<uint32_t>(i), step);
	}
	return out;
}

// Reads the owners on a thread of libuv's pool: with many processes it takes a while.
class OwnersWorker : public Napi::AsyncWorker
{
      public:
	OwnersWorker(Napi::Env env, std::shared_ptr<Collector> collector)
	    : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), collector_(std::move(collector))
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
			owners_ = collector_->owners();
		} catch (const Failure &failure) {
			failure_ = std::make_unique<Failure>(failure);
		}
	}

	void OnOK() override
	{
		Napi::Env env = Env();

		collector_.reset();
		if (failure_)
			deferred_.Reject(to_error(env, *failure_).Value());
		else
			deferred_.Resolve(Napi::Buffer<uint8_t>::Copy(env, owners_.data(), owners_.size()));
	}

	void OnError(const Napi::Error &error) override
	{
		collector_.reset();
		deferred_.Reject(error.Value());
	}

      private:
	Napi::Promise::Deferred deferred_;
	std::shared_ptr<Collector> collector_;
	std::vector<uint8_t> owners_;
	std::unique_ptr<Failure> failure_;
};

uint64_t number_setting(Napi::Env env, const Napi::Object &options, const char *name, double least, double most)
{
	Napi::Value value = options.Get(name);

	if (!value.IsNumber())
		throw Napi::TypeError::New(env, std::string(name) + " must be a number");
	double number = value.As<Napi::Number>().DoubleValue();
	if (!(number >= least && number <= most))
		throw Napi::RangeError::New(env, std::string(name) + " is out of range");
	return static_cast<uint64_t>(number);
}

Settings read_settings(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	if (info.Length() != 1 || !info[0].IsObject())
		throw Napi::TypeError::New(env, "Session takes one object of options");
	Napi::Object options = info[0].As<Napi::Object>();
	Napi::Value backend = options.Get("backend");
	if (!backend.IsString())
		throw Napi::TypeError::New(env, "backend must be a string");
	Settings settings;
	settings.backend = backend.As<Napi::String>();
	settings.udp_idle_ns = number_setting(env, options, "udpIdleNs", 1e6, 1e18);
	settings.max_tcp_flows = number_setting(env, options, "maxTcpFlows", 1, 1 << 24);
	settings.max_udp_flows = number_setting(env, options, "maxUdpFlows", 1, 1 << 24);
	settings.ring_bytes = number_setting(env, options, "ringBytes", 1, 1 << 30);
	return settings;
}

} // namespace

Napi::Error to_error(Napi::Env env, const Failure &failure)
{
	Napi::Error error = Napi::Error::New(env, failure.what());

	error.Set("code", Napi::String::New(env, failure.code));
	error.Set("stage", Napi::String::New(env, failure.stage));
	error.Set("errno", Napi::Number::New(env, failure.error));
	error.Set("log", Napi::String::New(env, failure.log));
	error.Set("stepDowns", to_array(env, failure.step_downs));
	return error;
}

Napi::Function Session::define(Napi::Env env)
{
	return DefineClass(env, "Session",
			   {
			       InstanceMethod<&Session::drain>("drain"),
			       InstanceMethod<&Session::sweep>("sweep"),
			       InstanceMethod<&Session::sweep_all>("sweepAll"),
			       InstanceMethod<&Session::owners>("owners"),
			       InstanceMethod<&Session::losses>("losses"),
			       InstanceMethod<&Session::unowned>("unowned"),
			       InstanceMethod<&Session::close>("close"),
			       InstanceAccessor<&Session::backend>("backend"),
			       InstanceAccessor<&Session::step_downs>("stepDowns"),
			   });
}

Session::Session(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Session>(info)
{
	Settings settings = read_settings(info);

	try {
		collector_ = open_collector(settings);
	} catch (const Failure &failure) {
		throw to_error(info.Env(), failure);
	} catch (const std::exception &failure) {
		throw Napi::Error::New(info.Env(), failure.what());
	}
}

Collector &Session::collector(Napi::Env env) const
{
	if (!collector_)
		throw to_error(env, Failure("CLOSED", "session", 0, "the capture is closed"));
	return *collector_;
}

Napi::Value Session::fill(const Napi::CallbackInfo &info, size_t (Collector::*method)(uint8_t *, size_t))
{
	Napi::Env env = info.Env();
	Collector &open = collector(env);

	if (info.Length() != 1 || !info[0].IsTypedArray() ||
	    info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
		throw Napi::TypeError::New(env, "a Uint8Array to write to is needed");
	Napi::Uint8Array to = info[0].As<Napi::Uint8Array>();
	if (to.ByteLength() < sizeof(tcptop_record))
		throw Napi::RangeError::New(env, "the array has no room for one record");
	try {
		return Napi::Number::New(env, static_cast<double>((open.*method)(to.Data(), to.ByteLength())));
	} catch (const Failure &failure) {
		throw to_error(env, failure);
	}
}

Napi::Value Session::drain(const Napi::CallbackInfo &info)
{
	return fill(info, &Collector::drain);
}

Napi::Value Session::sweep(const Napi::CallbackInfo &info)
{
	return fill(info, &Collector::sweep);
}

Napi::Value Session::sweep_all(const Napi::CallbackInfo &info)
{
	return fill(info, &Collector::sweep_all);
}

Napi::Value Session::owners(const Napi::CallbackInfo &info)
{
	collector(info.Env());
	auto *worker = new OwnersWorker(info.Env(), collector_);
	Napi::Promise promise = worker->promise();
	worker->Queue();
	return promise;
}

Napi::Value Session::losses(const Napi::CallbackInfo &info)
{
	tcptop_losses losses = collector(info.Env()).losses();

	return Napi::Buffer<uint8_t>::Copy(info.Env(), reinterpret_cast<const uint8_t *>(&losses), sizeof(losses));
}

Napi::Value Session::unowned(const Napi::CallbackInfo &info)
{
	return Napi::Number::New(info.Env(), static_cast<double>(collector(info.Env()).unowned()));
}

Napi::Value Session::backend(const Napi::CallbackInfo &info)
{
	return Napi::String::New(info.Env(), collector(info.Env()).backend());
}

Napi::Value Session::step_downs(const Napi::CallbackInfo &info)
{
	return to_array(info.Env(), collector(info.Env()).step_downs());
}

void Session::close(const Napi::CallbackInfo &)
{
	collector_.reset();
}

} // namespace tcptop
