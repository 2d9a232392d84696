// Jobs whose method compresses the cache of their prompt.
//
// Such a job has two paths. `plain` is that of its own tokens; a prompt that is computed from its
// beginning has it. When the prompt ends and is compressed, what is kept becomes a content of its
// own, the job's path becomes [that content, then what comes behind the prompt], and all its counts
// of tokens shrink by as much (`shift`). A preempted job has to compute all again and so goes back
// to its plain path. Before a job is admitted it is looked whether the cache of a prompt that its
// own begins with is there, with all of its blocks: then it begins with that.
//
// While prompts are computed their blocks are not registered: nobody could use half of them. The
// blocks that a prompt needs at its end are those that it and its compression need together
// (CompressionRule::peak), so exchanging them never fails.
#include "sim/scheduler.h"

namespace scsim::sim {

// Blocks that the job holds once `computed` tokens are. At the end of a prompt that is compressed,
// those of the compression too; blocks that it found are others' as well and are not given back.
std::int64_t Scheduler::prefill_blocks(const Job& job, std::int64_t computed) const {
  if (computed < job.known || !will_compress(job)) return blocks_for(computed);
  const std::int64_t found =
      job.state == State::kPrefill ? job.found / knobs_.block_tokens : match_.blocks;
  return blocks_for(std::max(computed, job.compression->peak(computed))) + found;
}

// Takes over a reference to the path. REQUIRES: the chain holds nothing.
void Scheduler::exchange_path(JobId id, PathId path, std::int64_t shift) {
  Job& job = jobs_[id];
  const std::int64_t by = shift - job.shift;
  pool_->close_chain(job.chain);
  job.path = path;
  job.shift = shift;
  job.prompt -= by, job.known -= by, job.target -= by, job.reserve -= by;
  job.chain = pool_->open_chain(path, job.partition);
  if (static_cast<std::size_t>(job.chain) >= job_of_chain_.size())
    job_of_chain_.resize(static_cast<std::size_t>(job.chain) + 1, kNoJob);
  job_of_chain_[job.chain] = id;
}

void Scheduler::stand_for(JobId id, const Compressed& compressed) {
  const Job& job = jobs_[id];
  exchange_path(
      id, paths_.replace_front(job.plain, compressed.tokens, compressed.content, compressed.kept),
      compressed.tokens - compressed.kept);
  jobs_[id].compressed = compressed.prompts;
}

void Scheduler::expand(JobId id) {
  Job& job = jobs_[id];
  if (job.compressed.empty()) return;
  paths_.add_reference(job.plain);
  exchange_path(id, job.plain, 0);
  job.compressed.clear();
}

// REQUIRES: the job waits. Finds the longest compressed cache that is there and what lies behind
// it, or else what full attention would; and says whether its prompt will be compressed at its end.
void Scheduler::adopt(JobId id, TimePoint now) {
  expand(id);
  jobs_[id].compresses = false;
  if (knobs_.prefix_caching) find_compressed(id, now);
  Job& job = jobs_[id];
  if (!job.compressed.empty() && !job.compression->at_every_append()) return;
  std::vector<std::int64_t> prompts = job.compressed;
  std::int64_t before = 0;
  for (const std::int64_t prompt : prompts) before += prompt;
  prompts.push_back(job.known + job.shift - before);
  job.compresses = job.compression->acts(prompts);
}

void Scheduler::find_compressed(JobId id, TimePoint now) {
  const PathId plain = jobs_[id].plain;
  std::vector<std::int64_t> ends = paths_.piece_ends(plain);
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    if (*end >= jobs_[id].known) continue;  // its last token is computed
    const auto found = compressed_.find(paths_.hash(plain, 0, 0, *end));  // its salt included
    if (found == compressed_.end() || found->second.tokens != *end) continue;
    stand_for(id, found->second);
    const Job& job = jobs_[id];
    pool_->find(job.path, (job.known - 1) / knobs_.block_tokens, now, match_);
    if (match_.blocks * knobs_.block_tokens >= found->second.kept) return;
    match_.clear();
    expand(id);
  }
  // Prompts that were too short to be compressed.
  pool_->find(plain, (jobs_[id].known - 1) / knobs_.block_tokens, now, match_);
}

// The job's prompt has been computed.
void Scheduler::compress(JobId id, TimePoint now) {
  Job& job = jobs_[id];
  Compressed made;
  made.tokens = job.computed + job.shift;
  made.prompts = job.compressed;
  std::int64_t before = 0;
  for (const std::int64_t prompt : made.prompts) before += prompt;
  made.prompts.push_back(made.tokens - before);
  made.kept = job.compression->kept(made.prompts);
  const std::uint64_t key = paths_.hash(job.plain, 0, 0, made.tokens);
  const auto known = compressed_.find(key);
  made.content = known != compressed_.end() && known->second.kept == made.kept
                     ? known->second.content
                     : paths_.private_content();
  if (job.blocks > 0) {
    held_blocks_ -= job.blocks;
    pool_->release(job.chain, job.blocks, now);
  }
  reserve_blocks_ -= blocks_for(job.reserve);
  stand_for(id, made);
  reserve_blocks_ += blocks_for(job.reserve);
  compressed_[key] = made;
  job.computed = made.kept;
  job.blocks = blocks_for(made.kept);
  take(job.blocks, now);
  if (knobs_.prefix_caching) pool_->register_blocks(job.chain, job.blocks, now, job.lossy);
}

}  // namespace scsim::sim
