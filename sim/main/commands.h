// All commands, in the order of the help. One file per group makes them; main.cpp lists them.
#pragma once

#include <vector>

#include "sim/main/command.h"

namespace scsim::program {

Command simulate_command();                       // simulate.cpp
std::vector<Command> trace_commands();            // trace.cpp
Command steps_command();                          // steps.cpp
Command compare_command();                        // compare.cpp
Command help_command();                           // help.cpp
Command completion_command();                     // completion.cpp

const std::vector<Command>& all_commands();       // main.cpp

}  // namespace scsim::program
