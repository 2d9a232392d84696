#include "tests/traces/imported.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "traces/files.h"

namespace scsim::test {
namespace {

void leave_out(const std::string& folder, std::string& message) {
  for (std::size_t at = message.find(folder); at != message.npos; at = message.find(folder)) {
    message.erase(at, folder.size());
  }
}

}  // namespace

std::string Imported::text(ContentId content) const {
  for (const auto& [id, role, text] : texts) {
    if (id == content) return text;
  }
  return "";
}

Imported import_files(const std::string& format, const std::vector<std::string>& paths,
                      const Options& options, bool strict) {
  TemporaryFolder folder;
  const std::string out = folder.file("out.pb");
  Imported imported;
  Expected<ImportReport> report = import_trace(
      format, ImportInputs{.paths = paths, .options = options, .strict = strict}, out, "a test");
  if (!report) {
    CHECK_FALSE(std::filesystem::exists(out));
    CHECK_FALSE(std::filesystem::exists(out + ".partial"));
    imported.error = report.error().message;
    return imported;
  }
  static_cast<LoadedTrace&>(imported) = load_trace(out);
  imported.report = *report;

  const ImportReport& said = imported.report;
  CHECK(said.rows >= said.rejected + said.left_out);
  CHECK(said.requests == imported.requests.size());
  return imported;
}

namespace {

Imported import_inside(const TemporaryFolder& folder, const std::string& format,
                       const std::vector<std::string>& paths, const Options& options, bool strict) {
  Imported imported = import_files(format, paths, options, strict);
  leave_out(folder.file(""), imported.error);
  for (std::string& message : imported.report.first_rejected) leave_out(folder.file(""), message);
  return imported;
}

Imported import_from(const TemporaryFolder& folder, const std::string& format,
                     const std::map<std::string, std::string>& files, const Options& options,
                     bool strict) {
  std::vector<std::string> paths;
  for (const auto& [name, text] : files) {
    paths.push_back(folder.file(name));
    REQUIRE(write_file(paths.back(), text).has_value());
  }
  return import_inside(folder, format, paths, options, strict);
}

}  // namespace

Imported import_tree(const std::string& format, const std::map<std::string, std::string>& files,
                     const Options& options, bool strict) {
  TemporaryFolder folder;
  for (const auto& [name, text] : files) {
    const std::filesystem::path path = folder.file("tree/" + name);
    std::filesystem::create_directories(path.parent_path());
    REQUIRE(write_file(path.string(), text).has_value());
  }
  return import_inside(folder, format, {folder.file("tree")}, options, strict);
}

Imported import_texts(const std::string& format, const std::map<std::string, std::string>& files,
                      const Options& options, bool strict) {
  return import_from(TemporaryFolder(), format, files, options, strict);
}

Imported import_text(const std::string& format, const std::string& text, const Options& options,
                     bool strict, const std::string& name) {
  return import_texts(format, {{name, text}}, options, strict);
}

std::string spans(const Request& request) {
  std::string out;
  for (const Span& span : request.prompt) {
    if (!out.empty()) out += ' ';
    out += std::to_string(span.content.value()) + ":" + std::to_string(span.first.value()) + "+" +
           std::to_string(span.count.value());
  }
  return out;
}

}  // namespace scsim::test
