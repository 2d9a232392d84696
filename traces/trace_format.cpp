#include "traces/trace_format.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "traces/check.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim {
namespace {

template <class Named>
std::vector<std::string> names_of(const std::vector<Named>& table) {
  std::vector<std::string> names;
  std::ranges::transform(table, std::back_inserter(names), &Named::name);
  return names;
}

std::string option_error(const std::string& name, const std::string& expected,
                         const std::string& found) {
  return "option " + name + ": expected " + expected + ", found \"" + found + "\"";
}

}  // namespace

Expected<ImportOptions> ImportOptions::make(const std::vector<ImportOption>& table,
                                            const std::map<std::string, std::string>& given) {
  ImportOptions options;
  options.table_ = table;
  options.given_ = given;
  const std::vector<std::string> known = names_of(table);
  for (const auto& [name, value] : given) {
    if (std::ranges::find(known, name) == known.end())
      return Error{unknown_name("option", name, known)};
  }
  return options;
}

const ImportOption& ImportOptions::entry(const std::string& name) const {
  auto found = std::ranges::find(table_, name, &ImportOption::name);
  if (found == table_.end()) check_failed(__FILE__, __LINE__, "no option " + name);
  return *found;
}

bool ImportOptions::given(const std::string& name) const {
  return given_.contains(entry(name).name);
}

const std::string& ImportOptions::text(const std::string& name) const {
  const ImportOption& option = entry(name);
  auto found = given_.find(name);
  return found == given_.end() ? option.default_value : found->second;
}

Expected<std::int64_t> ImportOptions::integer(const std::string& name, std::int64_t min,
                                              std::int64_t max) const {
  Expected<std::int64_t> value = parse_integer(text(name));
  if (value && *value >= min && *value <= max) return *value;
  std::string expected = "a whole number of at least " + std::to_string(min);
  if (value && *value > max) expected = "at most " + std::to_string(max);
  return Error{option_error(name, expected, text(name))};
}

Expected<double> ImportOptions::number(const std::string& name, double min) const {
  Expected<double> value = parse_double(text(name));
  if (value && *value > min) return *value;
  return Error{option_error(name, "a number above " + format_shortest(min), text(name))};
}

Expected<bool> ImportOptions::flag(const std::string& name) const {
  Expected<std::string> value = choice(name, {"true", "false"});
  if (!value) return value.error();
  return *value == "true";
}

Expected<std::string> ImportOptions::choice(const std::string& name,
                                            const std::vector<std::string>& choices) const {
  if (std::ranges::find(choices, text(name)) != choices.end()) return text(name);
  return Error{"option " + name + ": " + unknown_name("value", text(name), choices)};
}

Expected<TraceFormat> find_trace_format(const std::string& name) {
  const std::vector<TraceFormat>& table = trace_format_table();
  auto found = std::ranges::find(table, name, &TraceFormat::name);
  if (found == table.end()) return Error{unknown_name("trace format", name, names_of(table))};
  return *found;
}

Expected<ImportReport> import_trace(const std::string& format, const ImportInputs& inputs,
                                    const std::string& out, const std::string& made_by) {
  Expected<TraceFormat> found = find_trace_format(format);
  if (!found) return found.error();
  Expected<ImportOptions> options = ImportOptions::make(found->options, inputs.options);
  if (!options) return Error{"format " + format + ": " + options.error().message};
  if (inputs.paths.empty()) return Error{"format " + format + ": no input file"};
  for (const std::string& path : inputs.paths) {
    std::error_code code;
    auto status = std::filesystem::status(path, code);
    if (!std::filesystem::exists(status)) return Error{path + ": no such file"};
    if (!std::filesystem::is_regular_file(status) && !std::filesystem::is_directory(status)) {
      return Error{path + ": not a file; a log is read twice, so it cannot come from a pipe"};
    }
  }

  OpenTrace open = [&](const std::vector<std::string>& assumptions) {
    TraceHeader header;
    header.tool_version = tool_version();
    header.made_by = made_by;
    header.name = std::filesystem::path(out).stem().string();
    for (const std::string& sentence : assumptions) {
      header.notes += (header.notes.empty() ? "" : "; ") + sentence;
    }
    if (std::ranges::find(found->options, "seed", &ImportOption::name) != found->options.end()) {
      Expected<std::int64_t> seed = options->integer("seed", 0);
      if (!seed) return Expected<TraceWriter>(seed.error());
      header.seed = static_cast<std::uint64_t>(*seed);
    }
    return TraceWriter::create(out, header);
  };
  return found->import(inputs, *options, open);
}

}  // namespace scsim
