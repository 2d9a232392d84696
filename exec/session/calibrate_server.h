// The sessions of a calibration, asked of a server: accuracy by turn, time to the first token, time
// between tokens, and how much of a prompt the server found in its cache.
//
//   auto counter = load_token_counter("Qwen2.5-7B-Instruct/");   // the tokenizer alone
//   auto engine = RemoteEngine::connect({.url = "http://127.0.0.1:8000"}, steady_seconds());
//   Expected<CalibrationReport> report = calibrate_server(*engine, *counter, options, "s.pb",
//   hear);
//
// Plan, file and resuming are those of calibrate.h. What a server does inside is not seen: no
// stages, no bytes, no likelihoods. Its cache may hold what earlier samples have sent; the file
// says so, and says of each turn how much, where the server does. The session that warms it up
// begins with words of its own, so that no sample finds a cache made by that one.
#pragma once

#include <functional>
#include <string>

#include "exec/remote/remote_engine.h"
#include "exec/session/calibrate.h"
#include "exec/session/calibration_run.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec {

struct TokenCounter {
  Tokenizer tokenizer;
  std::string name;     // of its file or folder
  bool chosen = false;  // by whoever asked for the calibration, as the server's own
};
// Of a model's file or folder; of none, that of the default model.
Expected<TokenCounter> load_token_counter(const std::string& path);

// REQUIRES: options.methods is empty: what runs there is the server's matter.
Expected<CalibrationReport> calibrate_server(const RemoteEngine& engine,
                                             const TokenCounter& counter,
                                             const CalibrateOptions& options,
                                             const std::string& path,
                                             const std::function<void(const CalibrateNews&)>& hear);

}  // namespace scsim::exec
