// The command is found by us, word by word; its arguments are left to a CLI11 app of that command
// alone. So a file may be called like a command, and every mistake is answered in our own words:
// CLI11 is told to keep what it does not know, and we look for the nearest name.
#include "traces/program/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <vector>

#include "traces/program/columns.h"
#include "traces/program/command.h"
#include "traces/program/terminal.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::program {
namespace {

using Names = std::vector<std::string>;

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

// The words that may follow `group` ("" or "trace") in the name of a command.
Names next_words(const std::string& group) {
  Names words;
  for (const Command& command : this_program().commands) {
    std::string_view rest = command.name;
    if (!group.empty()) {
      if (!rest.starts_with(group + " ")) continue;
      rest.remove_prefix(group.size() + 1);
    }
    const std::string word(rest.substr(0, rest.find(' ')));
    if (!word.empty() && std::ranges::find(words, word) == words.end()) words.push_back(word);
  }
  return words;
}

const Command* find_command(const std::string& name) {
  const std::vector<Command>& commands = this_program().commands;
  const auto found = std::ranges::find(commands, name, &Command::name);
  return found == commands.end() ? nullptr : &*found;
}

std::string joined(const std::string& group, const std::string& word) {
  return group.empty() ? word : group + " " + word;
}

ExitCode usage_error(const std::string& message) { return fail(message, ExitCode::kUsageError); }

// "--out DIR", "IN", "[--json]", "[--set KEY=VALUE]..."
std::string usage_of(const Argument& argument) {
  std::string text = argument.name.substr(0, argument.name.find(','));
  if (!argument.value_name.empty()) text += " " + argument.value_name;
  if (!argument.required) text = "[" + text + "]";
  if (argument.is_repeated()) text += "...";
  return text;
}

void add_common_options(const std::string& command, std::vector<Row>& rows) {
  rows.emplace_back("--help, -h", "print this");
  if (command.empty()) rows.emplace_back("--version", "print the version");
}

std::string arguments_text(const Command& command) {
  std::vector<Row> rows;
  for (const Argument& argument : command.arguments) {
    std::string left = comma_separated(split(argument.name, ','));
    if (!argument.value_name.empty()) left += " " + argument.value_name;
    std::string right = argument.sentence;
    if (!argument.choices.empty()) right += ": " + comma_separated(argument.choices);
    rows.emplace_back(std::move(left), std::move(right));
  }
  add_common_options(command.name, rows);
  return two_columns(rows);
}

std::string commands_text(const std::string& group) {
  std::vector<Row> rows;
  for (const Command& command : this_program().commands) {
    if (command.name.empty()) continue;
    if (group.empty() || command.name.starts_with(group + " "))
      rows.emplace_back(command.name, command.sentence);
  }
  return two_columns(rows);
}

// What CLI11 read for one argument; empty where it was not given.
struct Parsed {
  const Argument* argument;
  CLI::Option* option;
  Names values;
};

// Checks and stores; gives the message where something is wrong.
std::optional<std::string> store(const Parsed& parsed, const Names& known_options) {
  const Argument& argument = *parsed.argument;
  const std::string name = argument.name.substr(0, argument.name.find(','));
  const bool given = parsed.option->count() > 0;
  if (!given) {
    if (!argument.required) return std::nullopt;
    return usage_of(argument) + " is missing: " + argument.sentence;
  }
  if (auto flag = std::get_if<bool*>(&argument.into)) {
    if (parsed.option->results().front() != "true") return name + " takes no value";
    **flag = true;
    return std::nullopt;
  }
  if (!argument.is_repeated() && parsed.values.size() > 1) return name + " is given more than once";
  for (const std::string& value : parsed.values) {
    if (std::ranges::find(known_options, value) != known_options.end()) {
      return name + " needs a value (" + argument.value_name + "), and " + value + " follows it";
    }
    if (!argument.choices.empty() &&
        std::ranges::find(argument.choices, value) == argument.choices.end()) {
      std::string kind = argument.value_name.empty() ? argument.name : argument.value_name;
      std::ranges::transform(kind, kind.begin(),
                             [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
      return unknown_name(kind, value, argument.choices);
    }
  }
  if (auto text = std::get_if<std::string*>(&argument.into)) **text = parsed.values.back();
  if (auto list = std::get_if<Names*>(&argument.into)) **list = parsed.values;
  if (auto number = std::get_if<std::optional<std::int64_t>*>(&argument.into)) {
    const Expected<std::int64_t> value = parse_integer(parsed.values.back());
    if (!value) return name + ": " + value.error().message;
    if (*value < argument.min)
      return name + ": expected " + format_integer(argument.min) + " or more";
    **number = *value;
  }
  return std::nullopt;
}

// Fills the command's arguments from the words behind its name.
std::optional<std::string> parse(const Command& command, Names words) {
  CLI::App app;
  app.set_help_flag("");
  app.allow_extras();
  std::vector<Parsed> all(command.arguments.size());
  Names known;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Argument& argument = command.arguments[i];
    all[i].argument = &argument;
    if (argument.is_flag()) {
      all[i].option = app.add_flag(argument.name);
    } else {
      all[i].option = app.add_option(argument.name, all[i].values);
      if (!argument.is_positional()) all[i].option->take_all();  // counted in store()
      if (!argument.is_positional() || !argument.is_repeated()) {
        all[i].option->expected(1)->allow_extra_args(false);
      }
    }
    if (!argument.is_positional()) {
      for (std::string& name : split(argument.name, ',')) known.push_back(std::move(name));
    }
  }
  known.insert(known.end(), {"--help", "-h"});
  if (command.name.empty()) known.push_back("--version");
  try {
    std::ranges::reverse(words);  // the order CLI11 takes
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    // "--out: 1 required TEXT missing", "--json was given a disallowed flag override"
    const std::string what = error.what();
    for (const Argument& argument : command.arguments) {
      const std::string name = argument.name.substr(0, argument.name.find(','));
      if (!what.starts_with(name)) continue;
      return argument.is_flag() ? name + " takes no value"
                                : name + " needs a value (" + argument.value_name + ")";
    }
    return what;
  }
  const Names extras = app.remaining();
  if (!extras.empty()) {
    const auto option = std::ranges::find_if(extras, is_option);
    if (option != extras.end())
      return unknown_name("option", option->substr(0, option->find('=')), known);
    return "unexpected argument \"" + extras[0] + "\"";
  }
  for (const Parsed& parsed : all) {
    if (auto wrong = store(parsed, known)) return wrong;
  }
  return std::nullopt;
}

// The command that the words name, run.
ExitCode run_command_line(Names words) {
  const Program& program = this_program();
  std::string name;
  std::size_t taken = 0;
  for (; taken < words.size(); ++taken) {
    const Names known = next_words(name);
    if (known.empty() || is_option(words[taken])) break;
    if (std::ranges::find(known, words[taken]) == known.end()) {
      std::error_code ignored;
      std::string message = unknown_name(joined(name, "command"), words[taken], known);
      if (name.empty() && !program.for_file.empty() &&
          std::filesystem::exists(words[taken], ignored)) {
        message = "unknown command \"" + words[taken] + "\"; " + program.for_file + words[taken];
      }
      return usage_error(message);
    }
    name = joined(name, words[taken]);
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(taken));

  const auto end_of_options = std::ranges::find(words, "--");
  for (auto word = words.begin(); word != end_of_options; ++word) {
    if (*word == "--help" || *word == "-h") {
      std::fputs(help_text(name).c_str(), stdout);
      return ExitCode::kOk;
    }
    if (*word == "--version" && name.empty()) {
      std::printf("%s %s\n", program.name.c_str(), std::string(tool_version()).c_str());
      return ExitCode::kOk;
    }
  }
  const Command* command = find_command(name);
  if (command == nullptr || (name.empty() && words.empty())) {
    const std::string known = comma_separated(next_words(name));
    if (name.empty())
      return usage_error(program.wants + ": " + known + "; `" + program.name +
                         " --help` says more");
    return usage_error(program.name + " " + name + " needs a command: " + known);
  }
  if (auto wrong = parse(*command, std::move(words))) {
    return usage_error(*wrong + (name.empty() ? "" : " (in " + program.name + " " + name + ")"));
  }
  return command->run();
}

}  // namespace

ExitCode fail(const std::string& message, ExitCode code) {
  std::fprintf(stderr, "%s: %s\n", this_program().name.c_str(), message.c_str());
  return code;
}

bool is_command(const std::string& name) {
  return find_command(name) != nullptr || !next_words(name).empty();
}

std::string help_text(const std::string& name) {
  const Command* command = find_command(name);
  std::string text;
  if (command != nullptr) {
    text = this_program().name + (name.empty() ? "" : " " + name);
    for (const Argument& argument : command->arguments) text += " " + usage_of(argument);
    text += "\n" + command->sentence + "\n\n" + arguments_text(*command);
  } else if (name.empty()) {
    std::vector<Row> options;
    add_common_options(name, options);
    text = this_program().name + " COMMAND\n" + this_program().sentence + "\n\n" +
           two_columns(options);
  }
  if (!next_words(name).empty()) {
    if (!text.empty()) text += "\n";
    text += "commands:\n" + commands_text(name);
  }
  if (command != nullptr && !command->details.empty()) text += "\n" + command->details;
  return text;
}

int run_program(int argc, char** argv) {
  catch_interrupts();
  const ExitCode code = run_command_line({argv + 1, argv + argc});
  // A full disk or a closed pipe behind stdout is a failure too.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return static_cast<int>(fail("the output could not be written"));
  }
  return static_cast<int>(code);
}

std::string quoted_command_line(std::span<const std::string> words) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";
  std::string line = this_program().name;
  for (const std::string& word : words) {
    line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

}  // namespace scsim::program
