// What importers of logs share, where a row is a request.
//
// An importer says how a row is read and what its prompt is made of:
//
//   LogImport log;
//   log.read = [&](LogRows& rows) { return read_json_log(inputs.paths, rows, parse_row); };
//   log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) { ... };
//   return import_log(log, inputs, options, open);
//
// import_log() does the rest: rejected rows, order of time, tables of names, sessions, the zero of
// time, max_tokens where the log has none. The log is read twice: the first reading finds whether
// its rows are in order of time, the first arrival and the longest answer; the second writes. So a
// log in order takes no memory but for the names, sessions and contents it mentions, and only one
// that is out of order is held (and sorted; rows of one instant stay in the order of the file).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/trace.h"
#include "traces/trace_format.h"

namespace scsim {

class CsvRows;
class JsonValue;

struct LoggedMessage {
  std::string role, text;
};

struct LoggedRequest {
  std::int64_t time_ns = 0;                       // since any origin
  std::string tenant, session, model, task, slo;  // empty: the log does not say
  std::optional<int> turn;
  // A row may name itself and the row it continues (instead of naming a session).
  std::optional<std::uint64_t> chat, parent_chat;
  Tokens prompt_tokens{0}, output_tokens{0};
  bool prompt_counted = true;  // by the log; otherwise prompt_tokens is an estimate from the text
  std::optional<Tokens> max_tokens;
  int priority = 0;
  std::string left_out;  // why this row is no request though nothing is wrong with it

  // What the prompt is made of, for the importer's `fill`.
  std::vector<std::uint64_t> blocks;
  std::vector<LoggedMessage> messages;
  std::optional<LoggedMessage> answer;
};

// Hears the rows of a log, in the order of its files.
class LogRows {
 public:
  virtual ~LogRows() = default;
  // An error in `row` rejects the row; this function's own error ends the import.
  virtual Expected<void> add(const std::string& path, std::int64_t line,
                             Expected<LoggedRequest> row) = 0;
};

struct LogImport {
  // Gives every row to `rows`. Called twice.
  std::function<Expected<void>(LogRows& rows)> read;
  // Sets request.prompt (not empty) and perhaps request.output and request.output_tokens; what else
  // there is in the request is set already. Called once for each request, in the order of the
  // trace. Without a `fill` a prompt is one content of its own.
  std::function<void(const LoggedRequest& row, TraceWriter& writer, Request& request)> fill;
  std::vector<std::string> assumptions;
};

// The options that import_log() reads; a format appends its own.
std::vector<ImportOption> log_options();

Expected<ImportReport> import_log(const LogImport& log, const ImportInputs& inputs,
                                  const ImportOptions& options, const OpenTrace& open);

// Counts rejected rows and keeps the first ten, or stops at the first.
Expected<void> reject_row(ImportReport& report, bool strict, const std::string& path,
                          std::int64_t line, const std::string& why);

// Why a file of which no row is a request is no trace.
Error no_requests(const ImportReport& report, const std::string& path);

// max_tokens for requests whose log has none. What the option says, else one number for all, so
// that it tells nothing of any single answer: the longest answer, rounded up to a power of two.
ImportOption default_max_tokens_option();
Expected<Tokens> max_tokens_of_all(const ImportOptions& options, Tokens longest_answer,
                                   std::vector<std::string>& assumptions);

// Rows of JSON lines (or of one JSON array) in all of `paths`.
Expected<void> read_json_log(const std::vector<std::string>& paths, LogRows& rows,
                             const std::function<Expected<LoggedRequest>(const JsonValue&)>& parse);

// Rows of CSV files. `bind` finds the columns of a file; what it gives reads its rows.
using CsvParse = std::function<Expected<LoggedRequest>(const CsvRows&)>;
Expected<void> read_csv_log(const std::vector<std::string>& paths, bool header, LogRows& rows,
                            const std::function<Expected<CsvParse>(const CsvRows&)>& bind);

}  // namespace scsim
