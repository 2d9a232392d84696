// Recorded decisions of vLLM's own V1 scheduler, step by step, against this engine's
// (tests/data/vllm_v1/README.md), and what holds of it whatever comes.
#include "exec/engine/scheduler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "traces/files.h"
#include "traces/hash.h"
#include "traces/rng.h"

using namespace scsim;
using namespace scsim::exec;

namespace {

using Json = nlohmann::ordered_json;
const std::filesystem::path kData = std::filesystem::path(SCSIM_SOURCE_DIR) / "tests/data/vllm_v1";

// The same wherever the same place of the same content stands.
std::int32_t token_of(const std::string& content, std::int64_t index) {
  return static_cast<std::int32_t>(hash_text(content, static_cast<std::uint64_t>(index)) >> 33);
}

EngineKnobs knobs_of(const Json& scenario) {
  EngineKnobs knobs;
  knobs.block_tokens = scenario.at("block_size");
  knobs.num_blocks = scenario.at("num_blocks").get<std::int64_t>() - 1;  // vLLM keeps one for null
  knobs.max_batched_tokens = scenario.at("max_num_batched_tokens");
  knobs.max_sequences = scenario.at("max_num_seqs");
  knobs.long_prefill_threshold = scenario.value("long_prefill_token_threshold", 0);
  knobs.watermark = scenario.value("watermark", 0.0);
  knobs.reserve_full_prompt = scenario.value("scheduler_reserve_full_isl", true);
  knobs.prefill_interval = scenario.value("prefill_schedule_interval", 1);
  if (scenario.value("policy", "fcfs") == "priority") knobs.order = EngineKnobs::Order::kPriority;
  return knobs;
}

// The log of a scenario, a line of JSON a step; the last, with totals, is left out.
class Run {
 public:
  explicit Run(const Json& scenario)
      : scheduler_(knobs_of(scenario), scenario.value("max_model_len", 65536), "model") {
    for (const Json& request : scenario.at("requests")) requests_.push_back(request);
    std::ranges::stable_sort(requests_, {}, arrival);
    for (const Json& request : requests_) ranks_[request.at("id")] = 0;
    std::uint64_t rank = 0;
    for (auto& [id, place] : ranks_) place = rank++;
  }

  std::vector<std::string> log() {
    std::vector<std::string> lines;
    std::size_t arrived = 0;
    for (std::int64_t step = 1;
         arrived < requests_.size() || scheduler_.running() + scheduler_.waiting() > 0; ++step) {
      while (arrived < requests_.size() && arrival(requests_[arrived]) <= step) add(arrived++);
      lines.push_back(one_step(step));
      REQUIRE(lines.size() < 100000);
    }
    return lines;
  }

 private:
  static std::int64_t arrival(const Json& request) { return request.at("arrival_step"); }
  std::string id(JobId job) const { return requests_[scheduler_.tag(job)].at("id"); }

  void add(std::size_t index) {
    const Json& request = requests_[index];
    JobSpec spec{.tag = index,
                 .prompt = {},
                 .output_tokens = request.at("output_tokens"),
                 .salt = request.contains("salt") && !request.at("salt").is_null()
                             ? request.at("salt").get<std::string>()
                             : "",
                 .priority = request.value("priority", 0),
                 .arrival = arrival(request),
                 .tie = ranks_.at(request.at("id"))};
    for (const Json& span : request.at("prompt")) {
      const std::int64_t first = span.at(1), count = span.at(2);
      for (std::int64_t i = first; i < first + count; ++i)
        spec.prompt.push_back(token_of(span.at(0), i));
    }
    scheduler_.add(std::move(spec));
  }

  std::string one_step(std::int64_t step) {
    const bool any = scheduler_.plan();
    const Step& planned = scheduler_.step();
    Json line;
    line["step"] = step;
    line["scheduled"] = Json::object();
    std::vector<Scheduler::Sampled> sampled;
    for (const Step::Computed& part : planned.computed) {
      line["scheduled"][id(part.job)] = part.fresh;
      if (!part.samples) continue;
      const std::string output = "out:" + id(part.job);
      sampled.push_back({part.job, token_of(output, scheduler_.produced(part.job))});
    }
    line["new"] = Json::array();
    line["resumed"] = Json::array();
    for (const Step::Admitted& admitted : planned.admitted)
      line[admitted.resumed ? "resumed" : "new"].push_back({id(admitted.job), admitted.found});
    std::vector<std::string> preempted, finished;
    for (const JobId job : planned.preempted) preempted.push_back(id(job));
    std::ranges::sort(preempted);
    line["preempted"] = preempted;
    if (any) {
      for (const JobId job : scheduler_.complete(sampled)) finished.push_back(id(job));
    }
    std::ranges::sort(finished);
    line["finished"] = finished;
    line["free"] = scheduler_.pool().free_blocks();
    return line.dump(-1, ' ', true);
  }

  std::vector<Json> requests_;
  std::map<std::string, std::uint64_t> ranks_;  // of an id among all: the last word on who is first
  Scheduler scheduler_;
};

}  // namespace

TEST_CASE("the engine decides every recorded scenario as vLLM did, line for line",
          "[exec][engine]") {
  int scenarios = 0;
  for (const auto& file : std::filesystem::directory_iterator(kData / "scenarios")) {
    const std::string name = file.path().stem().string();
    INFO(name);
    const auto scenario = read_file(file.path().string());
    const auto recorded = read_file((kData / "logs" / (name + ".jsonl")).string());
    REQUIRE((scenario && recorded));
    const std::vector<std::string> ours = Run(Json::parse(*scenario)).log();
    std::istringstream theirs(*recorded);
    std::size_t line = 0;
    for (std::string text; line < ours.size() && std::getline(theirs, text); ++line) {
      INFO("line " << line + 1);
      REQUIRE(ours[line] == text);
    }
    CHECK(line == ours.size());
    std::string totals;
    std::getline(theirs, totals);
    CHECK(Json::parse(totals).at("steps") == ours.size());
    ++scenarios;
  }
  CHECK(scenarios >= 20);
}

// INV-CONSERVE, INV-PREFIX and INV-ISOLATE, step by step, with little memory and many shared
// beginnings.
TEST_CASE("blocks are conserved and a hit is the content that was asked for", "[exec][engine]") {
  // Remembers for each block what it holds while it can be found.
  class Content final : public Scheduler::Listener {
   public:
    explicit Content(Scheduler& scheduler, std::vector<std::string>& salts)
        : scheduler_(scheduler), salts_(salts) {}
    void evicted(BlockId block, const BlockKey&) override { REQUIRE(holds.erase(block) == 1); }
    void registered(JobId job, std::int64_t number, BlockId block) override {
      REQUIRE(holds.emplace(block, prefix(job, number)).second);
    }
    // All that stands before and in the job's block, and for whom.
    std::string prefix(JobId job, std::int64_t number) const {
      std::string text = salts_[scheduler_.tag(job)];
      for (std::int64_t i = 0; i < (number + 1) * scheduler_.knobs().block_tokens; ++i)
        text += " " + std::to_string(scheduler_.tokens(job)[static_cast<std::size_t>(i)]);
      return text;
    }
    std::map<BlockId, std::string> holds;

   private:
    Scheduler& scheduler_;
    std::vector<std::string>& salts_;
  };

  for (const auto visible : {EngineKnobs::Visible::kScheduled, EngineKnobs::Visible::kComputed}) {
    Rng rng(7, "tests.exec.scheduler");
    EngineKnobs knobs{.block_tokens = 4, .num_blocks = 30, .max_batched_tokens = 16};
    knobs.max_sequences = 6;
    knobs.visible = visible;
    Scheduler scheduler(knobs, 120, "model");
    std::vector<std::string> salts;
    Content content(scheduler, salts);
    scheduler.set_listener(&content);
    std::int64_t found = 0, preemptions = 0, ended = 0;
    for (int step = 0; step < 4000 || scheduler.running() + scheduler.waiting() > 0; ++step) {
      if (step < 4000 && rng.chance(0.2)) {
        JobSpec spec{.tag = salts.size(), .prompt = {}};
        const auto document = static_cast<std::int32_t>(rng.below(3));
        const std::uint64_t shared = rng.below(40), own = 1 + rng.below(20);
        for (std::uint64_t i = 0; i < shared + own; ++i) {
          const auto token = i < shared ? 1000 * document + static_cast<std::int32_t>(i)
                                        : static_cast<std::int32_t>(rng.below(90000));
          spec.prompt.push_back(token);
        }
        spec.output_tokens = static_cast<std::int64_t>(1 + rng.below(20));
        salts.emplace_back(rng.chance(0.5) ? "one" : "other");
        spec.salt = salts.back();
        scheduler.add(std::move(spec));
      }
      const bool any = scheduler.plan();
      preemptions += std::ssize(scheduler.step().preempted);
      std::int64_t tokens = 0;
      for (const Step::Computed& part : scheduler.step().computed) tokens += part.fresh;
      REQUIRE(tokens <= knobs.max_batched_tokens);
      for (const Step::Admitted& admitted : scheduler.step().admitted) {
        found += admitted.found;
        REQUIRE(admitted.found < std::ssize(scheduler.tokens(admitted.job)));
        for (std::int64_t i = 0; i < admitted.found / knobs.block_tokens; ++i) {
          const BlockId block = scheduler.blocks(admitted.job)[static_cast<std::size_t>(i)];
          REQUIRE(content.holds.at(block) == content.prefix(admitted.job, i));
        }
      }
      // Nobody is given a block that it has twice, and free and used ones are all.
      std::set<BlockId> held;
      for (const Step::Computed& part : scheduler.step().computed) {
        const auto blocks = scheduler.blocks(part.job);
        REQUIRE(std::ssize(std::set<BlockId>(blocks.begin(), blocks.end())) == std::ssize(blocks));
        held.insert(blocks.begin(), blocks.end());
      }
      REQUIRE(std::ssize(held) <= scheduler.pool().used_blocks());
      REQUIRE(scheduler.pool().cached_blocks() <= std::ssize(content.holds));
      if (!any) continue;
      std::vector<Scheduler::Sampled> sampled;
      for (const Step::Computed& part : scheduler.step().computed) {
        if (part.samples)
          sampled.push_back({part.job, static_cast<std::int32_t>(rng.below(90000))});
      }
      ended += std::ssize(scheduler.complete(sampled));
    }
    CHECK(ended == std::ssize(salts));
    CHECK(scheduler.pool().used_blocks() == 0);
    CHECK(scheduler.pool().cached_blocks() == std::ssize(content.holds));
    CHECK(found > 1000);
    CHECK(preemptions > 10);
  }
}

TEST_CASE("a prompt that can never run is refused with the limit it meets", "[exec][engine]") {
  EngineKnobs knobs{.num_blocks = 10, .max_batched_tokens = 32};
  knobs.chunked_prefill = false;
  const Scheduler scheduler(knobs, 100, "model");
  CHECK(!scheduler.refuse(32));
  CHECK_THAT(*scheduler.refuse(33), Catch::Contains("33 tokens exceed max_batched_tokens, 32"));
  CHECK_THAT(*scheduler.refuse(100), Catch::Contains("100 tokens reach max_model_len, 100"));
  CHECK(scheduler.refuse(0).has_value());
}
