// LMCache's agent traces: a coding agent's calls with the whole text of each prompt. Prompts of a
// session grow by what the tools said (and shrink when the agent forgets); what they have in common
// at their beginning is shared.
#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/log_time.h"
#include "traces/text_contents.h"

namespace scsim {
namespace {

Expected<LoggedRequest> read_row(const JsonValue& row, const TextContents& ratio) {
  LoggedRequest request;
  Expected<std::string> time = string_field(row, "timestamp");
  if (!time) return time.error();
  Expected<std::int64_t> time_ns = parse_log_time(*time, TimeUnit::kMicroseconds);
  if (!time_ns) return Error{"timestamp: " + time_ns.error().message};
  Expected<std::string> input = string_field(row, "input");
  if (!input) return input.error();
  Expected<std::string> output = string_field(row, "output");
  if (!output) return output.error();
  Expected<std::string> session = string_field(row, "session_id");
  if (!session) return session.error();

  request.time_ns = *time_ns;
  request.session = *session;
  request.prompt_tokens = ratio.estimate(*input);
  request.prompt_counted = false;
  request.output_tokens = ratio.estimate(*output);
  request.messages = {{"", std::move(*input)}};
  request.answer = LoggedMessage{"assistant", std::move(*output)};
  return request;
}

Expected<ImportReport> import_lmcache_agent(const ImportInputs& inputs,
                                            const ImportOptions& options, const OpenTrace& open) {
  Expected<TextContents> texts = TextContents::make(options);
  if (!texts) return texts.error();
  LogImport log;
  log.assumptions = {options.text("chars_per_token") + " characters per token"};
  log.read = [&](LogRows& rows) {
    return read_json_log(inputs.paths, rows,
                         [&](const JsonValue& row) { return read_row(row, *texts); });
  };
  log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) {
    texts->fill(row, writer, request);
  };
  return import_log(log, inputs, options, open);
}

}  // namespace

TraceFormat lmcache_agent_format() {
  TraceFormat format;
  format.name = "lmcache_agent";
  format.sentence = "LMCache's agent traces, JSON lines: timestamp (us), input, output, session_id";
  format.source = "github.com/LMCache/lmcache-agent-trace";
  format.options = log_options();
  for (const ImportOption& option : text_options()) format.options.push_back(option);
  format.import = import_lmcache_agent;
  return format;
}

}  // namespace scsim
