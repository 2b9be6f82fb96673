// What the addon exports: the Source class, facts of the kernel, the broker and giving up privileges, the layout of
// records, and what Node cannot ask of a descriptor.
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

// Calls, and throws what fails as JavaScript does.
template <typename Action> auto attempt(const Napi::CallbackInfo &info, Action action)
{
	try {
		return action();
	} catch (const tcptop::Failure &failure) {
		throw tcptop::to_error(info.Env(), failure);
	}
}

std::string text_at(const Napi::CallbackInfo &info, size_t argument)
{
	if (info.Length() <= argument || !info[argument].IsString())
		throw Napi::TypeError::New(info.Env(), "a text is needed");
	return info[argument].As<Napi::String>();
}

uint32_t number_at(const Napi::CallbackInfo &info, size_t argument)
{
	if (info.Length() <= argument || !info[argument].IsNumber())
		throw Napi::TypeError::New(info.Env(), "a number is needed");
	return info[argument].As<Napi::Number>().Uint32Value();
}

Napi::Value start_broker(const Napi::CallbackInfo &info)
{
	std::string program = text_at(info, 0);

	return Napi::Number::New(info.Env(), attempt(info, [&] { return tcptop::start_broker(program); }));
}

Napi::Value stop_broker(const Napi::CallbackInfo &info)
{
	tcptop::stop_broker();
	return info.Env().Undefined();
}

Napi::Value end_loading(const Napi::CallbackInfo &info)
{
	attempt(info, [] { tcptop::end_loading(); });
	return info.Env().Undefined();
}

Napi::Value netns_of(const Napi::CallbackInfo &info)
{
	uint32_t pid = number_at(info, 0);

	return Napi::Number::New(info.Env(), attempt(info, [&] { return double(tcptop::netns_of(pid)); }));
}

Napi::Value keep_output(const Napi::CallbackInfo &info)
{
	int folder = static_cast<int>(number_at(info, 0));
	std::string name = text_at(info, 1);
	uint32_t owner = number_at(info, 2);

	return Napi::Number::New(info.Env(), attempt(info, [&] { return tcptop::keep_output(folder, name, owner); }));
}

Napi::Value open_output(const Napi::CallbackInfo &info)
{
	uint32_t output = number_at(info, 0);
	bool is_new = info.Length() > 1 && info[1].ToBoolean().Value();

	int fd = attempt(info, [&] { return tcptop::open_output(output, &is_new); });
	Napi::Object out = Napi::Object::New(info.Env());
	out.Set("fd", fd);
	out.Set("isNew", is_new);
	return out;
}

Napi::Value drop_output(const Napi::CallbackInfo &info)
{
	uint32_t output = number_at(info, 0);
	int file = static_cast<int>(number_at(info, 1));

	attempt(info, [&] { tcptop::drop_output(output, file); });
	return info.Env().Undefined();
}

Napi::Value move_output(const Napi::CallbackInfo &info)
{
	uint32_t output = number_at(info, 0);
	int file = static_cast<int>(number_at(info, 1));
	std::string suffix = text_at(info, 2);

	attempt(info, [&] { tcptop::move_output(output, file, suffix); });
	return info.Env().Undefined();
}

Napi::Value find_user(const Napi::CallbackInfo &info)
{
	tcptop::User user;

	if (!tcptop::find_user(text_at(info, 0), &user))
		return info.Env().Null();
	Napi::Object out = Napi::Object::New(info.Env());
	out.Set("uid", user.uid);
	out.Set("gid", user.gid);
	return out;
}

std::vector<std::string> texts_of(Napi::Env env, const Napi::Value &value)
{
	std::vector<std::string> out;

	if (!value.IsArray())
		throw Napi::TypeError::New(env, "a list of texts is needed");
	Napi::Array list = value.As<Napi::Array>();
	for (uint32_t i = 0; i < list.Length(); i++)
		out.push_back(list.Get(i).ToString());
	return out;
}

Napi::Value confine(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	if (info.Length() != 1 || !info[0].IsObject())
		throw Napi::TypeError::New(env, "what is left must be an object");
	Napi::Object left = info[0].As<Napi::Object>();
	Napi::Value of = left.Get("user");
	tcptop::User user = {};
	if (of.IsObject()) {
		user.uid = of.As<Napi::Object>().Get("uid").ToNumber().Uint32Value();
		user.gid = of.As<Napi::Object>().Get("gid").ToNumber().Uint32Value();
	}
	std::vector<std::string> readable = texts_of(env, left.Get("readable"));
	tcptop::Confinement done =
	    attempt(info, [&] { return tcptop::confine(of.IsObject() ? &user : nullptr, readable); });
	Napi::Object out = Napi::Object::New(env);
	out.Set("hasUser", done.has_user);
	out.Set("hasLandlock", done.has_landlock);
	out.Set("hasSeccomp", done.has_seccomp);
	return out;
}

Napi::Object init(Napi::Env env, Napi::Object exports)
{
	exports.Set("Source", tcptop::SourceObject::define(env));
	exports.Set("facts", Napi::Function::New(env, facts, "facts"));
	exports.Set("startBroker", Napi::Function::New(env, start_broker, "startBroker"));
	exports.Set("stopBroker", Napi::Function::New(env, stop_broker, "stopBroker"));
	exports.Set("endLoading", Napi::Function::New(env, end_loading, "endLoading"));
	exports.Set("netnsOf", Napi::Function::New(env, netns_of, "netnsOf"));
	exports.Set("keepOutput", Napi::Function::New(env, keep_output, "keepOutput"));
	exports.Set("openOutput", Napi::Function::New(env, open_output, "openOutput"));
	exports.Set("dropOutput", Napi::Function::New(env, drop_output, "dropOutput"));
	exports.Set("moveOutput", Napi::Function::New(env, move_output, "moveOutput"));
	exports.Set("findUser", Napi::Function::New(env, find_user, "findUser"));
	exports.Set("wireLayout", Napi::Function::New(env, wire_layout, "wireLayout"));
	exports.Set("confine", Napi::Function::New(env, confine, "confine"));
	exports.Set("hasReader", Napi::Function::New(env, has_reader, "hasReader"));
	exports.Set("lockFile", Napi::Function::New(env, lock_file, "lockFile"));
	return exports;
}

} // namespace

NODE_API_MODULE(tcptop, init)
