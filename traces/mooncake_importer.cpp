// Mooncake's request traces: lengths, and the hash of every block of the prompt. A hash stands for
// its block and all before it, so equal ids mean an equal prefix. The log has no sessions: each
// request is one of its own.
#include "traces/hashed_blocks.h"
#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/log_time.h"
#include "traces/text.h"

namespace scsim {
namespace {

Expected<LoggedRequest> read_row(const JsonValue& row, const HashedBlocks& blocks) {
  LoggedRequest request;
  Expected<std::string> time = string_field(row, "timestamp");
  if (!time) return time.error();
  Expected<std::int64_t> time_ns = parse_log_time(*time, TimeUnit::kMilliseconds);
  if (!time_ns) return Error{"timestamp: " + time_ns.error().message};
  request.time_ns = *time_ns;

  Expected<std::int64_t> input = integer_field(row, "input_length", 1);
  if (!input) return input.error();
  Expected<std::int64_t> output = integer_field(row, "output_length", 1);
  if (!output) return output.error();
  request.prompt_tokens = Tokens(*input);
  request.output_tokens = Tokens(*output);

  Expected<std::vector<std::uint64_t>> ids = ids_field(row, "hash_ids");
  if (!ids) return ids.error();
  request.blocks = std::move(*ids);
  if (Expected<void> fits = blocks.check_fits(request.blocks, request.prompt_tokens); !fits) {
    return Error{"hash_ids: " + fits.error().message};
  }
  return request;
}

Expected<ImportReport> import_mooncake(const ImportInputs& inputs, const ImportOptions& options,
                                       const OpenTrace& open) {
  Expected<std::int64_t> block_tokens = options.integer("block_tokens", 1, kMostBlockTokens);
  if (!block_tokens) return block_tokens.error();
  HashedBlocks blocks{Tokens(*block_tokens)};

  LogImport log;
  log.assumptions = {"an id of hash_ids stands for " + format_integer(*block_tokens) + " tokens"};
  log.read = [&](LogRows& rows) {
    return read_json_log(inputs.paths, rows,
                         [&](const JsonValue& row) { return read_row(row, blocks); });
  };
  log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) {
    blocks.append(row.blocks, row.prompt_tokens, writer, request.prompt);
  };
  return import_log(log, inputs, options, open);
}

}  // namespace

TraceFormat mooncake_format() {
  TraceFormat format;
  format.name = "mooncake";
  format.sentence = "Mooncake's JSON lines: timestamp (ms), input_length, output_length, hash_ids";
  format.source = "github.com/kvcache-ai/Mooncake, FAST25-release/traces; Qin et al., FAST 2025";
  format.options = log_options();
  format.options.push_back({"block_tokens", "512", "tokens that one id of hash_ids stands for"});
  format.import = import_mooncake;
  return format;
}

}  // namespace scsim
