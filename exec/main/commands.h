// The commands of `scexec`, each made by the file of its name; main.cpp lists them.
#pragma once

#include "traces/program/command.h"

namespace scsim::exec {

program::Command run_command();
program::Command calibrate_command();
program::Command show_command();
program::Command kernels_command();
program::Command replay_command();
program::Command serve_command();
program::Command steps_command();
program::Command tiers_command();
program::Command search_patterns_command();
program::Command train_command();
program::Command doctor_command();

}  // namespace scsim::exec
