// What `scsim help TOPIC` knows: each topic prints a table that the program itself chooses from.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace scsim::program {

struct Topic {
  std::string name, sentence;
  std::function<std::string()> text;
};

const std::vector<Topic>& topics();

}  // namespace scsim::program
