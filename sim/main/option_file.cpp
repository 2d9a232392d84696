#include "sim/main/option_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "traces/files.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

std::string at(const std::string& path, const YAML::Mark& mark) {
  return path + ":" + std::to_string(mark.line + 1) + ": ";
}

}  // namespace

Expected<void> check_option(const std::string& name, const TraceFormat& format) {
  if (std::ranges::find(format.options, name, &ImportOption::name) != format.options.end())
    return {};
  std::vector<std::string> known;
  for (const ImportOption& option : format.options) known.push_back(option.name);
  return Error{unknown_name("option of " + format.name, name, known)};
}

Expected<std::map<std::string, std::string>> read_option_file(const std::string& path,
                                                              const TraceFormat& format) {
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  std::map<std::string, std::string> options;
  try {
    const YAML::Node root = YAML::Load(*text);
    if (root.IsNull()) return options;
    if (!root.IsMap()) return Error{path + ": expected lines of the form option: value"};
    for (const auto& entry : root) {
      const YAML::Node &key = entry.first, &value = entry.second;
      if (!key.IsScalar() || !value.IsScalar()) {
        return Error{at(path, key.Mark()) + "expected option: value"};
      }
      const std::string name = key.Scalar();
      if (const auto known = check_option(name, format); !known) {
        return Error{at(path, key.Mark()) + known.error().message};
      }
      if (!options.emplace(name, value.Scalar()).second) {
        return Error{at(path, key.Mark()) + name + " is given twice"};
      }
    }
  } catch (const YAML::Exception& error) {
    return Error{at(path, error.mark) + error.msg};
  }
  return options;
}

}  // namespace scsim::program
