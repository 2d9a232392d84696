// scexec run: one shared-context session on a real model, and what each of its turns cost.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "exec/api/device_timeline.h"
#include "exec/main/agreement.h"
#include "exec/main/commands.h"
#include "exec/main/lists.h"
#include "exec/main/model_arguments.h"
#include "exec/session/device.h"
#include "exec/session/encode_session.h"
#include "exec/session/meters.h"
#include "exec/session/prompt_models.h"
#include "exec/session/run_session.h"
#include "exec/session/session_sample.h"
#include "exec/session/session_source.h"
#include "exec/session/session_table.h"
#include "methods/runtime.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using program::Argument;
using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  ModelArguments model;
  std::string method = "full", mode = "multi_turn", style = "chat";
  std::string context, separator, trace, task;
  std::vector<std::string> questions;
  std::optional<std::int64_t> max_new_tokens, length, turns, seed, sessions;
  bool own_answers = false;
};

// One session to run, and what it is scored by where it comes from a task.
struct Work {
  std::string title;
  std::vector<std::string> questions;  // as shown to the reader; may be empty
  TokenSession tokens;
  std::optional<TaskSession> task;
  std::optional<EncodedSession> encoded;
  bool golden = false;
};

const std::vector<std::string>& agreement_questions() {
  static const std::vector<std::string> questions = {
      "Who is the contact of the Customer?", "How much is the monthly fee?",
      "How soon is the Provider on site on working days when a machine fails?"};
  return questions;
}

PromptStyle style_of(const Arguments& arguments, const LoadedModel& model) {
  if (arguments.style == "symbols") return PromptStyle::kSymbols;
  return arguments.style == "plain" || !model.chat ? PromptStyle::kPlain : PromptStyle::kReleased;
}

Expected<std::vector<Work>> work_of_task(const Arguments& arguments, const LoadedModel& model) {
  const Expected<TaskEntry> task = find_task(arguments.task);
  if (!task) return task.error();
  SessionDesign design{.tasks = {task->name},
                       .published = {},
                       .turns = static_cast<int>(arguments.turns.value_or(3)),
                       .sessions = static_cast<int>(arguments.sessions.value_or(1)),
                       .seed = static_cast<std::uint64_t>(arguments.seed.value_or(1)),
                       .style = style_of(arguments, model),
                       .golden_answers = !arguments.own_answers,
                       .most_new_tokens = arguments.max_new_tokens.value_or(0)};
  const Tokenizer& tokenizer = model.tokenizer;
  const Expected<SessionSource> source = SessionSource::make(design, [&](std::string_view text) {
    return std::ssize(tokenizer.encode(text, SpecialTokens::kAsText));
  });
  if (!source) return source.error();
  std::vector<Work> all;
  for (int number = 0; number < design.sessions; ++number) {
    const std::int64_t length = arguments.length.value_or(1024);
    Expected<TaskSession> session = source->get(task->name, length, number);
    if (!session) return session.error();
    Expected<EncodedSession> encoded =
        source->encode(*session, tokenizer, model.chat ? &*model.chat : nullptr,
                       *session_mode(arguments.mode), length, model.model->config().max_positions);
    if (!encoded) return encoded.error();
    Work work;
    work.title = task->paper_name + ", " + session->id + " (" + session->provenance + ")";
    for (const Turn& turn : session->turns) work.questions.push_back(turn.question);
    work.tokens = encoded->tokens;
    work.golden = !arguments.own_answers;
    work.encoded = *std::move(encoded);
    work.task = *std::move(session);
    all.push_back(std::move(work));
  }
  return all;
}

Expected<std::vector<Work>> work_of_trace(const Arguments& arguments, const LoadedModel& model) {
  const Expected<std::vector<TraceSession>> sessions = read_trace_sessions(
      arguments.trace, static_cast<std::size_t>(arguments.sessions.value_or(1)));
  if (!sessions) return sessions.error();
  std::vector<Work> all;
  for (const TraceSession& session : *sessions) {
    Expected<TokenSession> tokens =
        encode_trace_session(session, model.tokenizer, model.chat ? &*model.chat : nullptr,
                             arguments.max_new_tokens.value_or(64));
    if (!tokens) return tokens.error();
    Work work;
    work.title = "session " + std::to_string(session.session.value()) + " of " + arguments.trace;
    for (const TracePrompt& prompt : session.requests) {
      work.questions.push_back(prompt.messages.empty() ? "" : prompt.messages.back().text);
    }
    work.tokens = *std::move(tokens);
    all.push_back(std::move(work));
  }
  return all;
}

std::vector<std::string> pieces_between(std::string_view text, std::string_view separator) {
  std::vector<std::string> pieces;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(separator, from), text.size());
    const std::string_view piece = trim(text.substr(from, end - from));
    if (!piece.empty()) pieces.emplace_back(piece);
    from = end + separator.size();
  }
  return pieces;
}

Expected<std::vector<Work>> work_of_questions(const Arguments& arguments,
                                              const LoadedModel& model) {
  std::string context(kAgreement);
  if (!arguments.context.empty()) {
    Expected<std::string> text = read_file(arguments.context);
    if (!text) return text.error();
    context = *std::move(text);
    if (arguments.questions.empty()) return Error{"--context needs a --question or more"};
  }
  Work work;
  work.title = arguments.context.empty() ? "a service agreement of one page" : arguments.context;
  work.questions = arguments.questions.empty() ? agreement_questions() : arguments.questions;
  const bool chat = arguments.style == "chat" && model.chat.has_value();
  const ChatTemplate* const around = chat ? &*model.chat : nullptr;
  const SessionMode mode = *session_mode(arguments.mode);
  const std::int64_t most = arguments.max_new_tokens.value_or(48);
  if (!arguments.separator.empty() && context.find(arguments.separator) == std::string::npos) {
    return Error{"--separator: " + arguments.separator + " does not stand in " + work.title};
  }
  Expected<TokenSession> tokens =
      arguments.separator.empty()
          ? encode_questions(context, work.questions, model.tokenizer, around, mode, most)
          : encode_documents(pieces_between(context, arguments.separator), work.questions,
                             model.tokenizer, around, mode, most);
  if (!tokens) return tokens.error();
  work.tokens = *std::move(tokens);
  return std::vector<Work>{std::move(work)};
}

// What is given goes together: one source of the session, and none of another's options.
Expected<void> check_sources(const Arguments& arguments) {
  const bool task = !arguments.task.empty(), trace = !arguments.trace.empty();
  const bool text =
      !arguments.context.empty() || !arguments.questions.empty() || !arguments.separator.empty();
  if (int{task} + int{trace} + int{text} > 1) {
    return Error{
        "--task, --trace and a text with questions are three sources of a session; give one"};
  }
  if (!task && (arguments.length || arguments.turns || arguments.seed || arguments.own_answers)) {
    return Error{"--length, --turns, --seed and --own-answers are of --task, which is not given"};
  }
  if (!task && arguments.style == "symbols") {
    return Error{"--style symbols is of --task, which is not given"};
  }
  if (!task && !trace && arguments.sessions) {
    return Error{"--sessions is of --task and --trace, and neither is given"};
  }
  return {};
}

Expected<std::vector<Work>> find_work(const Arguments& arguments, const LoadedModel& model) {
  Expected<std::vector<Work>> all = !arguments.task.empty() ? work_of_task(arguments, model)
                                    : !arguments.trace.empty()
                                        ? work_of_trace(arguments, model)
                                        : work_of_questions(arguments, model);
  if (!all) return all;
  for (const Work& work : *all) {
    const std::int64_t longest = longest_sequence(work.tokens, work.golden);
    const std::int64_t positions = model.model->config().max_positions;
    if (longest > positions) {
      return Error{work.title + ": " + format_integer(longest) +
                   " tokens with all turns and answers; the model has positions for " +
                   format_integer(positions)};
    }
  }
  return all;
}

std::string shown(const std::string& text) {
  constexpr std::size_t kMost = 160;
  std::string line(trim(text));
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  return line.size() <= kMost ? line : "... " + valid_utf8(line.substr(line.size() - kMost));
}

ExitCode run(const Arguments& arguments) {
  const Expected<methods::MethodChoice> method = methods::parse_method(arguments.method);
  if (!method) return fail(method.error().message, ExitCode::kUsageError);
  if (const auto given = check_sources(arguments); !given) {
    return fail(given.error().message, ExitCode::kUsageError);
  }
  Expected<LoadedModel> model = load(arguments.model);
  if (!model) return fail(model.error());
  if (const auto fits = check_layers(*method, *model); !fits) return fail(fits.error());
  const Expected<std::vector<Work>> all = find_work(arguments, *model);
  if (!all) return fail(all.error());
  const auto timeline = timeline_for(model->model->options().device);
  std::printf("%s, %s, %s\n", describe_model(*model).c_str(), methods::method_text(*method).c_str(),
              arguments.mode.c_str());
  const auto energy = std::make_shared<EnergyMeter>(energy_meter(model->model->options().device));
  // Sessions meet in what the method remembers, if it does.
  const auto runtime = methods::make_runtime(*method);
  PromptModels tools(*model->model, model->tokenizer);
  for (const Work& work : *all) {
    std::printf("%s\n", work.title.c_str());
    SessionOptions options;
    options.golden_answers = work.golden;
    options.tools = &tools;
    options.measure_likelihood = work.task.has_value();
    attach_meters(options, energy);
    std::size_t asked = 0;
    const auto ask = [&](std::size_t turn) {
      for (; asked <= turn && asked < work.questions.size(); ++asked) {
        std::printf("\n%zu  %s\n   ", asked + 1, shown(work.questions[asked]).c_str());
      }
    };
    options.on_text = [&](std::size_t turn, std::string_view text) {
      ask(turn);
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    };
    const Expected<SessionRecord> record =
        run_session(*model->model, model->tokenizer, *timeline, work.tokens, *runtime, options);
    if (!record) return fail(record.error());
    ask(work.questions.size());
    std::optional<SessionSample> sample;
    if (work.task) {
      Expected<SessionSample> scored = make_sample(*work.task, *work.encoded, *record);
      if (!scored) return fail(scored.error());
      sample = *std::move(scored);
    }
    std::printf("\n\n%s", session_table(*record, sample ? &*sample : nullptr).c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

Command run_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  std::vector<std::string> tasks, methods;
  for (const TaskEntry& task : task_table()) tasks.push_back(task.name);
  for (const methods::MethodEntry& method : methods::method_table()) methods.push_back(method.name);
  Command command{.name = "run",
                  .sentence = "run one shared-context session on a real model; what each turn cost",
                  .arguments = model_arguments(a.model),
                  .run = [arguments] { return run(*arguments); },
                  .details =
                      "Without arguments: three questions about a service agreement, asked of\n"
                      "SmolLM2-135M-Instruct, which ./scexec fetches."};
  const auto add = [&command](Argument argument) {
    command.arguments.push_back(std::move(argument));
  };
  add(saved_every_argument(a.model));
  add({.name = "--method",
       .value_name = "METHOD",
       .into = &a.method,
       .sentence = "long-context method, with parameters: full",
       .offers = methods});
  add({.name = "--mode",
       .value_name = "MODE",
       .into = &a.mode,
       .sentence = "turns see those before them, or the context and their own question only",
       .choices = {"multi_turn", "multi_request"}});
  add({.name = "--context",
       .value_name = "FILE",
       .into = &a.context,
       .sentence = "the text that is asked about",
       .completes = program::Completes::kFile});
  add({.name = "--separator",
       .value_name = "TEXT",
       .into = &a.separator,
       .sentence = "stands between documents in the text; in multi_request mode each question sees "
                   "them beginning with the next"});
  add({.name = "--question",
       .value_name = "TEXT",
       .into = &a.questions,
       .sentence = "a question; as many as you like"});
  add({.name = "--task",
       .value_name = "TASK",
       .into = &a.task,
       .sentence = "a generated session of a task in place of a text",
       .choices = tasks});
  add({.name = "--length",
       .value_name = "N",
       .into = &a.length,
       .sentence = "of --task: tokens of context (1024)",
       .min = 16});
  add({.name = "--turns",
       .value_name = "N",
       .into = &a.turns,
       .sentence = "of --task: questions (3)",
       .min = 1});
  add({.name = "--seed", .value_name = "N", .into = &a.seed, .sentence = "of --task (1)"});
  add({.name = "--trace",
       .value_name = "X.pb",
       .into = &a.trace,
       .sentence = "conversations of a trace that carries text",
       .completes = program::Completes::kFile});
  add({.name = "--sessions",
       .value_name = "N",
       .into = &a.sessions,
       .sentence = "of --task and --trace: how many (1)",
       .min = 1});
  add({.name = "--max-new-tokens",
       .value_name = "N",
       .into = &a.max_new_tokens,
       .sentence = "of an answer (48; of a task: its own limit)",
       .min = 1});
  add({.name = "--style",
       .value_name = "STYLE",
       .into = &a.style,
       .sentence = "with the model's chat template, as plain text to be continued, or in symbols "
                   "(of --task, for models that know no language)",
       .choices = {"chat", "plain", "symbols"}});
  add({.name = "--own-answers",
       .into = &a.own_answers,
       .sentence = "of --task: later turns see the model's own answers, not the golden ones"});
  return command;
}

}  // namespace scsim::exec
