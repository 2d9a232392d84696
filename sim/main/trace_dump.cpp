#include "traces/trace_dump.h"

#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "traces/program/terminal.h"

namespace scsim::program {
namespace {

struct DumpArguments {
  std::string trace, out;
  bool contents = false, quiet = false;
};

ExitCode dump(const DumpArguments& arguments) {
  DumpOptions options{.contents = arguments.contents};
  Progress progress("dumping", "", !arguments.quiet && !arguments.out.empty());
  options.progress = [&](double part) { progress.update(part, 0); };
  if (!arguments.out.empty()) remove_if_interrupted(arguments.out + ".partial");
  const auto requests = dump_trace(arguments.trace, arguments.out, options);
  progress.done();
  if (!requests) return fail(requests.error());
  if (!arguments.out.empty() && !arguments.quiet) {
    std::printf("%s: %s\n", arguments.out.c_str(), counted(*requests, "request").c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

Command trace_dump_command() {
  auto arguments = std::make_shared<DumpArguments>();
  return {.name = "trace dump",
          .sentence = "a trace as JSON lines, one a request",
          .arguments = {trace_argument(arguments->trace),
                        out_option(arguments->out, "where to; stdout unless given", false),
                        {.name = "--contents",
                         .into = &arguments->contents,
                         .sentence = "lines for contents and their texts too"},
                        quiet_flag(arguments->quiet)},
          .run = [arguments] { return dump(*arguments); }};
}

}  // namespace scsim::program
