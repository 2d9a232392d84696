#include "sim/main/trace_arguments.h"

#include <filesystem>

#include "traces/program/command_line.h"
#include "traces/text.h"

namespace scsim::program {

Argument quiet_flag(bool& into) {
  return {.name = "--quiet,-q", .into = &into, .sentence = "print nothing but errors"};
}

Argument trace_argument(std::string& into) {
  return {.name = "TRACE",
          .into = &into,
          .sentence = "a trace",
          .required = true,
          .completes = Completes::kFile};
}

Argument out_option(std::string& into, const std::string& sentence, bool required) {
  return {.name = "--out,-o",
          .value_name = "FILE",
          .into = &into,
          .sentence = sentence,
          .required = required,
          .completes = Completes::kFile};
}

std::string count_of(std::uint64_t count) {
  return format_integer(static_cast<std::int64_t>(count));
}

std::string counted(std::uint64_t count, const std::string& thing) {
  return count_of(count) + " " + thing + (count == 1 ? "" : "s");
}

MadeBy::MadeBy(const std::string& command) : words_(split(command, ' ')) {}

MadeBy& MadeBy::file(const std::string& path) {
  words_.push_back(std::filesystem::path(path).filename().string());
  return *this;
}

MadeBy& MadeBy::option(const std::string& name, const std::string& value) {
  if (!value.empty()) words_.insert(words_.end(), {name, value});
  return *this;
}

MadeBy& MadeBy::options(const std::string& name, const std::vector<std::string>& values) {
  for (const std::string& value : values) option(name, value);
  return *this;
}

std::string MadeBy::text() const { return quoted_command_line(words_); }

}  // namespace scsim::program
