// scsim: arguments in, library calls, text out.
//
// Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 an input was wrong,
// 2 the command line was, 130 Ctrl-C.
#include "sim/main/commands.h"
#include "sim/main/topics.h"
#include "traces/program/command_line.h"

namespace scsim::program {

const Program& this_program() {
  static const Program program = {
      .name = "scsim",
      .commands = {simulate_command(), trace_import_command(), trace_generate_command(),
                   trace_stat_command(), trace_cut_command(), trace_dump_command(), cache_command(),
                   steps_command(), compare_command(), fit_command(), accuracy_import_command(),
                   validate_command(), study_command(), plan_command(),
                   help_command("print what can be chosen: formats, engines, models, keys of "
                                "cluster.yaml, ...",
                                scsim_topics()),
                   completion_command("scsim")},
      .wants = "give --trace FILE or a command",
      .for_file = "to simulate that trace: scsim --trace "};
  return program;
}

}  // namespace scsim::program

int main(int argc, char** argv) { return scsim::program::run_program(argc, argv); }
