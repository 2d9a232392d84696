#include "tests/sim/random_scheduling.h"

#include <algorithm>

namespace scsim::test {
namespace {

using sim::EngineKnobs;

template <class T>
T any_of(Rng& rng, std::initializer_list<T> choices) {
  return choices.begin()[rng.below(choices.size())];
}

EngineKnobs random_knobs(Rng& rng) {
  EngineKnobs knobs;
  knobs.block_tokens = any_of<std::int64_t>(rng, {1, 2, 3, 4, 8, 16});
  knobs.max_batched_tokens = any_of<std::int64_t>(rng, {4, 9, 16, 40, 100, 1000});
  knobs.max_sequences = any_of<std::int64_t>(rng, {1, 2, 4, 8, 64});
  if (rng.chance(0.3)) knobs.order = EngineKnobs::Order::kPriority;
  if (rng.chance(0.25)) knobs.batching = EngineKnobs::Batching::kPrefillFirst;
  if (rng.chance(0.1)) knobs.chunked_prefill = false;
  if (rng.chance(0.2)) knobs.long_prefill_threshold = between(rng, 1, 20);
  if (rng.chance(0.2)) knobs.prefill_interval = between(rng, 2, 9);
  if (rng.chance(0.3)) knobs.watermark = any_of(rng, {0.01, 0.1, 0.3});
  if (rng.chance(0.3)) knobs.reserve_full_prompt = false;
  if (rng.chance(0.3)) knobs.reserve_output = any_of(rng, {0.3, 0.7, 1.0});
  if (rng.chance(0.1)) knobs.prefix_caching = false;
  if (rng.chance(0.2)) knobs.cache_outputs = false;
  if (rng.chance(0.2)) knobs.share_duplicates = true;
  if (rng.chance(0.4))
    knobs.visible = any_of(rng, {EngineKnobs::Visible::kComputed, EngineKnobs::Visible::kFinished});
  if (rng.chance(0.2)) knobs.preemption = EngineKnobs::Preemption::kSwap;
  return knobs;
}

// Contents 0..3 are documents, 10 + i the answer of request i, 1000 + i its question.
void random_prompt(Rng& rng, std::int64_t longest, std::vector<RandomRequest>& requests) {
  const std::uint64_t number = requests.size();
  RandomRequest& request = requests.emplace_back();
  request.output = ContentId(10 + number);
  const std::uint64_t kind = rng.below(10);
  if (number > 0 && kind < 4) {
    const RandomRequest& before =
        requests[number - 1 - rng.below(std::min<std::uint64_t>(number, 5))];
    request.prompt = before.prompt;
    if (kind < 2) {  // quotes its answer: finished, under way, or not begun
      request.prompt.push_back(
          {before.output, Tokens(0), Tokens(between(rng, 1, before.output_tokens + 2))});
    } else if (kind == 2 && rng.chance(0.5)) {  // asks the same and is answered the same
      request.output = before.output;
      return;
    }
  } else if (kind < 8) {
    request.prompt.push_back(span(rng.below(4), 0, between(rng, 1, longest)));
  }
  if (request.prompt.empty() || rng.chance(0.7))
    request.prompt.push_back(span(1000 + number, 0, between(rng, 1, longest)));
}

}  // namespace

RandomScheduling random_scheduling(Rng& rng) {
  RandomScheduling made;
  EngineKnobs& knobs = made.knobs = random_knobs(rng);
  const std::int64_t longest = any_of<std::int64_t>(rng, {3, 20, 60});
  const std::int64_t most_output = any_of<std::int64_t>(rng, {1, 5, 30, 120});
  const std::uint64_t count = 2 + rng.below(25);
  const std::int64_t pause = any_of<std::int64_t>(rng, {0, 1, 3, 40});
  std::int64_t step = 0, largest = 0, longest_prompt = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    random_prompt(rng, longest, made.requests);
    RandomRequest& request = made.requests.back();
    for (const Span& span : request.prompt) request.prompt_tokens += span.count.value();
    request.output_tokens = rng.chance(0.3) ? most_output : between(rng, 1, most_output);
    request.max_tokens = rng.chance(0.2)   ? 0
                         : rng.chance(0.1) ? between(rng, 1, request.output_tokens)
                                           : request.output_tokens + between(rng, 0, 20);
    request.salt = rng.chance(0.9) ? 0 : 1;
    request.priority = static_cast<std::int32_t>(between(rng, 0, 2));
    if (rng.chance(0.7)) step += between(rng, 0, pause);
    request.arrival_step = step;
    if (rng.chance(0.1)) request.cancel_step = step + between(rng, 0, 60);
    longest_prompt = std::max(longest_prompt, request.prompt_tokens);
    largest = std::max(largest, request.prompt_tokens + request.output_tokens);
  }
  // As a cluster's configuration has it: what is not refused fits into the blocks.
  const double room = any_of(rng, {1.0, 1.0, 1.3, 2.0, 5.0, 100.0});
  made.num_blocks =
      static_cast<std::int64_t>(static_cast<double>(largest) * room) / knobs.block_tokens + 1;
  made.max_model_len =
      rng.chance(0.2) ? longest_prompt + between(rng, 1, most_output + 1) : largest + 1;
  made.max_model_len = std::min(made.max_model_len, made.num_blocks * knobs.block_tokens);
  std::erase_if(made.requests, [&](const RandomRequest& request) {
    return request.prompt_tokens >= made.max_model_len;
  });
  if (!knobs.chunked_prefill)
    knobs.max_batched_tokens = std::max(knobs.max_batched_tokens, longest_prompt);
  if (knobs.batching == EngineKnobs::Batching::kMixed)
    knobs.max_sequences = std::min(knobs.max_sequences, knobs.max_batched_tokens);
  for (std::uint64_t windows = rng.below(3); windows > 0; --windows)
    made.windows.push_back(between(rng, 1, 80));
  return made;
}

void add_random_loads(Rng& rng, RandomScheduling& scheduling) {
  scheduling.seed = rng.next();
  scheduling.stored = any_of(rng, {0.2, 0.6, 1.0});
  scheduling.longest_delay = any_of<std::int64_t>(rng, {0, 4, 50});
}

RandomLoad RandomScheduling::load(std::size_t place, std::uint64_t times) const {
  RandomLoad load;
  if (stored == 0) return load;
  Rng rng(seed, "test.load", place * 1000 + times);
  if (!rng.chance(stored)) return load;
  const RandomRequest& request = requests[place];
  load.stored = between(rng, 1, request.prompt_tokens + request.output_tokens);
  load.delay = between(rng, 0, longest_delay);
  if (rng.chance(0.3)) load.delivered = rng.chance(0.3) ? 0 : rng.uniform();
  load.lossy = rng.chance(0.3);
  return load;
}

std::string RandomScheduling::describe() const {
  std::string text =
      "block " + std::to_string(knobs.block_tokens) + " blocks " + std::to_string(num_blocks) +
      " len " + std::to_string(max_model_len) + " budget " +
      std::to_string(knobs.max_batched_tokens) + " sequences " +
      std::to_string(knobs.max_sequences) + " order " +
      std::to_string(static_cast<int>(knobs.order)) + " batching " +
      std::to_string(static_cast<int>(knobs.batching)) + " chunked " +
      std::to_string(knobs.chunked_prefill) + " threshold " +
      std::to_string(knobs.long_prefill_threshold) + " interval " +
      std::to_string(knobs.prefill_interval) + " watermark " + std::to_string(knobs.watermark) +
      " reserve " + std::to_string(knobs.reserve_full_prompt) + " " +
      std::to_string(knobs.reserve_output) + " caching " + std::to_string(knobs.prefix_caching) +
      " outputs " + std::to_string(knobs.cache_outputs) + " share " +
      std::to_string(knobs.share_duplicates) + " visible " +
      std::to_string(static_cast<int>(knobs.visible)) + " preemption " +
      std::to_string(static_cast<int>(knobs.preemption)) + " windows";
  for (const std::int64_t window : windows) text += " " + std::to_string(window);
  text += " stored " + std::to_string(stored) + " delay " + std::to_string(longest_delay);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const RandomRequest& request = requests[i];
    text += "\n  " + std::to_string(i) + " at " + std::to_string(request.arrival_step) + ":";
    for (const Span& span : request.prompt) {
      text += " [" + std::to_string(span.content.value()) + " " +
              std::to_string(span.first.value()) + " " + std::to_string(span.count.value()) + "]";
    }
    text += " out " + std::to_string(request.output.value()) + " x" +
            std::to_string(request.output_tokens) + " max " + std::to_string(request.max_tokens) +
            " salt " + std::to_string(request.salt) + " priority " +
            std::to_string(request.priority);
    if (request.cancel_step) text += " cancelled at " + std::to_string(*request.cancel_step);
  }
  return text;
}

sim::JobSpec job_spec(const RandomRequest& request, std::uint64_t tag) {
  sim::JobSpec spec;
  spec.tag = tag;
  spec.prompt = request.prompt;
  spec.output = request.output;
  spec.output_tokens = request.output_tokens;
  spec.max_tokens = request.max_tokens;
  spec.salt = request.salt;
  spec.priority = request.priority;
  spec.arrival = request.arrival_step;
  spec.tie = tag;
  return spec;
}

}  // namespace scsim::test
