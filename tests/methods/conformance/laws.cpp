#include "tests/methods/conformance/laws.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "exec/session/calibrate.h"
#include "exec/session/run_session.h"
#include "tests/exec/session/untimed.h"
#include "tests/methods/conformance/subject.h"
#include "tests/support/temporary_folder.h"

namespace scsim::test {
namespace {

using exec::KvCache;
using methods::MethodEntry;
using methods::PairBounds;

constexpr SessionMode kModes[] = {SessionMode::kMultiTurn, SessionMode::kMultiRequest};
const char* mode_name(SessionMode mode) {
  return mode == SessionMode::kMultiTurn ? "multi-turn" : "multi-request";
}

// Logits of a tiny model are of order 1; sums of float32 in another order move them by less.
constexpr double kSame = 1e-4;
// Where keys are kept in few bits, one that lies between two codes may then fall to the other.
double same(const Subject& subject) {
  const methods::AttentionLayer layer = subject.layer(0);
  return subject.contract->bits_per_element(layer) < 8 * layer.element_bytes ? 5e-3 : kSame;
}
const std::vector<std::int64_t> kContexts = {1, 7, 40, 150, 290};

// Calls use(prompt, cache, prompts before) for every prompt of a session of `context` tokens, as
// the method rewrites it, in the order in which they meet the caches: prefill it there.
template <class Use>
void each_prompt(Subject& subject, std::int64_t context, SessionMode mode, const Use& use) {
  const Script script = some_script(context);
  KvCache cache = subject.model.make_cache();
  std::vector<Tokens> before;
  if (mode == SessionMode::kMultiRequest) {
    const Ids first = subject.first_prompt(script.context, cache, context);
    use(first, cache, before);
    before.push_back(Tokens{std::ssize(first)});
    for (const Script::Turn& turn : script.turns) {
      KvCache fork = cache.fork();
      use(subject.later_prompt(turn.question), fork, before);
    }
    return;
  }
  Ids prompt = script.context;
  for (const Script::Turn& turn : script.turns) {
    prompt.insert(prompt.end(), turn.question.begin(), turn.question.end());
    prompt = before.empty() ? subject.first_prompt(prompt, cache, context)
                            : subject.later_prompt(prompt);
    use(prompt, cache, before);
    before.push_back(Tokens{std::ssize(prompt)});
    prompt = turn.answer;
  }
}

void keeps_the_bytes_of_its_contract(const MethodEntry& entry) {
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    // What subjects before this one remember.
    const std::int64_t others = subject.model.memory().live_bytes();
    for (const SessionMode mode : kModes) {
      for (const std::int64_t context : kContexts) {
        INFO(subject.title << ", " << mode_name(mode) << ", context of " << context);
        each_prompt(
            subject, context, mode,
            [&](const Ids& prompt, KvCache& cache, std::vector<Tokens> prompts) {
              Measured measured;
              value(subject.model.prefill(prompt, cache, *subject.runtime, measured.measure));
              prompts.push_back(Tokens{std::ssize(prompt)});
              INFO("prompt " << prompts.size() << " of " << prompt.size() << " tokens");
              CHECK(subject.allocated_bytes(cache) == subject.kept_bytes(prompts));
            });
        CHECK(subject.model.memory().live_bytes() == others + subject.runtime->remembered_bytes());
      }
    }
  }
}

// What attention to all that a layer holds would be, causal: the pairs of a method that drops and
// then attends densely.
double held_pairs(const Subject& subject, const KvCache& cache, std::int64_t layer,
                  std::int64_t fresh) {
  const std::int64_t heads = subject.model.config().attention.query_heads;
  double pairs = 0;
  for (std::int64_t h = 0; h < cache.heads(layer); ++h) {
    const auto held = static_cast<double>(cache.length(layer, h)), n = static_cast<double>(fresh);
    pairs += static_cast<double>(heads / cache.heads(layer)) * (n * held + n * (n + 1) / 2);
  }
  return pairs;
}

void attends_the_pairs_of_its_contract(const MethodEntry& entry) {
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    for (const SessionMode mode : kModes) {
      for (const std::int64_t context : kContexts) {
        INFO(subject.title << ", " << mode_name(mode) << ", context of " << context);
        each_prompt(
            subject, context, mode,
            [&](const Ids& prompt, KvCache& cache, const std::vector<Tokens>& before) {
              INFO("prompt " << before.size() + 1 << " of " << prompt.size() << " tokens");
              Measured measured;
              std::vector<exec::LayerSelection> recorded;
              measured.measure.selections = &recorded;
              const Tokens fresh{std::ssize(prompt)}, cached{cache.tokens_seen()};
              const KvCache untouched = cache.fork();
              value(subject.model.prefill(prompt, cache, *subject.runtime, measured.measure));
              double least = 0, most = 0, exactly = 0;
              for (std::int64_t i = 0; i < subject.layers(); ++i) {
                const methods::AttentionLayer layer = subject.layer(i);
                const PairBounds bounds = subject.contract->prefill_pairs(layer, fresh, cached);
                CHECK(bounds.least <= bounds.most);
                CHECK(bounds.most <= methods::causal_pairs(layer, fresh, cached));
                least += bounds.least;
                most += bounds.most;
                const auto selection = std::ranges::find(recorded, i, &exec::LayerSelection::layer);
                if (selection != recorded.end()) {
                  exactly +=
                      subject.contract->prefill_pairs_given(layer, fresh, cached, selection->heads);
                } else {
                  exactly += bounds.exact() ? bounds.least
                                            : held_pairs(subject, untouched, i, fresh.value());
                }
              }
              double counted = 0;
              for (const exec::StageCounts& stage : measured.counts) {
                counted += static_cast<double>(stage.attended_pairs);
              }
              CHECK(counted == exactly);
              CHECK(counted >= least);
              CHECK(counted <= most);
            });
      }
    }
  }
}

// Of methods that leave the cache as it is and read all of it; what others read is for their own
// tests to say.
void decodes_reading_what_its_contract_says(const MethodEntry& entry) {
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    const methods::DecodeReads first = subject.contract->decode_reads(subject.layer(0), Tokens{10});
    if (subject.contract->compresses() != methods::Compresses::kNever ||
        first.hbm != first.resident) {
      continue;
    }
    INFO(subject.title);
    const Script script = some_script(40);
    KvCache cache = subject.model.make_cache();
    {
      Measured measured;
      const Ids prompt = subject.first_prompt(script.context, cache, std::ssize(script.context));
      value(subject.model.prefill(prompt, cache, *subject.runtime, measured.measure));
    }
    for (const std::int32_t token : script.turns[0].answer) {
      Measured measured;
      value(subject.model.decode(token, cache, *subject.runtime, measured.measure));
      double expected = subject.recurrent_reads();
      for (std::int64_t i = 0; i < subject.layers(); ++i) {
        const methods::DecodeReads reads =
            subject.contract->decode_reads(subject.layer(i), Tokens{cache.tokens_seen()});
        expected += reads.hbm.value() + reads.host.value();
      }
      CHECK(static_cast<double>(measured.of(Stage::kLoading).bytes_read) == expected);
    }
  }
}

void is_full_attention_where_it_says_so(const MethodEntry& entry) {
  for (Subject& subject : subjects(entry, entry.lossless)) {
    Subject full("full", subject.loaded);
    for (const SessionMode mode : kModes) {
      for (const std::int64_t context : kContexts) {
        INFO(subject.title << ", " << mode_name(mode) << ", context of " << context);
        const Script script = some_script(context);
        const auto found = dialogue_logits(subject, script, mode);
        const auto expected = dialogue_logits(full, script, mode);
        REQUIRE(found.size() == expected.size());
        double apart = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
          apart = std::max(apart, distance(found[i], expected[i]));
        }
        CHECK(apart < kSame);
      }
    }
  }
}

// What a sequence of steps leaves of one sequence.
struct Outcome {
  std::vector<at::Tensor> logits;
  double bytes = 0;
};

// Prefills, prefills behind it, and decodes, of several sequences of their own lengths at once.
std::vector<Outcome> run_together(Subject& subject, const std::vector<std::int64_t>& contexts,
                                  std::int64_t& pairs) {
  Measured measured;
  std::vector<Script> scripts;
  std::vector<Ids> firsts, questions;
  std::vector<KvCache> caches;
  for (const std::int64_t context : contexts) {
    scripts.push_back(some_script(context));
    caches.push_back(subject.model.make_cache());
    firsts.push_back(subject.first_prompt(scripts.back().context, caches.back(), context));
    questions.push_back(subject.later_prompt(scripts.back().turns[0].question));
  }
  std::vector<Outcome> outcomes(contexts.size());
  constexpr int kSteps = 5;  // the context, a question, three decoded tokens
  for (int number = 0; number < kSteps; ++number) {
    std::vector<exec::SequenceStep> steps;
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      const std::span<const std::int32_t> answer = scripts[i].turns[0].answer;
      steps.push_back({.tokens = number == 0 ? std::span<const std::int32_t>(firsts[i])
                                 : number == 1
                                     ? std::span<const std::int32_t>(questions[i])
                                     : answer.subspan(static_cast<std::size_t>(number), 1),
                       .cache = &caches[i],
                       .method = subject.runtime.get(),
                       .first_prefill = number == 0,
                       .decode = number > 1});
    }
    const at::Tensor logits = value(subject.model.step(steps, measured.measure));
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      outcomes[i].logits.push_back(logits[static_cast<std::int64_t>(i)]);
    }
  }
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    outcomes[i].bytes = subject.allocated_bytes(caches[i]);
  }
  for (const exec::StageCounts& stage : measured.counts) pairs += stage.attended_pairs;
  return outcomes;
}

void does_in_a_batch_what_it_does_alone(const MethodEntry& entry) {
  const std::vector<std::int64_t> contexts = {37, 1, 290, 150};
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    INFO(subject.title);
    std::int64_t pairs = 0, pairs_alone = 0;
    const std::vector<Outcome> batch = run_together(subject, contexts, pairs);
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      INFO("sequence " << i);
      const Outcome alone = run_together(subject, {contexts[i]}, pairs_alone).front();
      CHECK(batch[i].bytes == alone.bytes);
      for (std::size_t n = 0; n < alone.logits.size(); ++n) {
        CHECK(distance(batch[i].logits[n], alone.logits[n]) < same(subject));
      }
    }
    CHECK(pairs == pairs_alone);
  }
}

void forks_compute_what_separate_runs_compute(const MethodEntry& entry) {
  const Ids context = random_ids(150, "context"), question = random_ids(9, "question9");
  const std::vector<Ids> continuations = {random_ids(20, "one"), random_ids(20, "two")};
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    INFO(subject.title);
    Measured measured;
    const auto prefill = [&](const Ids& ids, KvCache& cache) {
      return value(subject.model.prefill(ids, cache, *subject.runtime, measured.measure));
    };
    const auto decode = [&](std::int32_t token, KvCache& cache) {
      return value(subject.model.decode(token, cache, *subject.runtime, measured.measure));
    };
    const auto prefill_context = [&] {
      KvCache cache = subject.model.make_cache();
      prefill(subject.first_prompt(context, cache, std::ssize(context)), cache);
      return cache;
    };
    KvCache shared = prefill_context();
    const std::int64_t context_tokens = shared.tokens_seen();
    const double shared_bytes = subject.allocated_bytes(shared);
    KvCache forks[] = {shared.fork(), shared.fork()};
    // Two continuations, a token each in turn, so that one would see what the other overwrote; the
    // first asks something more in between.
    std::vector<at::Tensor> of[2];
    for (std::size_t i = 0; i < 20; ++i) {
      for (const std::size_t f : {0, 1}) of[f].push_back(decode(continuations[f][i], forks[f]));
      if (i == 10) of[0].push_back(prefill(subject.later_prompt(question), forks[0]));
    }
    CHECK(subject.allocated_bytes(shared) == shared_bytes);
    CHECK(shared.tokens_seen() == context_tokens);
    for (const std::size_t f : {0, 1}) {
      INFO("fork " << f);
      KvCache separate = prefill_context();
      std::vector<at::Tensor> expected;
      for (std::size_t i = 0; i < 20; ++i) {
        expected.push_back(decode(continuations[f][i], separate));
        if (i == 10 && f == 0)
          expected.push_back(prefill(subject.later_prompt(question), separate));
      }
      CHECK(subject.allocated_bytes(forks[f]) == subject.allocated_bytes(separate));
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(at::equal(of[f][i], expected[i]));
      }
    }
  }
}

void sessions_do_not_meet_in_the_runtime(const MethodEntry& entry) {
  const Script scripts[] = {some_script(290), some_script(40)};
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    for (const SessionMode mode : kModes) {
      INFO(subject.title << ", " << mode_name(mode));
      Dialogue one(subject, scripts[0], mode), other(subject, scripts[1], mode);
      while (!one.done()) {
        one.next_turn();
        other.next_turn();
      }
      const std::vector<at::Tensor>* found[] = {&one.logits(), &other.logits()};
      for (const std::size_t s : {0, 1}) {
        Subject fresh(methods::method_text(subject.choice), subject.loaded);
        const std::vector<at::Tensor> alone = dialogue_logits(fresh, scripts[s], mode);
        REQUIRE(found[s]->size() == alone.size());
        for (std::size_t i = 0; i < alone.size(); ++i) {
          CHECK(at::equal((*found[s])[i], alone[i]));
        }
      }
    }
  }
}

void resumes_a_calibration(const MethodEntry& entry) {
  exec::CalibrateOptions options;
  options.sessions.tasks = {"kv"};
  options.sessions.turns = 2;
  options.sessions.sessions = 2;
  options.sessions.most_new_tokens = 3;
  options.lengths = {300};
  options.modes = {kModes[0], kModes[1]};
  options.commit = "test";
  options.made_by = "a test";
  options.methods = {*methods::parse_method(
      written(entry, entry.small.empty() ? std::string() : entry.small.front()))};
  exec::LoadedModel& model = tiny_models()[0];
  const TemporaryFolder folder;
  const auto measured = [&](const std::string& path) {
    const auto report = exec::calibrate(model, options, path, [](const exec::CalibrateNews&) {});
    INFO((report ? "" : report.error().message));
    REQUIRE(report.has_value());
    Expected<Calibration> calibration = read_calibration(path);
    REQUIRE(calibration.has_value());
    return *std::move(calibration);
  };
  const Calibration whole = measured(folder.file("whole.pb"));
  REQUIRE(whole.sessions.size() == 4);
  {
    Expected<CalibrationWriter> writer =
        CalibrationWriter::open(folder.file("cut.pb"), whole.design, options.made_by);
    REQUIRE(writer.has_value());
    REQUIRE(writer->append(whole.sessions[0]).has_value());
  }
  const Calibration resumed = measured(folder.file("cut.pb"));
  REQUIRE(resumed.sessions.size() == whole.sessions.size());
  for (std::size_t i = 0; i < whole.sessions.size(); ++i) {
    CHECK(exec::untimed(resumed.sessions[i]) == exec::untimed(whole.sessions[i]));
  }
}

exec::SessionRecord session_record(Subject& subject, const exec::TokenSession& session) {
  const std::unique_ptr<exec::Timeline> timeline = exec::wall_timeline();
  exec::SessionOptions options;
  options.keep_logits = true;
  auto record = exec::run_session(subject.model, subject.loaded.tokenizer, *timeline, session,
                                  *subject.runtime, options);
  INFO((record ? "" : record.error().message));
  REQUIRE(record.has_value());
  return *std::move(record);
}

// Sessions as exec/session runs them, where there is little or nothing to hold on to: contexts of
// one token and of less than any budget, a question of no tokens.
void runs_the_shortest_sessions(const MethodEntry& entry) {
  for (Subject& subject : subjects(entry, every_setting(entry))) {
    // What subjects before this one remember.
    const std::int64_t others = subject.model.memory().live_bytes();
    const std::string setting = methods::method_text(subject.choice);
    const bool lossless = std::ranges::any_of(entry.lossless, [&](const std::string& text) {
      return methods::method_text(*methods::parse_method(written(entry, text))) == setting;
    });
    for (const SessionMode mode : kModes) {
      for (const std::int64_t context : {1, 5, 40}) {
        INFO(subject.title << ", " << mode_name(mode) << ", context of " << context);
        exec::TokenSession session{
            .mode = mode, .context = {}, .turns = {}, .whole_prompts = false};
        for (const std::int64_t question : {0, 3, 0}) {
          exec::TokenTurn turn;
          turn.prompt = random_ids(question, "short");
          turn.golden = random_ids(4, "golden");
          turn.max_new_tokens = 4;
          session.turns.push_back(turn);
        }
        const Ids ids = random_ids(context, "context");
        if (mode == SessionMode::kMultiRequest) {
          session.context = ids;
          session.documents = some_documents(context);
        } else {
          session.turns[0].prompt = ids;
          session.turns[0].documents = some_documents(context);
          session.turns[1].golden.clear();  // so that the third prompt is the second's again
        }
        const exec::SessionRecord record = session_record(subject, session);
        REQUIRE(record.turns.size() == 3);
        std::optional<exec::SessionRecord> expected;
        if (lossless) {
          Subject full("full", subject.loaded);
          expected = session_record(full, session);
        }
        for (std::size_t t = 0; t < 3; ++t) {
          INFO("turn " << t);
          const exec::TurnRecord& turn = record.turns[t];
          CHECK(turn.fresh_tokens >= 1);
          CHECK(!turn.output.empty());
          CHECK(turn.cache_bytes > 0);
          if (session.turns[t].golden.empty()) continue;
          CHECK(turn.target_logits.isfinite().all().item<bool>());
          if (!expected) continue;
          CHECK(distance(turn.target_logits, expected->turns[t].target_logits) < kSame);
        }
        CHECK(subject.model.memory().live_bytes() == others + subject.runtime->remembered_bytes());
      }
    }
  }
}

void takes_prompts_in_chunks_if_its_contract_allows(const MethodEntry& entry) {
  for (const std::string& setting : every_setting(entry)) {
    const std::string method = written(entry, setting);
    Subject whole(method, tiny_models()[0]), chunks(method, tiny_model_in_chunks());
    if (!whole.contract->allows_chunked_prefill()) continue;
    for (const SessionMode mode : kModes) {
      INFO(whole.title << ", " << mode_name(mode));
      const Script script = some_script(290);
      const auto found = dialogue_logits(chunks, script, mode);
      const auto expected = dialogue_logits(whole, script, mode);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(distance(found[i], expected[i]) < same(whole));
      }
    }
  }
}

}  // namespace

std::span<const Law> laws() {
  static const Law all[] = {
      {"keeps the bytes that its contract says", keeps_the_bytes_of_its_contract},
      {"attends the pairs that its contract says, given what it chose",
       attends_the_pairs_of_its_contract},
      {"a decode step that reads the whole cache reads what its contract says",
       decodes_reading_what_its_contract_says},
      {"is full attention at the settings that are lossless", is_full_attention_where_it_says_so},
      {"sequences in a batch get what each gets alone", does_in_a_batch_what_it_does_alone},
      {"a fork computes what a separate run computes", forks_compute_what_separate_runs_compute},
      {"a session that others come in between goes on as one alone",
       sessions_do_not_meet_in_the_runtime},
      {"a calibration cut short and resumed ends as one in one piece", resumes_a_calibration},
      {"runs contexts of one token and questions of none", runs_the_shortest_sessions},
      {"takes prompts in chunks if its contract allows it",
       takes_prompts_in_chunks_if_its_contract_allows},
  };
  return all;
}

}  // namespace scsim::test
