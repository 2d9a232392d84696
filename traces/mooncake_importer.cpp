// Mooncake's request traces. They have no sessions: each request is one of its own.
#include "traces/hashed_log.h"

namespace scsim {

TraceFormat mooncake_format() {
  TraceFormat format;
  format.name = "mooncake";
  format.sentence = "Mooncake's JSON lines: timestamp (ms), input_length, output_length, hash_ids";
  format.source = "github.com/kvcache-ai/Mooncake, FAST25-release/traces; Qin et al., FAST 2025";
  format.options = hashed_log_options(Tokens(512));
  format.import = [](const ImportInputs& inputs, const ImportOptions& options,
                     const OpenTrace& open) {
    return import_hashed_log(inputs, options, open, TimeUnit::kMilliseconds, {});
  };
  return format;
}

}  // namespace scsim
