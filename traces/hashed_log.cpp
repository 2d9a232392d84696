#include "traces/hashed_log.h"

#include <utility>

#include "traces/hashed_blocks.h"
#include "traces/text.h"

namespace scsim {
namespace {

Expected<LoggedRequest> read_row(const JsonValue& row, TimeUnit unit, const HashedBlocks& blocks,
                                 const ReadMore& more) {
  LoggedRequest request;
  Expected<std::string> time = string_field(row, "timestamp");
  if (!time) return time.error();
  Expected<std::int64_t> time_ns = parse_log_time(*time, unit);
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
  if (more) {
    if (Expected<void> ok = more(row, request); !ok) return ok.error();
  }
  return request;
}

}  // namespace

Expected<ImportReport> import_hashed_log(const ImportInputs& inputs, const ImportOptions& options,
                                         const OpenTrace& open, TimeUnit unit,
                                         const ReadMore& more) {
  if (inputs.paths.size() != 1) {
    return Error{inputs.paths[1] +
                 ": one file at a time; the ids of two files say nothing of each "
                 "other"};
  }
  Expected<std::int64_t> block_tokens = options.integer("block_tokens", 1, kMostBlockTokens);
  if (!block_tokens) return block_tokens.error();
  HashedBlocks blocks{Tokens(*block_tokens)};

  LogImport log;
  log.assumptions = {"an id of hash_ids stands for " + format_integer(*block_tokens) + " tokens"};
  log.read = [&](LogRows& rows) {
    return read_json_log(inputs.paths, rows,
                         [&](const JsonValue& row) { return read_row(row, unit, blocks, more); });
  };
  log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) {
    blocks.append(row.blocks, row.prompt_tokens, writer, request.prompt);
  };
  return import_log(log, inputs, options, open);
}

std::vector<ImportOption> hashed_log_options(Tokens block_tokens) {
  std::vector<ImportOption> options = log_options();
  options.push_back({"block_tokens", std::to_string(block_tokens.value()),
                     "tokens that one id of hash_ids stands for"});
  return options;
}

}  // namespace scsim
