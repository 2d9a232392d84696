// Least cost: the engine that is estimated to give the first token soonest.
//
//   queue      what the prompts before it have still to compute there. An engine says how many
//              prompt tokens wait; which of them it has cached the router knows, for they are the
//              last prompts that it sent there, and only the others take time.
//   transfer   of the prefix that is in a tier the engine reaches and not in its memory: behind the
//              transfers that it already waits for, tier by tier as far as that is sooner than
//              computing
//   recompute  of the rest, at the engine's own speed and with the attention that a long context
//              costs (EngineFacts)
//   decodes    of the running requests, which ride in the same steps
//
// So it balances time where prefix_aware balances tokens: engines may be unlike. Over the two pools
// of examples/two_pools its mean TTFT is 149 ms and the 99th percentile 2.05 s, where
// prefix_aware's are 197 ms and 3.11 s (uncalibrated roofline; that example and two_pools_by_cost).
// What is cached where the router believes from its own decisions (sim/prefix_index.h): one record
// of the engines' memories, one of the tiers' contents. It does not know what a tier's admission,
// time to live or exclusiveness kept out or sent away, nor that engines share a link.
#include <algorithm>
#include <deque>

#include "sim/engine_facts.h"
#include "sim/prefix_index.h"
#include "sim/router.h"

namespace scsim::sim {
namespace {

class LeastCost final : public Router {
 public:
  LeastCost(double queue_weight, double decode_weight)
      : queue_weight_(queue_weight), decode_weight_(decode_weight) {}

  void meet(std::span<const EngineFacts> engines) override {
    facts_.assign(engines.begin(), engines.end());
    for (const EngineFacts& facts : facts_) {
      for (const TierFacts& tier : facts.tiers)
        num_tiers_ = std::max<std::size_t>(num_tiers_, tier.instance + 1);
    }
  }

  std::size_t route(const RoutableRequest& request, std::span<const EngineView> engines) override {
    facts_.resize(engines.size());
    sent_.resize(engines.size());
    index_.match(request.prompt, engines.size(), matched_);
    if (num_tiers_ > 0) tier_index_.match(request.prompt, num_tiers_, tier_matched_);
    std::size_t best = 0;
    Estimate least;
    for (std::size_t step = 1; step <= engines.size(); ++step) {
      const std::size_t place = (last_ + step) % engines.size();
      const Estimate estimate = estimate_at(place, engines[place], request.prompt_tokens);
      if (step == 1 || estimate.seconds < least.seconds) {
        least = estimate;
        best = place;
      }
    }
    sent_[best].add({request.prompt_tokens, least.work});
    const EngineFacts& facts = facts_[best];
    if (facts.keeps_prefixes)
      index_.insert(request.prompt, request.answer, best, engines[best].cache_tokens);
    const ContentId answer = facts.tiers_keep_answers ? request.answer : ContentId{};
    for (const TierFacts& tier : facts.tiers)
      tier_index_.insert(request.prompt, answer, tier.instance, tier.tokens);
    return last_ = best;
  }

 private:
  struct Work {
    double fresh = 0;      // tokens to compute
    double attention = 0;  // seconds on top of them
    double transfer = 0;   // seconds
  };
  struct Estimate {
    double seconds = 0;
    Work work;
  };

  // The prompts that an engine was sent, oldest first, and the sum of what they are.
  struct Sent {
    struct Prompt {
      std::int64_t tokens;
      Work work;
    };
    std::deque<Prompt> prompts;
    std::int64_t tokens = 0;
    Work work;

    void add(const Prompt& prompt) { count(prompts.emplace_back(prompt), 1); }
    // Engines answer in the order of arrival, so what is pending is the last that was sent.
    void keep_last(std::int64_t pending) {
      while (!prompts.empty() && tokens - prompts.front().tokens >= pending) {
        count(prompts.front(), -1);
        prompts.pop_front();
      }
      if (prompts.empty()) work = {};  // not what rounding left
    }
    void count(const Prompt& prompt, int sign) {
      tokens += sign * prompt.tokens;
      work.fresh += sign * prompt.work.fresh;
      work.attention += sign * prompt.work.attention;
      work.transfer += sign * prompt.work.transfer;
    }
  };

  Estimate estimate_at(std::size_t place, const EngineView& view, std::int64_t prompt_tokens) {
    const EngineFacts& facts = facts_[place];
    Sent& sent = sent_[place];
    const std::int64_t pending = view.pending_tokens + view.sent_tokens;
    sent.keep_last(pending);
    // What is not accounted for came from elsewhere; nothing is known of it but its length.
    const double queue =
        queue_weight_ *
        (sent.work.fresh + static_cast<double>(std::max<std::int64_t>(pending - sent.tokens, 0)));
    const double queue_attention = queue_weight_ * sent.work.attention;
    const double decodes =
        decode_weight_ *
        (facts.decode_sequence * static_cast<double>(view.running) +
         facts.decode_context_token * view.used_blocks * static_cast<double>(view.cache_tokens));
    const auto prompt = static_cast<double>(prompt_tokens);
    // With the first `cached` tokens there by then.
    const auto compute = [&](double cached, double transfer) {
      const double fresh = std::max(prompt - cached, 1.0);  // the last one is always computed
      const double attention = attention_seconds(facts, prompt - fresh, fresh);
      const double all = queue + fresh;
      const double steps = 1 + all / static_cast<double>(facts.step_tokens);
      const double waits = transfer > 0 ? queue_weight_ * sent.work.transfer + transfer : 0;
      return Estimate{std::max(facts.step, facts.token * all) + queue_attention + attention +
                          waits + decodes * steps,
                      {fresh, attention, transfer}};
    };
    auto cached = static_cast<double>(matched_[place]);
    double transfer = 0;
    Estimate best = compute(cached, 0);
    for (const TierFacts& tier : facts.tiers) {
      const auto there = std::min(static_cast<double>(tier_matched_[tier.instance]), prompt - 1);
      if (there <= cached) continue;
      transfer += tier.latency + tier.seconds_per_token * (there - cached);
      cached = there;
      const Estimate fetched = compute(cached, transfer);
      if (facts.always_fetches || fetched.seconds < best.seconds) best = fetched;
    }
    return best;
  }

  double queue_weight_, decode_weight_;
  std::vector<EngineFacts> facts_;
  std::size_t num_tiers_ = 0;
  PrefixIndex index_, tier_index_;
  std::vector<std::int64_t> matched_, tier_matched_;
  std::vector<Sent> sent_;  // by engine
  std::size_t last_ = 0;
};

}  // namespace

RouterEntry least_cost_policy() {
  return {{"least_cost",
           "the engine estimated to give the first token soonest: queue, transfer from the tiers "
           "it reaches, and computing the rest, in seconds",
           "Mooncake (arXiv:2407.00079), algorithm 1: queue + transfer + prefill time; prefixes "
           "known from its own decisions",
           {{"queue_weight", 1, 0, 100,
             "what a second of the work before it weighs against one of its own"},
            {"decode_weight", 1, 0, 1000,
             "likewise, of the running requests' part in the steps until then"}}},
          [](const PolicyParameters& parameters, std::uint64_t) {
            return std::make_unique<LeastCost>(parameters.at("queue_weight"),
                                               parameters.at("decode_weight"));
          }};
}

}  // namespace scsim::sim
