// Sessions of random tokens on a tiny model, one after another with one runtime object, so that
// they meet in what the method remembers.
#pragma once

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "exec/session/loaded_model.h"
#include "exec/session/run_session.h"
#include "methods/runtime.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/rng.h"

namespace scsim::test {

using Ids = std::vector<std::int32_t>;

inline Ids random_ids(std::int64_t count, const std::string& purpose) {
  Rng rng(7, "test.reuse." + purpose);
  Ids ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(rng.below(256)));
  return ids;
}

template <class... More>
Ids joined(Ids ids, const More&... more) {
  (ids.insert(ids.end(), more.begin(), more.end()), ...);
  return ids;
}

inline exec::LoadedModel load_tiny_model(const TinyModel& shape,
                                         const exec::ModelOptions& options = {.page_tokens = 16}) {
  const TemporaryFolder folder;
  write_tiny_model(folder.path(), shape);
  Expected<exec::LoadedModel> model = exec::load_model(folder.path(), options);
  INFO((model ? "" : model.error().message));
  REQUIRE(model.has_value());
  return *std::move(model);
}

inline std::unique_ptr<exec::MethodRuntime> runtime(const std::string& method) {
  const auto choice = methods::parse_method(method);
  INFO((choice ? "" : choice.error().message));
  REQUIRE(choice.has_value());
  return methods::make_runtime(*choice);
}

// A conversation whose turns are whole prompts.
inline exec::TokenSession prompts(const std::vector<Ids>& all) {
  exec::TokenSession session{
      .mode = SessionMode::kMultiTurn, .context = {}, .turns = {}, .whole_prompts = true};
  for (const Ids& prompt : all) {
    exec::TokenTurn turn;
    turn.prompt = prompt;
    turn.golden = random_ids(5, "golden");
    turn.max_new_tokens = 3;
    session.turns.push_back(turn);
  }
  return session;
}

inline exec::SessionRecord run(exec::LoadedModel& model, exec::MethodRuntime& method,
                               const exec::TokenSession& session) {
  const std::unique_ptr<exec::Timeline> timeline = exec::wall_timeline();
  exec::SessionOptions options;
  options.keep_logits = true;
  auto record =
      exec::run_session(*model.model, model.tokenizer, *timeline, session, method, options);
  INFO((record ? "" : record.error().message));
  REQUIRE(record.has_value());
  return *std::move(record);
}

inline double apart(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a - b).abs().max().item<double>();
}

}  // namespace scsim::test
