// Azure's traces of LLM inference: when, how long the prompt, how long the answer. They say nothing
// of sessions or of what prompts have in common, so every prompt is a content of its own.
#include "traces/csv_rows.h"
#include "traces/log_import.h"
#include "traces/log_time.h"

namespace scsim {
namespace {

Expected<CsvParse> bind_columns(const CsvRows& rows) {
  Expected<std::size_t> time = rows.column("TIMESTAMP");
  if (!time) return time.error();
  Expected<std::size_t> prompt = rows.column("ContextTokens");
  if (!prompt) return prompt.error();
  Expected<std::size_t> output = rows.column("GeneratedTokens");
  if (!output) return output.error();

  return CsvParse([time = *time, prompt = *prompt,
                   output = *output](const CsvRows& row) -> Expected<LoggedRequest> {
    LoggedRequest request;
    Expected<std::int64_t> time_ns = parse_log_time(row.field(time), TimeUnit::kSeconds);
    if (!time_ns) return Error{"TIMESTAMP: " + time_ns.error().message};
    Expected<std::int64_t> prompt_tokens = integer_field(row, prompt, 1);
    if (!prompt_tokens) return prompt_tokens.error();
    Expected<std::int64_t> output_tokens = integer_field(row, output, 1);
    if (!output_tokens) return output_tokens.error();
    request.time_ns = *time_ns;
    request.prompt_tokens = Tokens(*prompt_tokens);
    request.output_tokens = Tokens(*output_tokens);
    return request;
  });
}

Expected<ImportReport> import_azure(const ImportInputs& inputs, const ImportOptions& options,
                                    const OpenTrace& open) {
  LogImport log;
  log.assumptions = {"no two prompts have anything in common: the log does not say what they have"};
  log.read = [&](LogRows& rows) { return read_csv_log(inputs.paths, true, rows, bind_columns); };
  return import_log(log, inputs, options, open);
}

}  // namespace

TraceFormat azure_format() {
  TraceFormat format;
  format.name = "azure";
  format.sentence = "Azure's LLM inference traces, CSV: TIMESTAMP, ContextTokens, GeneratedTokens";
  format.source = "github.com/Azure/AzurePublicDataset, 2023 and 2024; Patel et al., ISCA 2024";
  format.options = log_options();
  format.import = import_azure;
  return format;
}

}  // namespace scsim
