// What `scsim help TOPIC` and `scsim completion SHELL` are made of.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "traces/program/command.h"

namespace scsim::program {

// A topic prints a table that the program itself chooses from.
struct Topic {
  std::string name, sentence;
  std::function<std::string()> text;
};

// `help`: prints a topic, or what a command's --help says. `topics` outlives the command.
Command help_command(std::string sentence, const std::vector<Topic>& topics);

// `completion bash`, of the program of that name.
Command completion_command(const std::string& program);

}  // namespace scsim::program
