// From argv to a command that ran: the one place that knows CLI11.
#pragma once

#include <span>
#include <string>

namespace scsim::program {

// The whole of a main(): runs the command that the words name; gives what the program exits with.
// Whatever is wrong with the words is one message with the nearest name, and ExitCode::kUsageError;
// Ctrl-C is caught (terminal.h), and output that could not be written is an error.
int run_program(int argc, char** argv);

// What `scsim NAME --help` prints: of a command, of a group of them ("trace"), of all ("").
// REQUIRES: is_command(name).
std::string help_text(const std::string& name);

// Whether `name` is a command, a group of commands, or "".
bool is_command(const std::string& name);

// The command line as a shell would take it, for "made by" notes.
std::string quoted_command_line(std::span<const std::string> words);

}  // namespace scsim::program
