// The pool of runs of blocks against one that keeps every block (tests/oracle/block_pool_oracle.h),
// driven through the same operations as a scheduler performs them.
#include "sim/block_pool.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <numeric>

#include "tests/oracle/block_pool_oracle.h"
#include "tests/sim/written_out.h"

namespace scsim::sim {
namespace {

using oracle::BlockPoolOracle;
using test::between;
using test::span;

struct Job {
  PathId path = kNoPath;
  ChainId chain = -1;
  std::vector<Span> prompt;
  std::uint64_t answer = 0;  // its content
  std::int64_t prompt_tokens = 0, output_tokens = 0;
  std::int64_t known = 0, computed = 0;  // tokens
  enum class State { kWaiting, kPrefill, kDecode } state = State::kWaiting;
  bool eager = false;
  BlockPoolOracle::Request written;
};

// Both pools, and the requests that use them.
class Driver final : private ChainGrowth, private EvictionListener {
 public:
  Driver(std::uint64_t seed, std::string_view purpose)
      : rng_(seed, purpose),
        block_(between(rng_, 1, 5)),
        num_blocks_(between(rng_, 3, rng_.chance(0.5) ? 12 : 60)),
        share_duplicates_(rng_.chance(0.3)),
        settles_(rng_.chance(0.3)),
        pool_({num_blocks_, block_, share_duplicates_}, paths_, *this),
        oracle_(static_cast<std::size_t>(num_blocks_), static_cast<std::size_t>(block_),
                share_duplicates_) {
    pool_.set_listener(this);
  }

  void run(int operations) {
    for (int i = 0; i < operations; ++i) {
      CAPTURE(i, block_, num_blocks_, share_duplicates_);
      now_ = now_ + Duration(between(rng_, 0, 1'000'000'000));
      switch (rng_.below(10)) {
        case 0:
          start_request();
          break;
        case 1:
        case 2:
          admit();
          break;
        case 3:
        case 4:
          prefill();
          break;
        case 5:
        case 6:
        case 7:
          decode();
          break;
        case 9:
          let_go();
          break;
        default:
          decode();
      }
      compare();
    }
    while (!running_.empty()) release(running_.back(), false), compare();
    for (Job* job : waiting_) pool_.close_chain(job->chain);
    waiting_.clear();
    for (int i = 0; i < 20; ++i) probe();
    compare_lifetimes();
  }

  std::int64_t hits() const { return hits_; }
  std::int64_t lossy_hits() const { return lossy_hits_; }
  std::size_t lost() const { return num_lost_; }
  std::uint64_t evicted() const { return static_cast<std::uint64_t>(oracle_.evicted_blocks()); }

 private:
  std::int64_t full_blocks(ChainId chain) const override { return job_of(chain).computed / block_; }
  void grow_eagerly(ChainId chain) override { job_of(chain).eager = true; }
  void evicted(PathId path, std::int64_t from, std::int64_t to, TimePoint now) override {
    REQUIRE(now == now_);
    REQUIRE(from < to);
    for (std::int64_t block = from; block < to; ++block)
      lost_.push_back(oracle_.key(*written_by_path_.at(path), static_cast<std::size_t>(block)));
  }
  Job& job_of(ChainId chain) const {
    for (Job* job : running_)
      if (job->chain == chain) return *job;
    FAIL("growth asked of a chain that does not run");
    std::abort();
  }
  std::int64_t blocks_for(std::int64_t tokens) const { return (tokens + block_ - 1) / block_; }

  // A prompt of few contents, or one that continues or quotes an earlier request, or part of one.
  void start_request() {
    auto job = std::make_unique<Job>();
    std::uint64_t answer = 100 + jobs_.size();
    if (!jobs_.empty() && rng_.chance(0.6)) {
      const std::uint64_t before =
          jobs_.size() - 1 - rng_.below(std::min<std::size_t>(jobs_.size(), 6));
      job->prompt = jobs_[before]->prompt;
      if (rng_.chance(0.7)) answer = jobs_[before]->answer;  // asked and answered before
      if (rng_.chance(0.4)) {
        job->prompt.push_back(
            span(jobs_[before]->answer, 0, between(rng_, 1, jobs_[before]->output_tokens)));
      } else if (rng_.chance(0.5)) {
        job->prompt.resize(1 + rng_.below(job->prompt.size()));
        job->prompt.back().count = Tokens(between(rng_, 1, job->prompt.back().count.value()));
      }
    }
    if (job->prompt.empty() || rng_.chance(0.4)) {
      for (const Span& more : test::random_spans(rng_, 3, 2 * block_ + 3))
        job->prompt.push_back(more);
    }
    job->output_tokens = between(rng_, 1, 8 * block_);
    if (rng_.chance(0.1)) answer = 100 + rng_.below(jobs_.size() + 2);
    job->answer = answer;
    job->written.salt = rng_.chance(0.9) ? 0 : 7;
    job->path = paths_.make(job->prompt, ContentId(answer), job->output_tokens, job->written.salt);
    job->written.tokens = test::written_out(job->prompt);
    job->prompt_tokens = job->known = static_cast<std::int64_t>(job->written.tokens.size());
    for (std::int64_t i = 0; i < job->output_tokens; ++i)
      job->written.tokens.emplace_back(answer, i);
    written_by_path_[job->path] = &job->written;
    job->chain = pool_.open_chain(job->path);
    if (blocks_for(job->known + job->output_tokens) > num_blocks_ || waiting_.size() > 8) {
      pool_.close_chain(job->chain);  // never fits, or enough of them
      written_by_path_.erase(job->path);
      return;
    }
    waiting_.push_back(job.get());
    jobs_.push_back(std::move(job));
  }

  std::vector<std::size_t> compare_find(const Job& job) {
    const std::int64_t most = (job.known - 1) / block_;
    pool_.find(job.path, most, now_, match_);
    const auto found = oracle_.find(job.written, static_cast<std::size_t>(most));
    REQUIRE(match_.blocks == static_cast<std::int64_t>(found.size()));
    REQUIRE(match_.free_blocks == static_cast<std::int64_t>(oracle_.free_among(found)));
    REQUIRE(match_.lossy_blocks == static_cast<std::int64_t>(oracle_.lossy_among(found)));
    return found;
  }

  // Looks a waiting request up without using what is found.
  void probe() {
    if (waiting_.empty()) return;
    const Job& job = *waiting_[rng_.below(waiting_.size())];
    compare_find(job);
  }

  void admit() {
    if (waiting_.empty()) return;
    const std::uint64_t place = rng_.below(waiting_.size());
    Job& job = *waiting_[place];
    const auto found = compare_find(job);
    const std::int64_t chunk = between(rng_, 1, job.known - match_.blocks * block_);
    const std::int64_t total = match_.blocks * block_ + chunk;
    if (blocks_for(total) - match_.blocks + match_.free_blocks > pool_.free_blocks()) return;
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(place));
    hits_ += match_.blocks;
    lossy_hits_ += match_.lossy_blocks;
    pool_.hold(job.chain, match_, now_);
    oracle_.hold(job.written, found);
    job.computed = match_.blocks * block_;
    job.state = Job::State::kPrefill;
    running_.push_back(&job);
    compute(job, chunk);
  }

  void prefill() {
    for (Job* job : running_) {
      if (job->state != Job::State::kPrefill || rng_.chance(0.5)) continue;
      compute(*job, between(rng_, 1, job->known - job->computed));
      return;
    }
  }

  // Computes the next tokens of a prompt, or loads them, if there is room for them.
  void compute(Job& job, std::int64_t tokens) {
    const std::int64_t held = static_cast<std::int64_t>(job.written.blocks.size());
    const std::int64_t more = blocks_for(job.computed + tokens) - held;
    if (more > pool_.free_blocks()) return;
    settle_all();
    job.computed += tokens;
    pool_.take(more, now_);
    oracle_.take(job.written, static_cast<std::size_t>(more));
    const std::int64_t full = job.computed / block_;
    const bool lossy = rng_.chance(0.25);
    if (full > pool_.registered(job.chain)) pool_.register_blocks(job.chain, full, now_, lossy);
    oracle_.register_blocks(job.written, static_cast<std::size_t>(full), lossy);
    if (job.computed < job.known) return;
    ++job.known;  // it sampled a token
    if (job.known == job.prompt_tokens + job.output_tokens) return release(&job, false);
    job.state = Job::State::kDecode;
    pool_.start_growing(job.chain, now_);
    for (const Job* other : running_) {
      if (other->state == Job::State::kPrefill && pool_.follows(job.chain, other->chain))
        grow_eagerly(job.chain);
    }
  }

  // Every decoding request computes its last token and samples another.
  void decode() {
    std::vector<std::int64_t> more;
    for (const Job* job : running_) {
      more.push_back(job->state == Job::State::kDecode
                         ? blocks_for(job->computed + 1) - blocks_for(job->computed)
                         : 0);
    }
    const std::int64_t total = std::accumulate(more.begin(), more.end(), std::int64_t{0});
    if (total > pool_.free_blocks()) return;
    settle_all();
    pool_.take(total, now_);  // for all of them, before any is given back
    for (std::size_t i = 0; i < running_.size(); ++i)
      oracle_.take(running_[i]->written, static_cast<std::size_t>(more[i]));
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Job& job = *running_[i];
      if (job.state != Job::State::kDecode) continue;
      ++job.computed;
      ++job.known;
      oracle_.register_blocks(job.written, static_cast<std::size_t>(job.computed / block_));
    }
    for (const Job* job : running_)
      if (job->state == Job::State::kDecode && job->eager) pool_.settle(job->chain, now_);
    std::vector<Job*> ended;
    for (Job* job : running_) {
      if (job->state == Job::State::kDecode &&
          job->known == job->prompt_tokens + job->output_tokens)
        ended.push_back(job);
    }
    for (Job* job : ended) release(job, false);
  }

  void settle_all() {
    if (!settles_) return;
    for (const Job* job : running_)
      if (job->state == Job::State::kDecode) pool_.settle(job->chain, now_);
  }

  // A request is cancelled or preempted.
  void let_go() {
    if (!running_.empty()) release(running_[rng_.below(running_.size())], rng_.chance(0.7));
  }

  void release(Job* job, bool comes_back) {
    pool_.release(job->chain, static_cast<std::int64_t>(job->written.blocks.size()), now_);
    oracle_.release(job->written);
    std::erase(running_, job);
    job->eager = false;
    job->computed = 0;
    job->state = Job::State::kWaiting;
    if (comes_back) {
      waiting_.push_back(job);
    } else {
      pool_.close_chain(job->chain);
    }
  }

  void compare() {
    pool_.check_everything();  // INV-CONSERVE, INV-PREFIX
    REQUIRE(pool_.free_blocks() == static_cast<std::int64_t>(oracle_.free_blocks()));
    REQUIRE(pool_.cached_blocks() == static_cast<std::int64_t>(oracle_.cached_blocks()));
    REQUIRE(pool_.evicted_blocks() == static_cast<std::int64_t>(oracle_.evicted_blocks()));
    compare_lost();
    if (rng_.chance(0.05)) probe();
  }

  // What nobody finds any more, as told since the last comparison: within an operation in any
  // order. Where growing chains are not settled first, they may have more copies than the pool
  // knows.
  void compare_lost() {
    std::vector<std::string> expected(oracle_.lost().begin() + compared_, oracle_.lost().end());
    compared_ += static_cast<std::ptrdiff_t>(expected.size());
    num_lost_ += lost_.size();
    std::ranges::sort(expected);
    std::ranges::sort(lost_);
    REQUIRE(std::ranges::includes(lost_, expected));
    if (settles_) REQUIRE(lost_ == expected);
    lost_.clear();
  }

  // Every registered block ends once: evicted, or resident at the end.
  void compare_lifetimes() {
    pool_.end_of_run(now_);
    const auto blocks = [&](BlockEnd why) {
      const auto& bins = pool_.lifetimes().count[static_cast<std::size_t>(why)];
      return std::accumulate(bins.begin(), bins.end(), std::uint64_t{0});
    };
    REQUIRE(blocks(BlockEnd::kEvicted) == oracle_.evicted_blocks());
    REQUIRE(blocks(BlockEnd::kResident) == oracle_.registered_blocks());
  }

  Rng rng_;
  std::int64_t block_, num_blocks_;
  bool share_duplicates_;
  bool settles_;  // growing chains before blocks are taken
  TokenPaths paths_;
  BlockPool pool_;
  BlockPoolOracle oracle_;
  TimePoint now_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Job*> waiting_, running_;  // running: in the order of admission
  BlockPool::Match match_;
  std::int64_t hits_ = 0, lossy_hits_ = 0;
  std::map<PathId, const BlockPoolOracle::Request*> written_by_path_;
  std::vector<std::string> lost_;  // keys, as the pool tells them
  std::ptrdiff_t compared_ = 0;    // of the oracle's
  std::size_t num_lost_ = 0;
};

TEST_CASE("runs of blocks are found, taken, shared and evicted as single blocks are",
          "[sim][block_pool]") {
  std::int64_t hits = 0, lossy_hits = 0;
  std::uint64_t evicted = 0, lost = 0;
  for (std::uint64_t trial = 0; trial < 3000; ++trial) {
    CAPTURE(trial);
    Driver driver(trial, "test.block_pool");
    driver.run(150);
    hits += driver.hits();
    lossy_hits += driver.lossy_hits();
    evicted += driver.evicted();
    lost += driver.lost();
  }
  CHECK(hits > 50'000);  // the trials do share, and do run out
  CHECK(lossy_hits > 5'000);
  CHECK(evicted > 20'000);
  CHECK(lost > 10'000);
  CHECK(lost < evicted);  // of some a copy is left
}

struct NobodyGrows final : ChainGrowth {
  std::int64_t full_blocks(ChainId) const override { return 0; }
  void grow_eagerly(ChainId) override {}
};

TEST_CASE("a pool's fingerprint comes again when its state does, and not before",
          "[sim][block_pool]") {
  TokenPaths paths;
  NobodyGrows growth;
  BlockPool pool({.num_blocks = 20, .block_tokens = 2}, paths, growth);
  const auto chain = [&](std::vector<Span> prompt) {
    return pool.open_chain(paths.make(prompt, ContentId{}, 0, 0));
  };
  const TimePoint now;
  const ChainId a = chain({span(1, 0, 8)}), b = chain({span(2, 0, 6)}), c = chain({span(1, 0, 8)});
  BlockPool::Match match;
  const auto use = [&](ChainId id, PathId path, std::int64_t blocks) {
    pool.find(path, blocks, now, match);
    pool.hold(id, match, now);
    pool.take(blocks - match.blocks, now);
    if (match.blocks < blocks) pool.register_blocks(id, blocks, now);
  };
  // Paths are numbered as they were made.
  std::vector<std::uint64_t> seen = {pool.fingerprint()};
  const auto is_new = [&] {
    const std::uint64_t print = pool.fingerprint();
    const bool fresh = std::ranges::count(seen, print) == 0;
    seen.push_back(print);
    return fresh;
  };
  use(a, 0, 4);
  CHECK(is_new());
  use(b, 1, 3);
  CHECK(is_new());
  const std::uint64_t both = pool.fingerprint();
  pool.release(a, 4, now);
  CHECK(is_new());
  pool.release(b, 3, now);
  CHECK(is_new());  // a is the older
  const std::uint64_t a_older = pool.fingerprint();
  use(a, 0, 4);
  CHECK(is_new());
  use(b, 1, 3);
  CHECK(pool.fingerprint() == both);
  pool.release(b, 3, now);
  CHECK(!is_new());  // a held, b free, as above
  pool.release(a, 4, now);
  CHECK(is_new());  // now b is
  use(b, 1, 3);
  pool.release(b, 3, now);
  CHECK(pool.fingerprint() == a_older);

  use(a, 0, 4);
  const std::uint64_t before = pool.fingerprint();
  use(c, 2, 4);
  CHECK(is_new());  // the same blocks, held twice
  pool.release(c, 4, now);
  CHECK(pool.fingerprint() == before);
  pool.release(a, 4, now);
  use(c, 2, 4);
  CHECK(is_new());  // by another
  pool.release(c, 4, now);
  CHECK(pool.fingerprint() != a_older);  // and last
}

TEST_CASE("a pool's fingerprint tells who holds which copy of the same blocks",
          "[sim][block_pool]") {
  TokenPaths paths;
  NobodyGrows growth;
  std::vector<std::uint64_t> prints;
  const std::vector<Span> prompt = {span(1, 0, 8)};
  for (int i = 0; i < 3; ++i) paths.make(prompt, ContentId{}, 0, 0);
  for (const std::vector<ChainId>& order : {std::vector<ChainId>{0, 1, 2}, {0, 2, 1}, {0, 1, 2}}) {
    BlockPool pool({.num_blocks = 20, .block_tokens = 2}, paths, growth);
    for (PathId path = 0; path < 3; ++path) pool.open_chain(path);
    for (const ChainId chain : order) {
      pool.take(4, TimePoint());
      pool.register_blocks(chain, 4, TimePoint());
    }
    prints.push_back(pool.fingerprint());
  }
  CHECK(prints[0] != prints[1]);
  CHECK(prints[0] == prints[2]);
}

}  // namespace
}  // namespace scsim::sim
