// A program, `scsim` or `scexec`, as a list of commands; a command is its name, its arguments and
// what it does.
//
//   Command compare_command() {
//     struct Arguments {
//       std::string a, b;
//       bool json = false;
//     };
//     auto arguments = std::make_shared<Arguments>();
//     return {.name = "compare",
//             .sentence = "set two results side by side, paired by request",
//             .arguments = {{.name = "A", .into = &arguments->a, .sentence = "...", .required =
//             true},
//                           {.name = "--json", .into = &arguments->json, .sentence = "print
//                           JSON"}},
//             .run = [arguments] { return compare(*arguments); }};
//   }
//
// A command is data: parsing, help, the answer to a mistyped name and shell completion all walk the
// one list of them, which is that of this_program() in the program's main.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "traces/expected.h"

namespace scsim::program {

enum class ExitCode : int { kOk = 0, kInputError = 1, kUsageError = 2 };

// What a shell offers for an argument that has neither choices nor offers.
enum class Completes : std::uint8_t { kNothing, kFile, kFolder };

struct Argument {
  // A bool is a flag, a vector may be given many times, the others once.
  using Into =
      std::variant<bool*, std::string*, std::optional<std::int64_t>*, std::vector<std::string>*>;

  std::string name;             // "--out", "--out,-o"; of a positional argument "IN"
  std::string value_name = "";  // "DIR"; empty for flags and positional arguments
  Into into;
  std::string sentence;
  bool required = false;
  std::vector<std::string> choices = {};  // nothing else is allowed; empty: any text
  std::vector<std::string> offers = {};   // what a shell suggests, where other text is allowed too
  Completes completes = Completes::kNothing;
  std::int64_t min = 0;  // of a number

  bool is_flag() const { return std::holds_alternative<bool*>(into); }
  bool is_repeated() const { return std::holds_alternative<std::vector<std::string>*>(into); }
  bool is_positional() const { return name[0] != '-'; }
};

struct Command {
  std::string name;  // "trace import"; empty: the program without a command
  std::string sentence;
  std::vector<Argument> arguments;
  std::function<ExitCode()> run;
  std::string details = "";  // what its --help says below the arguments
};

struct Program {
  std::string name;                      // "scsim"
  std::string sentence = "";             // what it does, where no command has the empty name
  std::vector<Command> commands;         // in the order of the help
  std::string wants = "give a command";  // what a call without any is told
  std::string for_file =
      "";  // what to do with a file given for a command: "to simulate it: scsim "
};

// Which program this is. Each program defines it, in its main.cpp.
const Program& this_program();

// Prints "scsim: message" to stderr and gives `code`, for `return fail(...)`.
ExitCode fail(const std::string& message, ExitCode code = ExitCode::kInputError);
inline ExitCode fail(const Error& error) { return fail(error.message); }

}  // namespace scsim::program
