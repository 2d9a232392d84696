#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "sim/main/option_file.h"
#include "sim/main/trace_arguments.h"
#include "traces/program/terminal.h"
#include "traces/trace_format.h"

namespace scsim::program {
namespace {

struct ImportArguments {
  std::string from, out, options;
  std::vector<std::string> in, settings;
  bool strict = false, quiet = false;
};

ExitCode import(const ImportArguments& arguments) {
  const auto format = find_trace_format(arguments.from);
  if (!format) return fail(format.error());
  ImportInputs inputs{.paths = arguments.in, .options = {}, .strict = arguments.strict};
  if (!arguments.options.empty()) {
    auto options = read_option_file(arguments.options, *format);
    if (!options) return fail(options.error());
    inputs.options = *std::move(options);
  }
  for (const std::string& setting : arguments.settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      return fail("--set: expected OPTION=VALUE, found \"" + setting + "\"", ExitCode::kUsageError);
    }
    const std::string name = setting.substr(0, equals);
    if (const auto known = check_option(name, *format); !known) {
      return fail("--set: " + known.error().message, ExitCode::kUsageError);
    }
    inputs.options[name] = setting.substr(equals + 1);
  }
  MadeBy made_by("trace import");
  made_by.option("--from", arguments.from);
  for (const std::string& path : arguments.in) made_by.file(path);
  for (const auto& [name, value] : inputs.options) made_by.option("--set", name + "=" + value);

  remove_if_interrupted(arguments.out + ".partial");
  const auto report = import_trace(arguments.from, inputs, arguments.out, made_by.text());
  if (!report) return fail(report.error());
  for (const std::string& rejected : report->first_rejected) {
    std::fprintf(stderr, "scsim: rejected: %s\n", rejected.c_str());
  }
  if (report->rejected > report->first_rejected.size()) {
    std::fprintf(stderr, "scsim: rejected: %s more\n",
                 count_of(report->rejected - report->first_rejected.size()).c_str());
  }
  if (!arguments.quiet) {
    std::printf("%s: %s of %s, %s rejected", arguments.out.c_str(),
                counted(report->requests, "request").c_str(), counted(report->rows, "row").c_str(),
                count_of(report->rejected).c_str());
    if (report->left_out > 0) std::printf(", %s left out", count_of(report->left_out).c_str());
    std::printf("\n");
    for (const std::string& assumption : report->assumptions) {
      std::printf("assumed: %s\n", assumption.c_str());
    }
  }
  return ExitCode::kOk;
}

}  // namespace

Command trace_import_command() {
  auto arguments = std::make_shared<ImportArguments>();
  std::vector<std::string> formats;
  for (const TraceFormat& format : trace_format_table()) formats.push_back(format.name);
  return {.name = "trace import",
          .sentence = "make a trace of a log",
          .arguments = {{.name = "--from",
                         .value_name = "FORMAT",
                         .into = &arguments->from,
                         .sentence = "format of the log; `scsim help formats` says more",
                         .required = true,
                         .choices = formats},
                        {.name = "IN",
                         .into = &arguments->in,
                         .sentence = "the log's files",
                         .required = true,
                         .completes = Completes::kFile},
                        out_option(arguments->out, "the trace to write", true),
                        {.name = "--set",
                         .value_name = "OPTION=VALUE",
                         .into = &arguments->settings,
                         .sentence = "an option of the format"},
                        {.name = "--options",
                         .value_name = "FILE",
                         .into = &arguments->options,
                         .sentence = "such options as YAML, one `option: value` a line",
                         .completes = Completes::kFile},
                        {.name = "--strict",
                         .into = &arguments->strict,
                         .sentence =
                             "stop at the first row that cannot be used, instead of counting it"},
                        quiet_flag(arguments->quiet)},
          .run = [arguments] { return import(*arguments); }};
}

}  // namespace scsim::program
