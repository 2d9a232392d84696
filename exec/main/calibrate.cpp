// scexec calibrate: methods, tasks, modes and lengths crossed on a real model, into a Calibration;
// or the same sessions asked of a server.
#include "exec/session/calibrate.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>

#include "exec/main/commands.h"
#include "exec/main/lists.h"
#include "exec/main/model_arguments.h"
#include "exec/session/calibrate_server.h"
#include "exec/session/commit.h"
#include "traces/program/command_line.h"
#include "traces/program/terminal.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using program::Argument;
using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  ModelArguments model;
  std::string server, server_model, api_key_env;
  std::string methods, tasks = "all", lengths = "512,1024,2048", style = "plain", out;
  std::string clock = "wall";
  std::string modes = "multi_turn,multi_request";
  std::vector<std::string> data;
  std::optional<std::int64_t> turns, sessions, repeat, seed, max_new_tokens;
  bool own_answers = false;
};

Expected<std::vector<std::string>> task_names(const std::string& text) {
  std::vector<std::string> names;
  if (text == "all") {
    for (const TaskEntry& task : task_table()) names.push_back(task.name);
    return names;
  }
  for (const std::string& name : split(text, ',')) {
    const Expected<TaskEntry> task = find_task(std::string(trim(name)));
    if (!task) return task.error();
    if (std::ranges::find(names, task->name) != names.end()) {
      return Error{"--tasks: " + task->name + " is listed twice"};
    }
    names.push_back(task->name);
  }
  return names;
}

Expected<std::vector<SessionMode>> mode_list(const std::string& text) {
  std::vector<SessionMode> modes;
  for (const std::string& name : split(text, ',')) {
    const Expected<SessionMode> mode = session_mode(std::string(trim(name)));
    if (!mode) return Error{"--modes: " + mode.error().message};
    if (std::ranges::find(modes, *mode) != modes.end()) {
      return Error{"--modes: " + std::string(trim(name)) + " is listed twice"};
    }
    modes.push_back(*mode);
  }
  return modes;
}

std::string methods_of(const Arguments& arguments) {
  return arguments.methods.empty() ? "full" : arguments.methods;
}

// How the file was made: without what does not change it.
std::string made_by(const Arguments& arguments) {
  std::vector<std::string> words = {"calibrate"};
  if (arguments.server.empty()) {
    words.insert(words.end(), {"--methods", methods_of(arguments)});
  } else {
    words.insert(words.end(), {"--server", arguments.server});
    if (!arguments.server_model.empty())
      words.insert(words.end(), {"--server-model", arguments.server_model});
  }
  words.insert(words.end(), {"--tasks", arguments.tasks, "--lengths", arguments.lengths, "--modes",
                             arguments.modes, "--style", arguments.style});
  const auto add = [&words](const char* name, const std::optional<std::int64_t>& value) {
    if (value) words.insert(words.end(), {name, std::to_string(*value)});
  };
  add("--turns", arguments.turns);
  add("--sessions", arguments.sessions);
  add("--repeat", arguments.repeat);
  add("--seed", arguments.seed);
  add("--max-new-tokens", arguments.max_new_tokens);
  add("--threads", arguments.model.threads);
  add("--save-state-every", arguments.model.saved_every);
  if (arguments.clock != "wall") words.insert(words.end(), {"--clock", arguments.clock});
  for (const std::string& data : arguments.data) words.insert(words.end(), {"--data", data});
  if (arguments.own_answers) words.emplace_back("--own-answers");
  return program::quoted_command_line(words);
}

Expected<CalibrateOptions> options_of(const Arguments& arguments) {
  CalibrateOptions options;
  if (arguments.server.empty()) {
    Expected<std::vector<methods::MethodChoice>> methods =
        methods::parse_methods(methods_of(arguments));
    if (!methods) return methods.error();
    options.methods = *std::move(methods);
  }
  Expected<std::vector<std::string>> tasks = task_names(arguments.tasks);
  if (!tasks) return tasks.error();
  options.sessions.tasks = *std::move(tasks);
  const Expected<std::vector<std::int64_t>> lengths =
      number_list("--lengths", arguments.lengths, 16);
  if (!lengths) return lengths.error();
  options.lengths = *lengths;
  Expected<std::vector<SessionMode>> modes = mode_list(arguments.modes);
  if (!modes) return modes.error();
  options.modes = *std::move(modes);
  for (const std::string& given : arguments.data) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos) {
      return Error{"--data: expected TASK=FILE, found \"" + given + "\""};
    }
    const Expected<TaskEntry> task = find_task(given.substr(0, equals));
    if (!task) return task.error();
    options.sessions.published[task->name] = given.substr(equals + 1);
  }
  const Expected<PromptStyle> style = parse_prompt_style(arguments.style);
  if (!style) return style.error();
  options.sessions.style = *style;
  for (const std::string& name : options.sessions.tasks) {
    const auto known = check_style(*find_task(name), *style);
    if (!known) return Error{"--tasks: " + known.error().message};
  }
  options.sessions.turns = static_cast<int>(arguments.turns.value_or(5));
  options.sessions.sessions = static_cast<int>(arguments.sessions.value_or(4));
  options.sessions.seed = static_cast<std::uint64_t>(arguments.seed.value_or(1));
  options.sessions.golden_answers = !arguments.own_answers;
  options.sessions.most_new_tokens = arguments.max_new_tokens.value_or(0);
  options.repeats = static_cast<int>(arguments.repeat.value_or(1));
  options.cpu_clock = arguments.clock == "cpu";
  if (options.cpu_clock && arguments.model.device != "cpu")
    return Error{"--clock cpu: on " + arguments.model.device + " the CPU is not what computes"};
  options.commit = std::string(source_commit());
  options.made_by = made_by(arguments);
  return options;
}

// What a server does is not chosen here, and what is of servers goes with one.
Expected<void> check_server(const Arguments& arguments) {
  if (arguments.server.empty()) {
    if (!arguments.server_model.empty() || !arguments.api_key_env.empty())
      return Error{"--server-model and --api-key-env are of --server, which is not given"};
    return {};
  }
  if (!arguments.methods.empty() || arguments.model.threads || arguments.model.saved_every ||
      arguments.model.device != "cpu" || arguments.clock != "wall") {
    return Error{
        "--methods, --device, --threads, --save-state-every and --clock are of models that run "
        "here; --server runs its own"};
  }
  if (!arguments.api_key_env.empty() && std::getenv(arguments.api_key_env.c_str()) == nullptr) {
    return Error{"--api-key-env: there is no variable " + arguments.api_key_env +
                 " in the environment"};
  }
  return {};
}

using Hear = std::function<void(const CalibrateNews&)>;

Expected<CalibrationReport> measure_model(const Arguments& arguments,
                                          const CalibrateOptions& options, const Hear& hear) {
  Expected<LoadedModel> model = load(arguments.model);
  if (!model) return model.error();
  for (const methods::MethodChoice& method : options.methods) {
    if (const auto fits = check_layers(method, *model); !fits) return fits.error();
  }
  std::fprintf(stderr, "scexec: %s\n", describe_model(*model).c_str());
  return calibrate(*model, options, arguments.out, hear);
}

Expected<CalibrationReport> measure_server(const Arguments& arguments,
                                           const CalibrateOptions& options, const Hear& hear) {
  const Expected<TokenCounter> counter = load_token_counter(arguments.model.model);
  if (!counter) return counter.error();
  RemoteOptions remote{.url = arguments.server, .model = arguments.server_model};
  if (!arguments.api_key_env.empty()) {
    const char* key = std::getenv(arguments.api_key_env.c_str());
    if (key != nullptr) remote.api_key = key;
  }
  const Expected<RemoteEngine> engine = RemoteEngine::connect(remote, steady_seconds());
  if (!engine) return engine.error();
  std::fprintf(stderr, "scexec: %s at %s, lengths by the tokenizer of %s\n",
               engine->model().c_str(), engine->url().c_str(), counter->name.c_str());
  return calibrate_server(*engine, *counter, options, arguments.out, hear);
}

ExitCode run(const Arguments& arguments) {
  if (const auto checked = check_server(arguments); !checked)
    return fail(checked.error().message, ExitCode::kUsageError);
  const Expected<CalibrateOptions> options = options_of(arguments);
  if (!options) return fail(options.error().message, ExitCode::kUsageError);
  program::Progress progress("calibrating", "samples", true);
  const Hear hear = [&progress](const CalibrateNews& news) {
    if (!news.sentence.empty()) std::fprintf(stderr, "scexec: %s\n", news.sentence.c_str());
    progress.update(news.fraction, static_cast<std::uint64_t>(news.samples));
  };
  const Expected<CalibrationReport> report = arguments.server.empty()
                                                 ? measure_model(arguments, *options, hear)
                                                 : measure_server(arguments, *options, hear);
  progress.done();
  if (!report) return fail(report.error());
  std::printf("%s: %s samples, %s of them measured now, in %s; `scexec show %s` has the tables\n",
              arguments.out.c_str(), format_integer(report->measured + report->resumed).c_str(),
              format_integer(report->measured).c_str(), format_seconds(report->seconds).c_str(),
              arguments.out.c_str());
  return ExitCode::kOk;
}

}  // namespace

Command calibrate_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{
      .name = "calibrate",
      .sentence = "measure methods on tasks: accuracy by turn, and what each stage costs",
      .arguments = model_arguments(a.model),
      .run = [arguments] { return run(*arguments); },
      .details =
          "Killed at any moment, the same command goes on where it was (OUT.partial).\n"
          "Methods with parameters: full,snapkv:budget=1024,window=32\n"
          "A server is asked for completions (--style plain) or chats (--style released); its "
          "tokens\n"
          "are counted by the tokenizer of --model."};
  const auto add = [&command](Argument argument) {
    command.arguments.push_back(std::move(argument));
  };
  add(saved_every_argument(a.model));
  add({.name = "--out,-o",
       .value_name = "OUT.pb",
       .into = &a.out,
       .sentence = "the calibration",
       .required = true,
       .completes = program::Completes::kFile});
  add({.name = "--methods",
       .value_name = "A,B",
       .into = &a.methods,
       .sentence = "long-context methods (full)"});
  add({.name = "--server",
       .value_name = "URL",
       .into = &a.server,
       .sentence =
           "ask an OpenAI-compatible server, http://HOST:PORT/v1, in place of a model here"});
  add({.name = "--server-model",
       .value_name = "NAME",
       .into = &a.server_model,
       .sentence = "its model (the first that it lists)"});
  add({.name = "--api-key-env",
       .value_name = "VAR",
       .into = &a.api_key_env,
       .sentence = "the variable of the environment that has the key for it"});
  add({.name = "--tasks",
       .value_name = "A,B",
       .into = &a.tasks,
       .sentence = "tasks, or all (all)"});
  add({.name = "--lengths",
       .value_name = "N,M",
       .into = &a.lengths,
       .sentence = "tokens of context (512,1024,2048)"});
  add({.name = "--modes",
       .value_name = "A,B",
       .into = &a.modes,
       .sentence = "of sharing the context (multi_turn,multi_request)"});
  add({.name = "--turns",
       .value_name = "N",
       .into = &a.turns,
       .sentence = "of a session (5)",
       .min = 1});
  add({.name = "--sessions",
       .value_name = "N",
       .into = &a.sessions,
       .sentence = "of each task at each length (4)",
       .min = 1});
  add({.name = "--repeat",
       .value_name = "N",
       .into = &a.repeat,
       .sentence = "times that all of it is run (1)",
       .min = 1});
  add({.name = "--seed",
       .value_name = "N",
       .into = &a.seed,
       .sentence = "of generated sessions and of the order (1)"});
  add({.name = "--clock",
       .value_name = "CLOCK",
       .into = &a.clock,
       .sentence =
           "wall; cpu: process CPU time over threads, which leaves out other processes (wall)",
       .choices = {"wall", "cpu"}});
  add({.name = "--style",
       .value_name = "STYLE",
       .into = &a.style,
       .sentence =
           "how prompts are worded: as SCBench's code does, as plain records, or in symbols, "
           "for models trained on them (plain)",
       .choices = prompt_style_names()});
  add({.name = "--data",
       .value_name = "TASK=FILE",
       .into = &a.data,
       .sentence = "published sessions of a task in place of generated ones",
       .completes = program::Completes::kFile});
  add({.name = "--max-new-tokens",
       .value_name = "N",
       .into = &a.max_new_tokens,
       .sentence = "bounds the tasks' own limits",
       .min = 1});
  add({.name = "--own-answers",
       .into = &a.own_answers,
       .sentence = "later turns see the model's own answers, not the golden ones"});
  return command;
}

}  // namespace scsim::exec
