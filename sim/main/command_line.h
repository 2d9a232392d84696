// From argv to a command that ran: the one place that knows CLI11.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sim/main/command.h"

namespace scsim::program {

// Runs the command that the words name; gives what the program exits with. Whatever is wrong with
// the words is one message with the nearest name, and ExitCode::kUsageError.
ExitCode run_command_line(std::span<const Command> commands, std::vector<std::string> words);

// What `scsim NAME --help` prints: of a command, of a group of them ("trace"), of all ("").
// REQUIRES: a command is called `name`, or some command's name begins with that word.
std::string help_text(std::span<const Command> commands, const std::string& name);

// Whether `name` is a command or a group of commands.
bool is_command(std::span<const Command> commands, const std::string& name);

// The command line as a shell would take it, for "made by" notes.
std::string quoted_command_line(std::span<const std::string> words);

}  // namespace scsim::program
