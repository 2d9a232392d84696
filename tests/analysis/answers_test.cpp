#include "analysis/answers.h"

#include <catch2/catch.hpp>

#include "analysis/summary.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

Window whole() { return {at(0), at(100), at(0), at(100), true}; }

// One engine of two GPUs, four dollars a GPU-hour; requests of one tenant and task "kv".
Result result_of(std::vector<RequestResult> requests) {
  Result result;
  result.tables.tenants = {{TenantId(0), "a", ""}};
  result.tables.tasks = {"kv", "other"};
  result.slos = {{SloId(0), "fast", Duration(2'000'000'000), {}, {}}};
  result.engines.resize(1);
  result.engines[0].gpus = 2;
  result.engines[0].price_per_gpu_hour = 4;
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].request = i;
  result.requests = std::move(requests);
  return result;
}

RequestResult request(std::uint64_t session, std::uint32_t turn, std::int64_t prompt,
                      double first_token = 1) {
  RequestResult r = finished_request(0.5, 0.6, first_token, 5, 10);
  r.session = session, r.turn = turn, r.prompt_tokens = prompt;
  r.engine = 0;
  return r;
}

AccuracyCell cell(SessionMode mode, int turn, std::int64_t tokens, double score, int method = 0) {
  return {.method = method,
          .task = "kv",
          .mode = mode,
          .turn = turn,
          .tokens = tokens,
          .sessions = 50,
          .strict = score,
          .compat = score};
}

Profile profile() {
  Profile p;
  p.design.methods = {{"full", "", {}, false}, {"snapkv", "", {}, false}};
  p.accuracy = {cell(SessionMode::kMultiTurn, 0, 1000, 0.9),
                cell(SessionMode::kMultiTurn, 0, 2000, 0.5),
                cell(SessionMode::kMultiTurn, 1, 1000, 0.4),
                cell(SessionMode::kMultiRequest, 1, 1000, 0.8),
                cell(SessionMode::kMultiTurn, 0, 1000, 0.3, 1),
                cell(SessionMode::kMultiRequest, 0, 1000, 0.1, 1)};
  return p;
}

MethodOf full() {
  return [](const RequestResult&) { return AnsweredBy{"full", 0, true}; };
}
MethodOf compressing() {
  return [](const RequestResult&) { return AnsweredBy{"snapkv", 1, false}; };
}

double correct(const Result& result, const MethodOf& by) {
  return expected_answers(result, whole(), profile(), by).all.correct;
}

}  // namespace

TEST_CASE("an answer is as likely right as its method was at its task, turn and length",
          "[analysis][answers]") {
  CHECK(correct(result_of({request(1, 0, 1000)}), full()) == Approx(0.9));
  CHECK(correct(result_of({request(1, 0, 1050)}), full()) > 0.85);          // between two lengths
  CHECK(correct(result_of({request(1, 0, 2100)}), full()) == Approx(0.5));  // within 10 % of it
  // The second turn of a conversation: its prompt contains the first prompt and answer.
  CHECK(correct(result_of({request(1, 0, 1000), request(1, 1, 1040)}), full()) ==
        Approx(0.9 + 0.4));
  // A second question about the same context, by itself.
  CHECK(correct(result_of({request(1, 0, 1000), request(1, 1, 1000)}), full()) ==
        Approx(0.9 + 0.8));
  // A method that compresses has every such question in view as its first.
  CHECK(correct(result_of({request(1, 0, 1000), request(1, 1, 1000)}), compressing()) ==
        Approx(0.3 + 0.3));
  // On a cache that others left it has not.
  Result lossy = result_of({request(1, 0, 1000)});
  lossy.fetches.resize(1);
  lossy.fetches[0].found_lossy_tokens = 900;
  CHECK(correct(lossy, compressing()) == Approx(0.1));
}

TEST_CASE("what was not measured is left out and listed", "[analysis][answers]") {
  Result result = result_of({request(1, 0, 1000), request(2, 0, 5000), request(3, 0, 1000)});
  result.requests[2].task = 1;
  const Answers answers = expected_answers(result, whole(), profile(), full());
  CHECK(answers.all.requests == 1);
  CHECK(answers.left_out.at("kv, full") == 1);  // too long
  CHECK(answers.left_out.at("other, full") == 1);
  const MethodOf unknown = [](const RequestResult&) { return AnsweredBy{"quest", {}, true}; };
  const Answers none = expected_answers(result, whole(), profile(), unknown);
  CHECK(none.all.requests == 0);
  CHECK(answers_text(none).find("Accuracy unknown and left out: 3 requests") == 0);
  Summary summary;
  summary.honesty = {"accuracy unknown: no accuracy was measured for this model and method"};
  set_answers(none, summary);
  CHECK(summary.honesty.size() == 1);
  set_answers(answers, summary);
  CHECK(summary.honesty.empty());
}

TEST_CASE("late answers are not counted, and rows add up to the whole", "[analysis][answers]") {
  const Result result = result_of({request(1, 0, 1000), request(2, 0, 1000, 4)});  // TTFT 3.5 s
  const MethodOf by = [](const RequestResult& r) {
    return AnsweredBy{r.session == 1 ? "full" : "snapkv", r.session == 1 ? 0 : 1, true};
  };
  const Answers answers = expected_answers(result, whole(), profile(), by);
  CHECK(answers.all.requests == 2);
  CHECK(answers.all.within == 1);
  CHECK(answers.all.correct == Approx(0.9));
  CHECK(answers.gpu_hours == Approx(2 * 100 / 3600.0));
  CHECK(answers.all.per_gpu_hour == Approx(0.9 / answers.gpu_hours));
  CHECK(*answers.dollars == Approx(answers.gpu_hours * 4));
  REQUIRE(answers.methods.size() == 2);
  CHECK(answers.methods[0].correct + answers.methods[1].correct == Approx(answers.all.correct));
  CHECK(answers_table(answers).find("snapkv") != std::string::npos);
}

TEST_CASE("intervals are as wide as the measured sessions leave the accuracy open",
          "[analysis][answers]") {
  const Result result = result_of({request(1, 0, 1000)});
  Answers answers = expected_answers(result, whole(), profile(), full());
  std::vector<Answers> draws;
  for (std::uint64_t draw = 1; draw <= 400; ++draw)
    draws.push_back(redrawn(answers, profile(), draw));
  CHECK(draws[6].all.correct == redrawn(draws[3], profile(), 7).all.correct);
  CHECK(draws[6].all.correct != draws[5].all.correct);
  CHECK(redrawn(draws[6], profile(), 0).all.correct == answers.all.correct);
  set_intervals(answers, draws);
  // 45 right of 50: Jeffreys' interval is 0.794 to 0.962.
  CHECK(answers.all.low * answers.gpu_hours == Approx(0.794).margin(0.02));
  CHECK(answers.all.high * answers.gpu_hours == Approx(0.962).margin(0.02));
}

}  // namespace scsim::analysis
