// `scsim completion bash`: a script made from the commands, so that it cannot fall behind them.
//
// The script finds the command among the words so far, then offers what may stand at the cursor:
// words of commands, options, the choices of an option, files or folders.
#include <cstdio>
#include <map>
#include <memory>
#include <set>

#include "traces/program/topics.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

// PROGRAM is its name, once all is written.
constexpr char kHead[] = R"(# Completion of PROGRAM for bash: source <(PROGRAM completion bash)
_PROGRAM_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_PROGRAM_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); }
_PROGRAM_folders() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); }
_PROGRAM() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$command ${COMP_WORDS[i]}" in
)";

std::string spaced(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string reply(const Argument& argument) {
  if (!argument.choices.empty()) return "_PROGRAM_words '" + spaced(argument.choices) + "'";
  if (!argument.offers.empty()) return "_PROGRAM_words '" + spaced(argument.offers) + "'";
  switch (argument.completes) {
    case Completes::kFile:
      return "_PROGRAM_files";
    case Completes::kFolder:
      return "_PROGRAM_folders";
    case Completes::kNothing:
      return "_PROGRAM_words ''";
  }
  return "";
}

// The first words of commands behind each group: "" -> trace steps ..., "trace" -> import ...
std::map<std::string, std::set<std::string>> words_by_group() {
  std::map<std::string, std::set<std::string>> groups;
  for (const Command& command : this_program().commands) {
    std::string group;
    for (const std::string& word : split(command.name, ' ')) {
      if (word.empty()) continue;
      groups[group].insert(word);
      group += (group.empty() ? "" : " ") + word;
    }
  }
  return groups;
}

std::string bash_script() {
  const auto groups = words_by_group();
  std::string script = kHead;
  for (const auto& [group, words] : groups) {
    for (const std::string& word : words) {
      const std::string name = group.empty() ? word : group + " " + word;
      script += "      '" + group + " " + word + "') command='" + name + "' ;;\n";
    }
  }
  script += "      *) break ;;\n    esac\n  done\n  case \"$command:$previous\" in\n";
  for (const Command& command : this_program().commands) {
    for (const Argument& argument : command.arguments) {
      if (argument.is_flag() || argument.is_positional()) continue;
      for (const std::string& name : split(argument.name, ',')) {
        script += "    '" + command.name + ":" + name + "') " + reply(argument) + "; return ;;\n";
      }
    }
  }
  script += "  esac\n  case \"$command\" in\n";
  std::set<std::string> written;
  for (const Command& command : this_program().commands) {
    std::vector<std::string> options = {"--help"};
    if (command.name.empty()) options.push_back("--version");
    std::string positional;
    for (const Argument& argument : command.arguments) {
      if (argument.is_positional()) {
        if (positional.empty()) positional = reply(argument);
        continue;
      }
      for (const std::string& name : split(argument.name, ',')) {
        if (name.starts_with("--")) options.push_back(name);
      }
    }
    const auto group = groups.find(command.name);
    if (group != groups.end())
      positional = "_PROGRAM_words '" + spaced({group->second.begin(), group->second.end()}) + "'";
    script += "    '" + command.name + "') if [[ $current == -* ]]; then _PROGRAM_words '" +
              spaced(options) + "'; else " +
              (positional.empty() ? "_PROGRAM_words ''" : positional) + "; fi ;;\n";
    written.insert(command.name);
  }
  for (const auto& [group, words] : groups) {
    if (written.contains(group)) continue;
    script +=
        "    '" + group + "') _PROGRAM_words '" + spaced({words.begin(), words.end()}) + "' ;;\n";
  }
  script += "  esac\n}\ncomplete -F _PROGRAM PROGRAM\n";
  const std::string word = "PROGRAM", &name = this_program().name;
  for (std::size_t at = 0; (at = script.find(word, at)) != std::string::npos; at += name.size())
    script.replace(at, word.size(), name);
  return script;
}

}  // namespace

Command completion_command(const std::string& program) {
  auto shell = std::make_shared<std::string>();
  return {.name = "completion",
          .sentence = "print a script that completes commands, options and their values",
          .arguments = {{.name = "SHELL",
                         .into = shell.get(),
                         .sentence = "whose shell: source <(" + program + " completion bash)",
                         .required = true,
                         .choices = {"bash"}}},
          .run = [shell] {
            std::fputs(bash_script().c_str(), stdout);
            return ExitCode::kOk;
          }};
}

}  // namespace scsim::program
