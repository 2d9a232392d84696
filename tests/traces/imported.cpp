#include "tests/traces/imported.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "traces/files.h"

namespace scsim::test {
namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "scsim_import_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  void leave_out_of(std::string& message) const {
    for (std::size_t at = message.find(path_); at != message.npos; at = message.find(path_)) {
      message.erase(at, path_.size() + 1);
    }
  }

 private:
  std::string path_;
};

}  // namespace

Imported import_files(const std::string& format, const std::vector<std::string>& paths,
                      const Options& options, bool strict) {
  Folder folder;
  const std::string out = folder / "out.pb";
  Imported imported;
  Expected<ImportReport> report = import_trace(
      format, ImportInputs{.paths = paths, .options = options, .strict = strict}, out, "a test");
  if (!report) {
    CHECK_FALSE(std::filesystem::exists(out));
    CHECK_FALSE(std::filesystem::exists(out + ".partial"));
    imported.error = report.error().message;
    return imported;
  }
  imported.report = *report;

  Expected<TraceReader> reader = TraceReader::open(out);
  REQUIRE(reader.has_value());
  reader->on_content([&](ContentId, Tokens tokens) { imported.contents.push_back(tokens); });
  reader->on_text([&](ContentId id, std::string_view role, std::string_view text) {
    imported.texts[id.value()] = {std::string(role), std::string(text)};
  });
  Request request;
  while (true) {
    Expected<bool> more = reader->next(request);
    REQUIRE(more.has_value());
    if (!*more) break;
    imported.requests.push_back(request);
  }
  imported.header = reader->header();
  imported.tables = reader->tables();

  const ImportReport& said = imported.report;
  CHECK(said.rows >= said.rejected + said.left_out);
  CHECK(said.requests == imported.requests.size());
  return imported;
}

namespace {

Imported import_from(const Folder& folder, const std::string& format,
                     const std::map<std::string, std::string>& files, const Options& options,
                     bool strict) {
  std::vector<std::string> paths;
  for (const auto& [name, text] : files) {
    paths.push_back(folder / name);
    REQUIRE(write_file(paths.back(), text).has_value());
  }
  Imported imported = import_files(format, paths, options, strict);
  folder.leave_out_of(imported.error);
  for (std::string& message : imported.report.first_rejected) folder.leave_out_of(message);
  return imported;
}

}  // namespace

Imported import_texts(const std::string& format, const std::map<std::string, std::string>& files,
                      const Options& options, bool strict) {
  return import_from(Folder(), format, files, options, strict);
}

Imported import_mapped(const std::string& format, const std::map<std::string, std::string>& files,
                       const std::string& mapping, Options options) {
  Folder folder;
  options["mapping"] = folder / "mapping.yaml";
  REQUIRE(write_file(options["mapping"], mapping).has_value());
  return import_from(folder, format, files, options, false);
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
