// BurstGPT: half a year of ChatGPT and GPT-4 use at a university. Times are seconds, prompts are
// lengths without contents; only some releases have sessions, and only for conversations. A row
// whose answer has no token is a request that failed there.
#include <algorithm>
#include <optional>

#include "traces/csv_rows.h"
#include "traces/log_import.h"
#include "traces/log_time.h"

namespace scsim {
namespace {

struct Columns {
  std::size_t time, model, prompt, output, kind;
  std::optional<std::size_t> session;
};

Expected<LoggedRequest> read_row(const CsvRows& row, const Columns& columns) {
  LoggedRequest request;
  Expected<std::int64_t> time_ns = parse_log_time(row.field(columns.time), TimeUnit::kSeconds);
  if (!time_ns) return Error{"Timestamp: " + time_ns.error().message};
  Expected<std::int64_t> prompt = integer_field(row, columns.prompt, 0);
  if (!prompt) return prompt.error();
  Expected<std::int64_t> output = integer_field(row, columns.output, 0);
  if (!output) return output.error();
  if (*output == 0 || *prompt == 0) {
    request.left_out = "requests that failed (no request or response tokens)";
  }
  request.time_ns = *time_ns;
  request.prompt_tokens = Tokens(*prompt);
  request.output_tokens = Tokens(*output);
  request.model = row.field(columns.model);
  request.task = row.field(columns.kind);
  if (columns.session) request.session = row.field(*columns.session);
  return request;
}

Expected<CsvParse> bind_columns(const CsvRows& rows) {
  Columns columns{};
  const std::pair<std::string_view, std::size_t*> wanted[] = {{"Timestamp", &columns.time},
                                                              {"Model", &columns.model},
                                                              {"Request tokens", &columns.prompt},
                                                              {"Response tokens", &columns.output},
                                                              {"Log Type", &columns.kind}};
  for (const auto& [name, index] : wanted) {
    Expected<std::size_t> found = rows.column(name);
    if (!found) return found.error();
    *index = *found;
  }
  auto session = std::ranges::find(rows.columns(), "Session ID");
  if (session != rows.columns().end()) {
    columns.session = static_cast<std::size_t>(session - rows.columns().begin());
  }
  return CsvParse([columns](const CsvRows& row) { return read_row(row, columns); });
}

Expected<ImportReport> import_burstgpt(const ImportInputs& inputs, const ImportOptions& options,
                                       const OpenTrace& open) {
  LogImport log;
  log.assumptions = {
      "no two prompts have anything in common, not even in a session: the log does not say what "
      "they have"};
  log.read = [&](LogRows& rows) { return read_csv_log(inputs.paths, true, rows, bind_columns); };
  return import_log(log, inputs, options, open);
}

}  // namespace

TraceFormat burstgpt_format() {
  TraceFormat format;
  format.name = "burstgpt";
  format.sentence =
      "BurstGPT's CSV: Timestamp (s), Model, Request tokens, Response tokens, Log Type, perhaps "
      "Session ID";
  format.source = "github.com/HPMLL/BurstGPT; Wang et al., KDD 2025";
  format.options = log_options();
  format.import = import_burstgpt;
  return format;
}

}  // namespace scsim
