// Logs in JSON lines that give the lengths of prompt and answer and a hash for each block of the
// prompt: timestamp, input_length, output_length, hash_ids. A hash stands for its block and all
// that is before it, so equal ids are equal prefixes (traces/hashed_blocks.h).
#pragma once

#include <functional>

#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/log_time.h"

namespace scsim {

// What a format's rows have beyond that; may be none.
using ReadMore = std::function<Expected<void>(const JsonValue& row, LoggedRequest& request)>;

Expected<ImportReport> import_hashed_log(const ImportInputs& inputs, const ImportOptions& options,
                                         const OpenTrace& open, TimeUnit unit,
                                         const ReadMore& more);

// log_options() and "block_tokens", of which import_hashed_log() reads all.
std::vector<ImportOption> hashed_log_options(Tokens block_tokens);

}  // namespace scsim
