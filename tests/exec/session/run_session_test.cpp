#include "exec/session/run_session.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>

#include "exec/session/loaded_model.h"
#include "methods/runtime.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::exec {
namespace {

using test::TinyFamily;

LoadedModel tiny_model(TinyFamily family, std::int64_t saved_every) {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path(), {.family = family});
  Expected<LoadedModel> model = load_model(folder.path(), ModelOptions{.saved_every = saved_every});
  INFO((model ? "" : model.error().message));
  REQUIRE(model.has_value());
  return *std::move(model);
}

struct Bench {
  explicit Bench(TinyFamily family = TinyFamily::kLlama, std::int64_t saved_every = 0)
      : model(tiny_model(family, saved_every)) {}

  LoadedModel model;
  std::unique_ptr<Timeline> timeline = wall_timeline();
  std::unique_ptr<MethodRuntime> full = methods::make_runtime(*methods::parse_method("full"));

  std::vector<std::int32_t> ids(const std::string& text) const {
    return model.tokenizer.encode(text, SpecialTokens::kAsText);
  }
  SessionRecord run(const TokenSession& session, const SessionOptions& options = {}) {
    Expected<SessionRecord> record =
        run_session(*model.model, model.tokenizer, *timeline, session, *full, options);
    REQUIRE(record.has_value());
    return *std::move(record);
  }
};

TokenSession some_session(const Bench& bench, SessionMode mode) {
  TokenSession session{.mode = mode, .context = {}, .turns = {}, .whole_prompts = false};
  std::string text(150, 'c');
  text += " a context of some length";
  const std::vector<std::int32_t> context = bench.ids(text);
  for (const std::string question : {" first?", " and the second, which is longer?", " 3?"}) {
    TokenTurn turn;
    turn.prompt = bench.ids(question);
    turn.golden = bench.ids(" golden " + question);
    turn.closing = bench.ids(".");
    turn.max_new_tokens = 6;
    session.turns.push_back(turn);
  }
  if (mode == SessionMode::kMultiRequest) {
    session.context = context;
  } else {
    auto& first = session.turns.front().prompt;
    first.insert(first.begin(), context.begin(), context.end());
  }
  return session;
}

// The same prompt by itself, from an empty cache.
SessionRecord run_alone(Bench& bench, const std::vector<std::int32_t>& prompt,
                        const TokenTurn& turn) {
  TokenTurn whole = turn;
  whole.prompt = prompt;
  return bench.run(
      {.mode = SessionMode::kMultiTurn, .context = {}, .turns = {whole}, .whole_prompts = false});
}

TEST_CASE("turns on a kept cache say what each says from its whole prompt", "[exec][session]") {
  Bench bench(GENERATE(TinyFamily::kLlama, TinyFamily::kMamba2, TinyFamily::kJamba));
  for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
    const TokenSession session = some_session(bench, mode);
    const SessionRecord record = bench.run(session);
    std::vector<std::int32_t> before = session.context;
    for (std::size_t t = 0; t < session.turns.size(); ++t) {
      std::vector<std::int32_t> prompt = before;
      prompt.insert(prompt.end(), session.turns[t].prompt.begin(), session.turns[t].prompt.end());
      const SessionRecord alone = run_alone(bench, prompt, session.turns[t]);
      CHECK(record.turns[t].output == alone.turns[0].output);
      CHECK(record.turns[t].text == alone.turns[0].text);
      CHECK(record.turns[t].likelihood->nats ==
            Approx(alone.turns[0].likelihood->nats).margin(1e-3));
      CHECK(record.turns[t].fresh_tokens + record.turns[t].cached_tokens == std::ssize(prompt));
      if (mode == SessionMode::kMultiRequest) continue;
      before = prompt;
      before.insert(before.end(), session.turns[t].golden.begin(), session.turns[t].golden.end());
      before.insert(before.end(), session.turns[t].closing.begin(), session.turns[t].closing.end());
    }
  }
}

TEST_CASE("what is in the cache is not computed again", "[exec][session]") {
  Bench bench(GENERATE(TinyFamily::kLlama, TinyFamily::kMamba2, TinyFamily::kJamba));
  const TokenSession turns = some_session(bench, SessionMode::kMultiTurn);
  const SessionRecord record = bench.run(turns);
  CHECK(record.turns[0].cached_tokens == 0);
  CHECK(record.turns[1].cached_tokens == std::ssize(turns.turns[0].prompt));
  CHECK(record.turns[1].fresh_tokens == std::ssize(turns.turns[0].golden) +
                                            std::ssize(turns.turns[0].closing) +
                                            std::ssize(turns.turns[1].prompt));
  const TokenSession requests = some_session(bench, SessionMode::kMultiRequest);
  const SessionRecord forked = bench.run(requests);
  REQUIRE(forked.context.has_value());
  CHECK(forked.context->fresh_tokens == std::ssize(requests.context));
  for (std::size_t t = 0; t < requests.turns.size(); ++t) {
    CHECK(forked.turns[t].cached_tokens == std::ssize(requests.context));
    CHECK(forked.turns[t].fresh_tokens == std::ssize(requests.turns[t].prompt));
  }
}

TEST_CASE("own answers stay in the conversation where golden ones are off", "[exec][session]") {
  Bench bench(GENERATE(TinyFamily::kLlama, TinyFamily::kMamba2, TinyFamily::kJamba));
  const TokenSession session = some_session(bench, SessionMode::kMultiTurn);
  const SessionRecord record = bench.run(session, {.golden_answers = false});
  std::vector<std::int32_t> before;
  for (std::size_t t = 0; t < session.turns.size(); ++t) {
    std::vector<std::int32_t> prompt = before;
    prompt.insert(prompt.end(), session.turns[t].prompt.begin(), session.turns[t].prompt.end());
    CHECK(record.turns[t].output == run_alone(bench, prompt, session.turns[t]).turns[0].output);
    // All but the answer's last token had been through the model.
    if (t > 0)
      CHECK(record.turns[t].cached_tokens ==
            std::ssize(before) - std::ssize(session.turns[t].closing) - 1);
    before = prompt;
    before.insert(before.end(), record.turns[t].output.begin(), record.turns[t].output.end());
    before.insert(before.end(), session.turns[t].closing.begin(), session.turns[t].closing.end());
  }
}

TEST_CASE("whole prompts find what they have in common with the cache", "[exec][session]") {
  // Recurrent layers: up to the last saved point, here at every 8 tokens.
  const auto family = GENERATE(TinyFamily::kLlama, TinyFamily::kMamba2, TinyFamily::kJamba);
  Bench bench(family, family == TinyFamily::kLlama ? 0 : 8);
  TokenSession session{
      .mode = SessionMode::kMultiTurn, .context = {}, .turns = {}, .whole_prompts = true};
  TokenTurn turn;
  turn.max_new_tokens = 4;
  for (const std::string text :
       {"the same beginning, then this", "the same beginning, then that and more", "else"}) {
    turn.prompt = bench.ids(text);
    session.turns.push_back(turn);
  }
  const SessionRecord record = bench.run(session);
  const std::int64_t common = std::ssize(bench.ids("the same beginning, then th"));
  CHECK(record.turns[1].cached_tokens == (family == TinyFamily::kLlama ? common : common / 8 * 8));
  CHECK(record.turns[2].cached_tokens == 0);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(record.turns[t].output ==
          run_alone(bench, session.turns[t].prompt, turn).turns[0].output);
  }
}

TEST_CASE("a turn's stages add up to its seconds, and those to the time on the wall",
          "[exec][session]") {
  Bench bench;
  TokenSession session = some_session(bench, SessionMode::kMultiTurn);
  for (TokenTurn& turn : session.turns) turn.max_new_tokens = 40;
  bench.run(session);  // warm
  // Whoever else runs on the machine may come in between the two clocks: the nearest of some runs.
  double nearest = 1;
  for (int attempt = 0; attempt < 5; ++attempt) {
    double outside = 0, inside = 0;
    std::chrono::steady_clock::time_point began;
    SessionOptions options{.measure_likelihood = false};
    options.before_turn = [&] { began = std::chrono::steady_clock::now(); };
    options.after_turn = [&](TurnRecord&) {
      outside += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    const SessionRecord record = bench.run(session, options);
    for (const TurnRecord& turn : record.turns) {
      double sum = 0;
      for (const double seconds : turn.times.seconds) sum += seconds;
      CHECK(sum == Approx(turn.times.total).epsilon(1e-9));
      CHECK(turn.ttft + turn.decode_seconds <= turn.times.total);
      CHECK(turn.times.seconds[static_cast<std::size_t>(Stage::kGeneration)] > 0);
      CHECK(turn.times.seconds[static_cast<std::size_t>(Stage::kDecode)] > 0);
      CHECK(turn.times.seconds[static_cast<std::size_t>(Stage::kLoading)] > 0);
      inside += turn.times.total;
    }
    nearest = std::min(nearest, std::abs(inside - outside) / outside);
  }
  CHECK(nearest < 0.02);
}

TEST_CASE("the ledger counts the pairs and bytes that the contract says", "[exec][session]") {
  const std::int64_t saved_every = GENERATE(0, 16);
  Bench bench(GENERATE(TinyFamily::kLlama, TinyFamily::kMamba2, TinyFamily::kJamba), saved_every);
  const TokenSession session = some_session(bench, SessionMode::kMultiTurn);
  const SessionRecord record = bench.run(session);
  const auto contract = methods::make_contract(*methods::parse_method("full"));
  const ModelConfig& config = bench.model.model->config();
  const methods::AttentionLayer layer{.layer = 0,
                                      .num_layers = config.attention_layers(),
                                      .query_heads = config.attention.query_heads,
                                      .kv_heads = config.attention.kv_heads,
                                      .head_dim = config.attention.head_dim,
                                      .element_bytes = 4};
  const auto attending = static_cast<double>(config.attention_layers());
  const auto recurring = static_cast<double>(config.recurrent_layers());
  const methods::RecurrentLayer recurrent{
      .state = Bytes{static_cast<double>(config.mamba.state_bytes())},
      .saved_every = Tokens{saved_every}};
  for (const TurnRecord& turn : record.turns) {
    const auto& generation = turn.counts[static_cast<std::size_t>(Stage::kGeneration)];
    const auto& loading = turn.counts[static_cast<std::size_t>(Stage::kLoading)];
    CHECK(generation.tokens == turn.fresh_tokens);
    CHECK(static_cast<double>(generation.attended_pairs) ==
          attending *
              contract->prefill_pairs(layer, Tokens{turn.fresh_tokens}, Tokens{turn.cached_tokens})
                  .least);
    double pairs = 0, bytes = 0;
    const std::int64_t behind = turn.fresh_tokens + turn.cached_tokens;
    for (std::int64_t step = 1; step < std::ssize(turn.output); ++step) {
      pairs += attending * static_cast<double>(layer.query_heads * (behind + step));
      bytes += attending * contract->decode_reads(layer, Tokens{behind + step}).hbm.value() +
               recurring * methods::decode_reads(recurrent).hbm.value();
    }
    CHECK(static_cast<double>(loading.attended_pairs) == pairs);
    CHECK(static_cast<double>(loading.bytes_read) == bytes);
    // Allocated are whole pages.
    const double kept = attending * contract->kept_bytes(layer, Tokens{behind}).value();
    const std::int64_t page = bench.model.model->options().page_tokens;
    const double rounded =
        kept / static_cast<double>(behind) * static_cast<double>((behind + page - 1) / page * page);
    CHECK(static_cast<double>(turn.cache_bytes) ==
          rounded + recurring * methods::kept_bytes(recurrent, Tokens{behind}).value());
  }
}

TEST_CASE("full attention agrees with itself, and a reference costs no decoding",
          "[exec][session]") {
  Bench bench;
  const TokenSession session = some_session(bench, SessionMode::kMultiTurn);
  const SessionRecord reference = bench.run(session, {.keep_logits = true, .decode = false});
  std::vector<at::Tensor> logits;
  for (const TurnRecord& turn : reference.turns) {
    CHECK(turn.output.empty());
    logits.push_back(turn.target_logits);
  }
  const SessionRecord record = bench.run(session, {.reference = &logits});
  for (std::size_t t = 0; t < record.turns.size(); ++t) {
    CHECK(record.turns[t].agreement->tokens == std::ssize(session.turns[t].golden));
    CHECK(record.turns[t].agreement->agreed == record.turns[t].agreement->tokens);
    CHECK(record.turns[t].agreement->kl_sum == 0);
    CHECK(record.turns[t].likelihood->nats == reference.turns[t].likelihood->nats);
  }
}

TEST_CASE("an answer ends at its stop, at its limit, and is heard as it is said",
          "[exec][session]") {
  Bench bench;
  TokenSession session = some_session(bench, SessionMode::kMultiRequest);
  session.turns.resize(1);
  session.turns[0].max_new_tokens = 12;
  std::string heard;
  SessionOptions options;
  options.on_text = [&](std::size_t, std::string_view text) { heard += text; };
  const TurnRecord free = bench.run(session, options).turns[0];
  CHECK(heard == free.text);
  CHECK(free.output.size() <= 12);
  CHECK(free.reached_limit ==
        (free.output.size() == 12 && !bench.model.tokenizer.is_end(free.output.back())));
  REQUIRE(free.text.size() > 4);
  session.turns[0].stops = {free.text.substr(3, 2)};
  const TurnRecord stopped = bench.run(session).turns[0];
  CHECK(stopped.text == free.text.substr(0, free.text.find(session.turns[0].stops[0])));
  CHECK(stopped.reached_stop);
  CHECK(stopped.output.size() <= free.output.size());
}

TEST_CASE("a session runs the same twice and leaves nothing behind", "[exec][session]") {
  Bench bench(GENERATE(TinyFamily::kLlama, TinyFamily::kMamba2, TinyFamily::kJamba), 16);
  const TokenSession session = some_session(bench, SessionMode::kMultiTurn);
  const SessionRecord one = bench.run(session), two = bench.run(session);
  for (std::size_t t = 0; t < one.turns.size(); ++t) {
    CHECK(one.turns[t].output == two.turns[t].output);
    CHECK(one.turns[t].likelihood->nats == two.turns[t].likelihood->nats);
  }
  CHECK(bench.model.model->memory().live_bytes() == 0);
}

}  // namespace
}  // namespace scsim::exec
