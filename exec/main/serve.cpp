// scexec serve: the engine over HTTP, as OpenAI's clients speak it.
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "exec/engine/live_engine.h"
#include "exec/main/commands.h"
#include "exec/main/engine_arguments.h"
#include "exec/serve/openai_api.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  EngineArguments engine;
  std::string host = "127.0.0.1", keys, name;
  std::optional<std::int64_t> port, most_waiting;
};

// Lines "KEY TENANT"; what begins with # is none.
Expected<std::map<std::string, std::string>> read_keys(const std::string& path) {
  std::map<std::string, std::string> tenants;
  if (path.empty()) return tenants;
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  std::size_t number = 0;
  for (const std::string& line : split(*text, '\n')) {
    ++number;
    const std::string content(trim(line));
    if (content.empty() || content.starts_with('#')) continue;
    const std::size_t space = content.find_first_of(" \t");
    if (space == std::string::npos) {
      return Error{path + ":" + std::to_string(number) + ": expected a key and its tenant, as " +
                   "\"sk-1234 legal\""};
    }
    tenants[content.substr(0, space)] = std::string(trim(content.substr(space)));
  }
  if (tenants.empty()) return Error{path + ": there is no key in it"};
  return tenants;
}

ExitCode run(const Arguments& arguments) {
  Expected<std::map<std::string, std::string>> tenants = read_keys(arguments.keys);
  if (!tenants) return fail(tenants.error());
  if (arguments.port.value_or(0) > 65535)
    return fail("--port: expected a port up to 65535", ExitCode::kUsageError);
  Expected<ReadyEngine> ready = make_engine(arguments.engine);
  if (!ready) return fail(ready.error());
  const LoadedModel& model = ready->model;
  Expected<std::unique_ptr<HttpServer>> server =
      HttpServer::listen(arguments.host, static_cast<std::uint16_t>(arguments.port.value_or(8000)));
  if (!server) return fail(server.error());
  LiveEngine live(*ready->engine,
                  {.ends = [&model](std::int32_t token) { return model.tokenizer.is_end(token); },
                   .most_waiting = arguments.most_waiting.value_or(64)});
  const std::string name = arguments.name.empty() ? model.description.name : arguments.name;
  const OpenAiApi api({.model = name, .tenants = *std::move(tenants)}, model.tokenizer,
                      model.chat ? &*model.chat : nullptr, live);
  std::printf("%s\nserving \"%s\" on http://%s:%d/v1\n", describe_model(model).c_str(),
              name.c_str(), arguments.host.c_str(), int{(*server)->port()});
  std::fflush(stdout);
  (*server)->run(
      [&api](const HttpRequest& request, HttpReply& reply) { api.handle(request, reply); },
      [&live] {
        std::fprintf(stderr, "scexec: no more requests are taken; those taken are answered\n");
        live.stop_taking();
      });
  live.drain();
  if (const std::string failure = live.failure(); !failure.empty()) return fail(failure);
  return ExitCode::kOk;
}

}  // namespace

Command serve_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{
      .name = "serve",
      .sentence = "the engine over HTTP, OpenAI-compatible, until SIGTERM",
      .arguments = engine_arguments(a.engine),
      .run = [arguments] { return run(*arguments); },
      .details =
          "POST /v1/completions, /v1/chat/completions (also streamed); GET /v1/models,\n"
          "/health, /metrics (Prometheus). Answers are greedy. On SIGTERM or Ctrl-C no\n"
          "request is taken any more, and those that were taken are answered."};
  const auto add = [&command](program::Argument argument) {
    command.arguments.push_back(std::move(argument));
  };
  for (program::Argument& argument : tier_arguments(a.engine)) add(std::move(argument));
  add({.name = "--host",
       .value_name = "ADDRESS",
       .into = &a.host,
       .sentence = "to listen on (127.0.0.1)"});
  add({.name = "--port",
       .value_name = "N",
       .into = &a.port,
       .sentence = "to listen on; 0: any that is free (8000)"});
  add({.name = "--name",
       .value_name = "NAME",
       .into = &a.name,
       .sentence = "that clients call the model by (its own)"});
  add({.name = "--api-keys",
       .value_name = "FILE",
       .into = &a.keys,
       .sentence =
           "lines of a key and its tenant; no tenant finds another's blocks (no key needed)",
       .completes = program::Completes::kFile});
  add({.name = "--most-waiting",
       .value_name = "N",
       .into = &a.most_waiting,
       .sentence = "requests that wait, before others get 429 (64)",
       .min = 1});
  return command;
}

}  // namespace scsim::exec
