#include "traces/trace_cut.h"

#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "traces/program/terminal.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

struct CutArguments {
  std::string trace, out, from, to, sessions, speed;
  std::vector<std::string> tenants;
  std::optional<std::int64_t> requests, repeat;
  bool quiet = false;
};

// The options of a cut as numbers; the error names the option.
Expected<CutOptions> cut_options(const CutArguments& arguments) {
  CutOptions options;
  auto wrong = [](const std::string& name, const std::string& why) {
    return Error{name + ": " + why};
  };
  for (auto [name, text, into] : {std::tuple("--from", &arguments.from, &options.from),
                                  std::tuple("--to", &arguments.to, &options.to)}) {
    if (text->empty()) continue;
    const auto seconds = parse_seconds(*text);
    if (!seconds) return wrong(name, seconds.error().message);
    if (*seconds < 0 || *seconds > 9e9)
      return wrong(name, "expected a time from the trace's start on");
    *into = TimePoint() + to_duration(Seconds(*seconds));
  }
  if (!arguments.sessions.empty()) {
    const auto share = parse_fraction(arguments.sessions);
    if (!share) return wrong("--sessions", share.error().message);
    if (!(*share > 0 && *share <= 1))
      return wrong("--sessions", "expected a share above 0, at most 1");
    options.sessions = *share;
  }
  if (!arguments.speed.empty()) {
    const auto speed = parse_double(arguments.speed);
    if (!speed) return wrong("--speed", speed.error().message);
    if (!(*speed > 0 && *speed <= 1e9)) return wrong("--speed", "expected a factor above 0");
    options.speed = *speed;
  }
  if (arguments.requests) options.requests = static_cast<std::uint64_t>(*arguments.requests);
  if (arguments.repeat) options.repeat = static_cast<std::uint64_t>(*arguments.repeat);
  options.tenants = arguments.tenants;
  return options;
}

ExitCode cut(const CutArguments& arguments) {
  auto options = cut_options(arguments);
  if (!options) return fail(options.error().message, ExitCode::kUsageError);
  MadeBy made_by("trace cut");
  made_by.file(arguments.trace).option("--from", arguments.from).option("--to", arguments.to);
  made_by.options("--tenant", arguments.tenants).option("--sessions", arguments.sessions);
  if (arguments.requests) made_by.option("--requests", std::to_string(*arguments.requests));
  made_by.option("--speed", arguments.speed);
  if (arguments.repeat) made_by.option("--repeat", std::to_string(*arguments.repeat));

  remove_if_interrupted(arguments.out + ".partial");
  Progress progress("cutting", "", !arguments.quiet);
  options->progress = [&](double part) { progress.update(part, 0); };
  const auto report = cut_trace(arguments.trace, arguments.out, *options, made_by.text());
  progress.done();
  if (!report) return fail(report.error());
  if (!arguments.quiet) {
    std::printf("%s: %s\n", arguments.out.c_str(), counted(report->requests, "request").c_str());
    if (report->lost_parents > 0) {
      std::printf("%s lost a parent; %s of them had no other and became open loop\n",
                  counted(report->lost_parents, "request").c_str(),
                  count_of(report->made_open_loop).c_str());
    }
    if (report->period.ns() > 0) {
      std::printf("copies are %s apart\n",
                  format_seconds(report->period.seconds().value()).c_str());
    }
  }
  return ExitCode::kOk;
}

}  // namespace

Command trace_cut_command() {
  auto arguments = std::make_shared<CutArguments>();
  return {
      .name = "trace cut",
      .sentence = "a part of a trace, faster or repeated",
      .arguments =
          {trace_argument(arguments->trace),
           out_option(arguments->out, "the trace to write", true),
           {.name = "--from",
            .value_name = "TIME",
            .into = &arguments->from,
            .sentence = "from then on, such as 90s or 2h"},
           {.name = "--to",
            .value_name = "TIME",
            .into = &arguments->to,
            .sentence = "until before then"},
           {.name = "--tenant",
            .value_name = "NAME",
            .into = &arguments->tenants,
            .sentence = "this tenant, and others so named"},
           {.name = "--sessions",
            .value_name = "SHARE",
            .into = &arguments->sessions,
            .sentence =
                "a sample of the sessions, such as 10%; a smaller one is a part of a larger one"},
           {.name = "--requests",
            .value_name = "N",
            .into = &arguments->requests,
            .sentence = "the first N of what is left",
            .min = 1},
           {.name = "--speed",
            .value_name = "X",
            .into = &arguments->speed,
            .sentence = "arrivals X times as fast; think times stay"},
           {.name = "--repeat",
            .value_name = "N",
            .into = &arguments->repeat,
            .sentence = "N copies one after another, each with contents of its own",
            .min = 1},
           quiet_flag(arguments->quiet)},
      .run = [arguments] { return cut(*arguments); }};
}

}  // namespace scsim::program
