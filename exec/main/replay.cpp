// scexec replay: a trace, for real, on the engine; what came of it as a Result.
#include "exec/engine/replay.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "exec/main/commands.h"
#include "exec/main/engine_arguments.h"
#include "traces/files.h"
#include "traces/program/command_line.h"
#include "traces/program/terminal.h"
#include "traces/report/text_table.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  EngineArguments engine;
  std::string trace, out, answers;
  bool isolate = false;
};

std::string made_by(const Arguments& arguments) {
  std::vector<std::string> words = {"replay", arguments.trace};
  for (const std::string& word : words_of(arguments.engine)) words.push_back(word);
  if (arguments.isolate) words.emplace_back("--isolate-tenants");
  return program::quoted_command_line(words);
}

void add_row(TextTable& table, const std::string& name, std::vector<double> seconds) {
  if (seconds.empty()) return;
  std::ranges::sort(seconds);
  double sum = 0;
  for (const double one : seconds) sum += one;
  const auto quantile = [&](double q) {
    const double at = q * static_cast<double>(seconds.size() - 1);
    return format_seconds(seconds[static_cast<std::size_t>(at + 0.5)]);
  };
  table.add({name, format_seconds(sum / static_cast<double>(seconds.size())), quantile(0.5),
             quantile(0.9), quantile(0.99)});
}

std::string summary(const Result& result) {
  std::vector<double> ttft, tpot, e2e;
  std::int64_t prompt = 0, found = 0, answered = 0;
  for (const RequestResult& one : result.requests) {
    prompt += one.prompt_tokens;
    found += one.found_tokens;
    answered += one.output_tokens;
    if (one.outcome != Outcome::kFinished) continue;
    ttft.push_back((one.first_token - one.arrival).seconds().value());
    e2e.push_back((one.end - one.arrival).seconds().value());
    if (one.output_tokens > 1) {
      tpot.push_back((one.end - one.first_token).seconds().value() /
                     static_cast<double>(one.output_tokens - 1));
    }
  }
  const EngineResult& engine = result.engines.front();
  TextTable table({"", "mean", "p50", "p90", "p99"});
  add_row(table, "TTFT", ttft);
  add_row(table, "TPOT", tpot);
  add_row(table, "E2E", e2e);
  std::string text = format_integer(std::ssize(result.requests)) + " requests, " +
                     format_integer(std::ssize(e2e)) + " finished, in " +
                     format_seconds(result.end.seconds().value()) + ", of them idle " +
                     format_seconds(static_cast<double>(engine.idle_ns) * 1e-9) + "\n" +
                     format_integer(prompt) + " tokens of prompts, " + format_integer(found) +
                     " found in the prefix cache; " + format_integer(answered) + " answered; " +
                     format_integer(engine.steps) + " steps, " +
                     format_integer(engine.preemptions) + " preemptions, " +
                     format_integer(engine.evicted_blocks) + " blocks evicted\n";
  for (const TierResult& tier : result.tiers) {
    text += tier.name + ": " + format_integer(tier.fetched_tokens) + " tokens fetched, " +
            format_bytes(static_cast<double>(tier.stored_bytes)) + " stored, " +
            format_bytes(static_cast<double>(tier.evicted_bytes)) + " evicted\n";
  }
  for (const std::string& line : result.honesty) text += line + "\n";
  return text + table.text(0);
}

ExitCode run(const Arguments& arguments) {
  const Expected<ReadyEngine> ready = make_engine(arguments.engine);
  if (!ready) return fail(ready.error());
  std::fprintf(stderr, "scexec: %s\n", describe_model(ready->model).c_str());
  program::Progress progress("replaying", "requests", true);
  std::map<std::uint64_t, std::string> answers;
  const ReplayOptions options{
      .encode =
          [&ready](std::string_view text) {
            return ready->model.tokenizer.encode(text, SpecialTokens::kAsText);
          },
      .isolate_tenants = arguments.isolate,
      .progress = [&progress](double part, std::uint64_t ended) { progress.update(part, ended); },
      .answered =
          [&answers](RequestId request, std::span<const std::int32_t> tokens) {
            std::string& text = answers[request.value()];
            for (const std::int32_t token : tokens)
              text += (text.empty() ? "" : ",") + std::to_string(token);
          }};
  Expected<Result> result = replay(arguments.trace, *ready->engine, *ready->clock, options);
  progress.done();
  if (!result) return fail(result.error());
  result->made_by = made_by(arguments);
  result->tool_version = std::string(tool_version());
  if (ready->model.description.random_weights)
    result->honesty.emplace_back("random weights: the model was never trained");
  if (!arguments.out.empty()) {
    if (const auto written = write_result(*result, arguments.out); !written)
      return fail(written.error());
  }
  if (!arguments.answers.empty()) {
    std::string text;
    for (const auto& [request, tokens] : answers)
      text += "{\"request\":" + std::to_string(request) + ",\"tokens\":[" + tokens + "]}\n";
    if (const auto written = write_file(arguments.answers, text); !written)
      return fail(written.error());
  }
  std::printf("%s", summary(*result).c_str());
  return ExitCode::kOk;
}

}  // namespace

Command replay_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{
      .name = "replay",
      .sentence = "run a trace for real on the engine; a result as the simulator writes it",
      .arguments = {{.name = "TRACE",
                     .into = &a.trace,
                     .sentence = "requests, open or closed loop",
                     .required = true,
                     .completes = program::Completes::kFile}},
      .run = [arguments] { return run(*arguments); },
      .details =
          "Contents without text become made-up tokens, the same for the same span; answers are\n"
          "the model's, as long as the trace has them. --clock cpu takes as long as the computing\n"
          "does, and leaves out what other processes take of the machine; use --threads 1 with "
          "it."};
  for (program::Argument& argument : engine_arguments(a.engine))
    command.arguments.push_back(std::move(argument));
  for (program::Argument& argument : tier_arguments(a.engine))
    command.arguments.push_back(std::move(argument));
  command.arguments.push_back({.name = "--answers",
                               .value_name = "FILE.jsonl",
                               .into = &a.answers,
                               .sentence = "each request's answer, as tokens",
                               .completes = program::Completes::kFile});
  command.arguments.push_back({.name = "--out,-o",
                               .value_name = "OUT.pb",
                               .into = &a.out,
                               .sentence = "the result",
                               .completes = program::Completes::kFile});
  command.arguments.push_back({.name = "--isolate-tenants",
                               .into = &a.isolate,
                               .sentence = "no tenant finds another's blocks"});
  return command;
}

}  // namespace scsim::exec
