// scexec: real models, real sessions, real costs. Arguments in, library calls, text out.
//
// Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 an input was wrong,
// 2 the command line was, 130 Ctrl-C.
#include "exec/main/commands.h"
#include "exec/main/topics.h"
#include "traces/program/command_line.h"
#include "traces/program/topics.h"

namespace scsim::program {

const Program& this_program() {
  static const Program program = {
      .name = "scexec",
      .sentence = "runs long-context methods on real models and measures them",
      .commands = {exec::run_command(), exec::calibrate_command(), exec::show_command(),
                   exec::serve_command(), exec::replay_command(), exec::steps_command(),
                   exec::tiers_command(), exec::kernels_command(), exec::search_patterns_command(),
                   exec::train_command(), exec::doctor_command(),
                   help_command("print what can be chosen: tasks, methods, scorers, chat templates",
                                exec::scexec_topics()),
                   completion_command("scexec")}};
  return program;
}

}  // namespace scsim::program

int main(int argc, char** argv) { return scsim::program::run_program(argc, argv); }
