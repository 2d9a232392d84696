// Continuous batching on a real model: the scheduler decides a step, the model computes it, the
// next tokens are the most likely ones.
//
//   auto engine = Engine::make(*model, knobs, *timeline);   // model: Engine::model_options()
//   (*engine)->submit({.tag = 7, .prompt = tokens, .output_tokens = 64});
//   while (true) {
//     const Expected<bool> ran = (*engine)->step();
//     if (!ran || !*ran) break;
//     for (const StepRecord::Token& token : (*engine)->record().tokens) ...
//   }
//
// A block of the scheduler's is a page for each head of each layer. A running request's pages are
// those of its KvCache; a block that can be found keeps its pages alive (resident_blocks.h), and
// who finds it adopts them, so nothing is copied and pages in use are exactly the blocks that are
// used or cached: real memory never exceeds what the scheduler counts.
//
// A block may be found in the very step that computes it (EngineKnobs::Visible::kScheduled). Such a
// step takes more than one pass through the model: those who compute go first, those who found
// follow.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exec/api/measure.h"
#include "exec/engine/block_store.h"
#include "exec/engine/resident_blocks.h"
#include "exec/engine/scheduler.h"
#include "exec/model/model.h"
#include "methods/contract.h"

namespace scsim::exec {

// What a step did, by the callers' names of their requests.
struct StepRecord {
  struct Admitted {
    std::uint64_t tag;
    std::int64_t found, lost;  // tokens
    bool resumed;
    std::array<std::int64_t, 2> loaded;  // tokens, by BlockStore::Tier
  };
  struct Token {
    std::uint64_t tag;
    std::int32_t token;
    bool last;  // its request has ended
  };
  std::vector<std::uint64_t> preempted;
  std::vector<Admitted> admitted;
  std::vector<Token> tokens;
  std::vector<Step::Computed> computed;
  std::vector<BlockId> registered, evicted;  // findable from now on; no longer
  std::int64_t passes = 0;                   // through the model
  std::int64_t running = 0, waiting = 0;     // while it computes: requests,
  std::int64_t used = 0, cached = 0;         // and blocks
  StageTimes times;                          // of all of it: deciding, computing, sampling
  PerStage<StageCounts> counts{};
};

// A long-context method that an engine serves with; by default full attention.
struct EngineMethod {
  std::string text;                               // as people write it
  std::unique_ptr<methods::KvContract> contract;  // null: full attention
  std::unique_ptr<MethodRuntime> runtime;         // its execution
};

class Engine final : private Scheduler::Listener, private BlockSource, private PromptCompression {
 public:
  // The options of a model that is to run under these knobs: pages of a block's tokens, as many as
  // there are blocks.
  static ModelOptions model_options(ModelOptions options, const EngineKnobs& knobs);
  // Blocks of engines with one `identity` hold the same for the same tokens: it stands for weights,
  // types and block_tokens; the method is added to it. REQUIRES: model and timeline outlive it; the
  // model has model_options() and no other caches. The error names what of the knobs, the model or
  // the method this engine does not do.
  static Expected<std::unique_ptr<Engine>> make(Model& model, const EngineKnobs& knobs,
                                                Timeline& timeline, const std::string& identity,
                                                EngineMethod method = {});
  ~Engine() override;

  // Blocks that are evicted go there, and come back when a prompt has them. A request is admitted
  // with what is there in the very step, which takes as long as the bytes take (stage retrieval).
  // REQUIRES: it outlives the engine; its blocks are of block_bytes().
  void set_store(BlockStore* store);
  const BlockStore* store() const { return store_; }
  std::int64_t block_bytes() const;

  const EngineMethod& method() const { return method_; }
  // Caches that a session's own questions have shaped are for its own later questions alone: the
  // caller gives each session a salt of its own (JobSpec::salt).
  bool caches_are_private() const;

  // Whether an answer ends with this token; by default only its length ends it.
  void set_ending(std::function<bool(std::uint64_t tag, std::int32_t token)> ends) {
    ends_ = std::move(ends);
  }

  std::optional<std::string> refuse(std::int64_t prompt_tokens) const {
    return scheduler_.refuse(prompt_tokens);
  }
  JobId submit(JobSpec spec) { return scheduler_.add(std::move(spec)); }
  void cancel(JobId job);  // REQUIRES: it has not ended

  // One step; false: there was nothing to do. The error is the model's.
  Expected<bool> step();
  const StepRecord& record() const { return record_; }

  // Puts blocks with arbitrary content into the prefix cache, as if these tokens, whole blocks, had
  // been computed: for measuring steps behind long prefixes. False if there is no room. REQUIRES:
  // no store.
  // REQUIRES: there is no store.
  bool plant(std::span<const std::int32_t> tokens);

  const Scheduler& scheduler() const { return scheduler_; }
  const BlockPool& pool() const { return scheduler_.pool(); }
  std::int64_t block_pages() const { return block_pages_; }  // pages of a block
  Model& model() const { return model_; }

 private:
  Engine(Model& model, const EngineKnobs& knobs, Timeline& timeline, const std::string& identity,
         EngineMethod method);
  struct Pending {  // a block that can be found and whose pages are not known yet
    JobId job;
    std::int64_t number;
    BlockId block;
  };
  void evicted(BlockId block, const BlockKey& key) override;
  void registered(JobId job, std::int64_t number, BlockId block) override;
  std::int64_t available(std::span<const BlockKey> keys) override;
  std::int64_t fetch(std::span<const BlockKey> keys) override;
  void place(std::int64_t number, BlockId block) override;
  void used(std::span<const BlockKey> keys) override;
  std::int64_t peak(std::int64_t prompt_tokens) const override;

  bool plan();
  void admitted();
  std::vector<int> passes();
  Expected<void> compute(Measure& measure);
  void settle(const std::function<bool(JobId)>& of);
  Expected<void> shrink(const Step::Computed& part);
  std::optional<KvCache>& cache(JobId job);

  Model& model_;
  std::int64_t block_pages_ = 0;
  ResidentBlocks resident_;
  Scheduler scheduler_;
  std::deque<std::optional<KvCache>> caches_;  // of running jobs; steps point into it
  std::vector<Pending> pending_;
  StageClock clock_;
  Measure* measure_ = nullptr;  // of the step under way
  BlockStore* store_ = nullptr;
  std::vector<at::Tensor> fetched_;  // contents of blocks got ready, and where each was
  std::vector<BlockStore::Tier> fetched_from_, placed_from_;
  EngineMethod method_;
  std::vector<char> began_empty_;  // by job: nothing was cached before the prompt under way
  std::function<bool(std::uint64_t, std::int32_t)> ends_;
  StepRecord record_;
  std::vector<Scheduler::Sampled> sampled_;
};

}  // namespace scsim::exec
