// Which studies fit a file: what it says of itself, and the files and levels noted in it.
#include <google/protobuf/message.h>

#include <algorithm>
#include <filesystem>

#include "analysis/study/database.h"
#include "analysis/study/metrics.h"
#include "analysis/study/sqlite.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::analysis {
namespace {

std::string joined_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// Paths of files that a message names: models, profiles and what else is there.
void find_files(const google::protobuf::Message& message,
                std::map<std::string, std::string>& into) {
  using google::protobuf::FieldDescriptor;
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        find_files(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                        : reflection.GetMessage(message, field),
                   into);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        const std::string text = field->is_repeated()
                                     ? reflection.GetRepeatedString(message, field, i)
                                     : reflection.GetString(message, field);
        std::error_code ignored;
        if (std::filesystem::is_regular_file(text, ignored)) into[text];
      }
    }
  }
}

// Every file that the points read, with a checksum; traces by their path from the study's folder.
Expected<std::map<std::string, std::string>> files_of(const Study& study) {
  std::map<std::string, std::string> files, named;
  for (const Point& point : study.points()) {
    if (point.replicate > 0) continue;
    const auto inputs = study.inputs(point);
    if (!inputs) return inputs.error();
    files[inputs->workload.trace];
    if (inputs->profile) files[inputs->profile->path];
    find_files(*inputs->cluster, files);
  }
  for (const auto& [path, unused] : files) {
    const auto checksum = checksum_of(path);
    if (!checksum) return checksum.error();
    const std::string relative =
        std::filesystem::path(path).lexically_relative(study.folder).string();
    named[relative.empty() ? path : relative] = *checksum;
  }
  return named;
}

// The first line of each text that the other lacks.
std::string difference(const std::string& there, const std::string& here) {
  const auto lacking = [](const std::string& text, const std::string& in) {
    const std::vector<std::string> lines = split(in, '\n');
    for (const std::string& line : split(text, '\n'))
      if (std::ranges::find(lines, line) == lines.end()) return std::string(trim(line));
    return std::string("nothing");
  };
  return "\"" + lacking(there, here) + "\" there, \"" + lacking(here, there) + "\" here";
}

}  // namespace

Expected<void> StudyDatabase::check(const Study& study) {
  std::map<std::string, std::string> facts;
  Statement select(database_.get(), path_, "SELECT key, value FROM study");
  while (true) {
    const auto more = select.next();
    if (!more) return Error{path_ + ": is not the database of a study"};
    if (!*more) break;
    facts[select.text(0)] = select.text(1);
  }
  const auto other = [&](const std::string& what) {
    return Error{path_ + ": is of another study: " + what + "; give another --db"};
  };
  if (facts["format"] != kFormat) return other("its format is " + facts["format"] + ", not 1");
  if (facts["tool_version"] != tool_version())
    return other("made by scsim " + facts["tool_version"] + ", this is " +
                 std::string(tool_version()));
  if (facts["axes"] != study.axis_names())
    return other("it varies " + (facts["axes"].empty() ? "nothing" : facts["axes"]) +
                 ", this one " + (study.axes.empty() ? "nothing" : study.axis_names()));
  if (facts["common"] != study.common()) return other(difference(facts["common"], study.common()));
  std::size_t columns = 0;
  Statement names(database_.get(), path_, "SELECT name FROM pragma_table_info('points')");
  std::map<std::string, bool> known;
  while (true) {
    const auto more = names.next();
    if (!more) return more.error();
    if (!*more) break;
    known[names.text(0)] = true;
    ++columns;
  }
  for (const Metric& metric : metric_table())
    if (!known[metric.name]) return other("it has no column " + metric.name);
  if (columns != study.axes.size() + 1 + metric_table().size() + std::size(kTexts))
    return other("it has columns that this version of scsim does not know");
  return {};
}

Expected<void> StudyDatabase::note(const Study& study) {
  // What is noted under a name must be what it was.
  const auto same = [&](const std::string& table, const std::vector<std::string>& name,
                        const std::string& value, const std::string& what) -> Expected<void> {
    const std::string where = table == "files" ? "path = ?" : "axis = ? AND level = ?";
    const std::string column = table == "files" ? "checksum" : "settings";
    Statement select(database_.get(), path_,
                     "SELECT " + column + " FROM " + table + " WHERE " + where);
    for (const std::string& part : name) select.bind(part);
    const auto found = select.next();
    if (!found) return found.error();
    if (*found) {
      if (select.text(0) == value) return {};
      return Error{path_ + ": is of another study: " + what + "; give another --db"};
    }
    Statement insert(
        database_.get(), path_,
        "INSERT INTO " + table + " VALUES(" + (name.size() > 1 ? "?, " : "") + "?, ?)");
    for (const std::string& part : name) insert.bind(part);
    return insert.bind(value).run();
  };
  for (const Axis& axis : study.axes) {
    for (const Level& level : axis.levels) {
      const auto noted = same("levels", {axis.name, level.name}, joined_lines(level.set),
                              axis.name + " = " + level.name + " sets other keys");
      if (!noted) return noted;
    }
  }
  const auto files = files_of(study);
  if (!files) return files.error();
  for (const auto& [path, checksum] : *files) {
    const auto noted = same("files", {path}, checksum, path + " has other bytes");
    if (!noted) return noted;
  }
  return {};
}

}  // namespace scsim::analysis
