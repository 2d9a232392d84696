// All commands, each made by the file of its name (trace_import.cpp); main.cpp lists them.
#pragma once

#include "traces/program/command.h"

namespace scsim::program {

Command simulate_command();
Command trace_import_command();
Command trace_generate_command();
Command trace_stat_command();
Command trace_cut_command();
Command trace_dump_command();
Command cache_command();
Command steps_command();
Command compare_command();
Command fit_command();
Command accuracy_import_command();
Command validate_command();
Command study_command();
Command plan_command();

}  // namespace scsim::program
