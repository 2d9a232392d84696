// What the commands of `scsim trace` have in common.
#pragma once

#include <string>
#include <vector>

#include "traces/program/command.h"

namespace scsim::program {

Argument quiet_flag(bool& into);
Argument trace_argument(std::string& into);
// REQUIRES: `into` is what is given to remove_if_interrupted() with ".partial" behind it.
Argument out_option(std::string& into, const std::string& sentence, bool required);

std::string count_of(std::uint64_t count);                           // 12,031
std::string counted(std::uint64_t count, const std::string& thing);  // 1 request, 12,031 requests

// The note in a trace's header of how it was made: the command without the folders of its files
// and without its output, so that the same inputs make the same bytes wherever they lie.
class MadeBy {
 public:
  explicit MadeBy(const std::string& command);  // "trace import"
  MadeBy& file(const std::string& path);
  MadeBy& option(const std::string& name, const std::string& value);  // nothing for an empty value
  MadeBy& options(const std::string& name, const std::vector<std::string>& values);
  std::string text() const;

 private:
  std::vector<std::string> words_;
};

}  // namespace scsim::program
