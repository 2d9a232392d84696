#include "analysis/outputs.h"

#include <filesystem>
#include <system_error>

#include "analysis/html_report.h"
#include "analysis/json_report.h"
#include "analysis/perfetto_trace.h"
#include "analysis/requests_csv.h"
#include "traces/files.h"

namespace scsim::analysis {
Expected<void> make_directory(const std::string& directory) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (!failure && std::filesystem::is_directory(directory, failure)) return {};
  return Error{directory + ": cannot make this directory" +
               (failure ? ": " + failure.message() : ": there is a file of that name")};
}

Expected<WrittenFiles> write_outputs(const Result& result, const Summary& summary,
                                     const std::string& directory) {
  if (const Expected<void> made = make_directory(directory); !made) return made.error();
  WrittenFiles files;
  const auto path_of = [&](const char* name) {
    return files.paths.emplace_back((std::filesystem::path(directory) / name).string());
  };
  if (const auto done = write_result(result, path_of("result.pb")); !done) return done.error();
  if (const auto done = write_requests_csv(result, path_of("requests.csv")); !done)
    return done.error();
  if (const auto done = write_file(path_of("summary.json"), json_report(result, summary)); !done)
    return done.error();
  if (const auto done = write_file(path_of("report.html"), html_report(result, summary)); !done)
    return done.error();
  const Expected<std::string> note = write_perfetto_trace(result, path_of("trace.json"));
  if (!note) return note.error();
  if (!note->empty()) files.notes.push_back(*note);
  return files;
}

}  // namespace scsim::analysis
