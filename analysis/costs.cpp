#include "analysis/costs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "analysis/request_times.h"
#include "analysis/summary_parts.h"

namespace scsim::analysis {
namespace {

constexpr double kNs = 1e-9, kHour = 3600, kGib = 1024.0 * 1024 * 1024;

// Divides a whole number in proportion to weights that come one by one: the parts add up to it.
class Division {
 public:
  Division() = default;
  Division(std::int64_t whole, double weights) : whole_(whole), weights_(weights) {}
  // REQUIRES: the weights sum, in this order, to what was said.
  std::int64_t next(double weight) {
    seen_ += weight;
    const std::int64_t upto =
        seen_ >= weights_ ? whole_ : std::llround(static_cast<double>(whole_) * (seen_ / weights_));
    const std::int64_t part = upto - given_;
    given_ = upto;
    return part;
  }

 private:
  std::int64_t whole_ = 0, given_ = 0;
  double weights_ = 0, seen_ = 0;
};

class AmountDivision {
 public:
  AmountDivision() = default;
  AmountDivision(const Amount& whole, double weights)
      : energy_(whole.microjoules, weights), money_(whole.nanodollars, weights) {}
  Amount next(double weight) { return {energy_.next(weight), money_.next(weight)}; }

 private:
  Division energy_, money_;
};

std::int64_t micro(double joules) { return std::llround(joules * 1e6); }
std::int64_t nano(double dollars) { return std::llround(dollars * 1e9); }

// An engine's seconds by who is to bear them.
struct EngineTime {
  double prefill = 0, decode = 0, idle = 0;  // overhead is in the first two
};

EngineTime time_of(const EngineResult& engine) {
  const auto seconds = [&](Stage stage) {
    return static_cast<double>(engine.stage_ns[static_cast<std::size_t>(stage)]) * kNs;
  };
  double busy = 0;
  for (const std::int64_t ns : engine.stage_ns) busy += static_cast<double>(ns) * kNs;
  const double prefill = seconds(Stage::kGeneration) + seconds(Stage::kCompression);
  const double decode = seconds(Stage::kDecode) + seconds(Stage::kLoading);
  const double part = prefill + decode > 0 ? prefill / (prefill + decode) : 1;
  return {part * busy, (1 - part) * busy, static_cast<double>(engine.idle_ns) * kNs};
}

class Attribution {
 public:
  Attribution(const Result& result, Costs& costs) : result_(result), costs_(costs) {}

  void run(std::vector<Amount>& of_requests) {
    of_requests.assign(result_.requests.size(), {});
    take_engines();
    share_active(of_requests);
    take_tiers_and_links();
    share_rest(of_requests);
  }

 private:
  // An engine's requests by what it did for them.
  struct OfEngine {
    EngineTime time;
    double prompt_tokens = 0, output_tokens = 0;
    Amount active;
    double weights = 0;  // of its requests, GPU seconds
  };

  const EngineResult& engine(std::size_t place) const { return result_.engines[place]; }
  bool known(const RequestResult& r) const {
    return r.engine >= 0 && static_cast<std::size_t>(r.engine) < engines_.size();
  }

  void part(std::string_view name, const Amount& amount) {
    if (amount == Amount{}) return;
    costs_.total += amount;
    for (CostShare& there : costs_.parts) {
      if (there.name == name) {
        there.amount += amount;
        return;
      }
    }
    costs_.parts.push_back({.name = std::string(name), .amount = amount});
  }

  double computed_tokens(std::size_t request) const {
    return static_cast<double>(analysis::computed_tokens(result_, request));
  }
  static double generated_tokens(const RequestResult& r) {
    return static_cast<double>(r.output_tokens);
  }

  // The engine that computed its prompt. REQUIRES: its own is known.
  std::size_t prompt_engine(std::size_t request) const {
    const bool elsewhere = request < result_.transfers.size() &&
                           result_.transfers[request].local == TransferResult::Local::kNo &&
                           result_.transfers[request].prefill_engine >= 0;
    return static_cast<std::size_t>(elsewhere ? result_.transfers[request].prefill_engine
                                              : result_.requests[request].engine);
  }

  // GPU seconds that a request used of an engine, were they shared by tokens; of one, or of the one
  // that computed its prompt and the one that answered. REQUIRES: its own is known.
  struct Use {
    std::size_t engine;
    double seconds;
  };
  std::array<Use, 2> uses(std::size_t request) const {
    const RequestResult& r = result_.requests[request];
    const std::size_t prompt = prompt_engine(request), answer = static_cast<std::size_t>(r.engine);
    const OfEngine &first = engines_[prompt], &second = engines_[answer];
    double prefill = 0, decode = 0;
    if (first.prompt_tokens > 0)
      prefill = first.time.prefill * computed_tokens(request) / first.prompt_tokens;
    if (second.output_tokens > 0)
      decode = second.time.decode * generated_tokens(r) / second.output_tokens;
    if (prompt == answer)
      return {Use{answer, (prefill + decode) * engine(answer).gpus}, {answer, 0}};
    return {Use{prompt, prefill * engine(prompt).gpus}, {answer, decode * engine(answer).gpus}};
  }
  double weight(std::size_t request) const {
    if (!known(result_.requests[request])) return 0;
    const std::array<Use, 2> both = uses(request);
    return both[0].seconds + both[1].seconds;
  }

  void take_engines() {
    const double building = std::max(result_.pue, 1.0) - 1;
    for (const EngineResult& e : result_.engines) {
      OfEngine& of = engines_.emplace_back();
      of.time = time_of(e);
      const double busy = of.time.prefill + of.time.decode, idle = of.time.idle;
      const double rate = e.price_per_gpu_hour * e.gpus / kHour;
      const Amount gpus_active{micro(e.watts.gpu_active * busy), nano(rate * busy)};
      const double down = static_cast<double>(e.down_ns) * kNs;  // paid for, drawing nothing
      const Amount gpus_idle{micro(e.watts.gpu_idle * idle), nano(rate * (idle + down))};
      const Amount host_active{micro(e.watts.host_active * busy), 0};
      const Amount host_idle{micro(e.watts.host_idle * idle), 0};
      const auto share = [&](const Amount& of_it) {
        return Amount{micro(of_it.joules() * building), 0};
      };
      part("GPUs in steps", gpus_active);
      part("idle GPUs", gpus_idle);
      part("hosts", host_active);
      part("hosts", host_idle);
      for (const Amount& amount : {gpus_active, host_active}) {
        part("building", share(amount));
        (of.active += amount) += share(amount);
      }
      Amount& standing = idle_of_pool_[e.pool];
      for (const Amount& amount : {gpus_idle, host_idle}) {
        part("building", share(amount));
        (standing += amount) += share(amount);
      }
    }
  }

  void share_active(std::vector<Amount>& of_requests) {
    for (std::size_t i = 0; i < of_requests.size(); ++i) {
      const RequestResult& r = result_.requests[i];
      if (!known(r)) continue;
      engines_[prompt_engine(i)].prompt_tokens += computed_tokens(i);
      engines_[static_cast<std::size_t>(r.engine)].output_tokens += generated_tokens(r);
    }
    for (std::size_t i = 0; i < of_requests.size(); ++i) {
      const RequestResult& r = result_.requests[i];
      if (!known(r)) continue;
      for (const Use& use : uses(i)) engines_[use.engine].weights += use.seconds;
    }
    std::vector<AmountDivision> divisions;
    for (std::size_t e = 0; e < engines_.size(); ++e) {
      divisions.emplace_back(engines_[e].active, engines_[e].weights);
      // Of what it did for nobody in particular, as of its idle time.
      if (engines_[e].weights <= 0) idle_of_pool_[engine(e).pool] += engines_[e].active;
    }
    for (std::size_t i = 0; i < of_requests.size(); ++i) {
      const RequestResult& r = result_.requests[i];
      if (!known(r)) continue;
      for (const auto& [e, seconds] : uses(i))
        if (seconds > 0) of_requests[i] += divisions[e].next(seconds);
    }
  }

  void take_tiers_and_links() {
    for (const TierResult& tier : result_.tiers) {
      const double hours = costs_.run_seconds / kHour;
      const Amount amount{0, nano(static_cast<double>(tier.capacity_bytes) / kGib * hours *
                                  tier.price_per_gib_hour)};
      part("tier " + tier.name, amount);
      by_tenants(amount, tier.charged_byte_seconds);
    }
    for (const LinkResult& link : result_.links) {
      const Amount amount{0, nano(static_cast<double>(link.bytes) * 1e-9 * link.price_per_gb)};
      part("links", amount);
      by_tenants(amount, {link.bytes_by_tenant.begin(), link.bytes_by_tenant.end()});
    }
  }

  // To tenants with requests, by weights; or to everybody.
  void by_tenants(const Amount& amount, const std::vector<double>& weights) {
    const auto weight_of = [&](std::size_t tenant) {
      return tenant < weights.size() && tenant < of_tenant_.size() &&
                     of_tenant_[tenant].requests > 0
                 ? weights[tenant]
                 : 0;
    };
    count_tenants();
    double sum = 0;
    for (std::size_t t = 0; t < weights.size(); ++t) sum += weight_of(t);
    if (sum <= 0) {
      rest_ += amount;
      return;
    }
    AmountDivision division(amount, sum);
    for (std::size_t t = 0; t < weights.size(); ++t)
      if (weight_of(t) > 0) of_tenant_[t].amount += division.next(weight_of(t));
  }

  void count_tenants() {
    if (!of_tenant_.empty()) return;
    for (const RequestResult& r : result_.requests) {
      if (r.tenant >= of_tenant_.size()) of_tenant_.resize(r.tenant + std::size_t{1});
      ++of_tenant_[r.tenant].requests;
    }
  }

  void share_rest(std::vector<Amount>& of_requests) {
    // By pool, or to everybody where a pool did nothing.
    std::map<std::string, double> used;
    double all = 0;
    for (std::size_t i = 0; i < of_requests.size(); ++i) {
      const double seconds = weight(i);
      if (seconds <= 0) continue;
      for (const Use& use : uses(i))
        if (use.seconds > 0) used[engine(use.engine).pool] += use.seconds;
      all += seconds;
    }
    std::map<std::string, AmountDivision> of_pool;
    for (const auto& [pool, amount] : idle_of_pool_) {
      if (used.contains(pool))
        of_pool.emplace(pool, AmountDivision(amount, used[pool]));
      else
        rest_ += amount;
    }
    const double evenly = static_cast<double>(of_requests.size());
    AmountDivision of_all(rest_, all > 0 ? all : evenly);
    std::vector<AmountDivision> of_tenants;
    for (const CostShare& tenant : of_tenant_)
      of_tenants.emplace_back(tenant.amount, static_cast<double>(tenant.requests));
    for (std::size_t i = 0; i < of_requests.size(); ++i) {
      const RequestResult& r = result_.requests[i];
      const double seconds = weight(i);
      if (seconds > 0) {
        for (const Use& use : uses(i)) {
          const auto place = of_pool.find(engine(use.engine).pool);
          if (use.seconds > 0 && place != of_pool.end())
            of_requests[i] += place->second.next(use.seconds);
        }
      }
      if (all <= 0 || seconds > 0) of_requests[i] += of_all.next(all > 0 ? seconds : 1);
      if (!of_tenants.empty()) of_requests[i] += of_tenants[r.tenant].next(1);
    }
  }

  const Result& result_;
  Costs& costs_;
  std::vector<OfEngine> engines_;
  std::map<std::string, Amount> idle_of_pool_;
  Amount rest_;                       // for everybody
  std::vector<CostShare> of_tenant_;  // for the requests of each
};

}  // namespace

Costs attribute_costs(const Result& result, std::vector<Amount>* of_requests) {
  Costs costs;
  costs.has_energy = result.pue > 0 && !result.engines.empty();
  costs.has_dollars =
      !result.engines.empty() && std::ranges::all_of(result.engines, [](const EngineResult& e) {
        return e.price_per_gpu_hour > 0;
      });
  costs.grams_co2_per_kwh = result.grams_co2_per_kwh;
  costs.run_seconds = result.end.seconds().value();
  if (!costs.has_energy && !costs.has_dollars) return costs;
  std::vector<Amount> amounts;
  Attribution(result, costs).run(amounts);
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    const RequestResult& r = result.requests[i];
    if (r.tenant >= costs.tenants.size()) costs.tenants.resize(r.tenant + std::size_t{1});
    CostShare& tenant = costs.tenants[r.tenant];
    ++tenant.requests;
    tenant.amount += amounts[i];
    if (finished(r)) ++tenant.finished, ++costs.finished;
  }
  for (std::size_t t = 0; t < costs.tenants.size(); ++t)
    costs.tenants[t].name = tenant_name(result, t);
  std::erase_if(costs.tenants, [](const CostShare& tenant) { return tenant.requests == 0; });
  costs.requests = static_cast<std::int64_t>(amounts.size());
  if (of_requests != nullptr) *of_requests = std::move(amounts);
  return costs;
}

const std::vector<Definition>& cost_definitions() {
  static const std::vector<Definition> kDefinitions = {
      {"energy",
       "of the whole run: what GPUs and hosts draw in a step and idle, times pue; a request bears "
       "its engine's seconds of prefill by the prompt tokens computed for it and those of decoding "
       "by its generated tokens, and of the pool's idle time as much as of its used GPU seconds"},
      {"cost of shared blocks",
       "whoever computes a block bears that, and whoever finds it nothing; keeping it in a tier is "
       "borne by the tenants for which it was kept (see charged); a link's price by the bytes that "
       "a tenant's requests moved; tenants add up to the cluster exactly"},
      {"CO2", "energy times the given intensity of the electricity"},
  };
  return kDefinitions;
}

}  // namespace scsim::analysis
