// scsim: arguments in, library calls, text out.
//
// Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 an input was wrong,
// 2 the command line was, 130 Ctrl-C.
#include <csignal>
#include <cstdio>

#include "sim/main/command_line.h"
#include "sim/main/commands.h"
#include "sim/main/terminal.h"

namespace scsim::program {

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = {
      simulate_command(),  trace_import_command(), trace_generate_command(), trace_stat_command(),
      trace_cut_command(), trace_dump_command(),   cache_command(),          steps_command(),
      compare_command(),   help_command(),         completion_command()};
  return commands;
}

}  // namespace scsim::program

int main(int argc, char** argv) {
  using namespace scsim::program;
  catch_interrupts();
  const ExitCode code = run_command_line(all_commands(), {argv + 1, argv + argc});
  // A full disk or a closed pipe behind stdout is a failure too.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return static_cast<int>(fail("the output could not be written"));
  }
  return static_cast<int>(code);
}
