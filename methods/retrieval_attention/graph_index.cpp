// A graph of keys made for the queries that will be asked, after RoarGraph (Chen et al. 2024),
// which RetrievalAttention builds upon. Queries of attention lie elsewhere than keys do: what a
// query needs are keys far from each other, which a graph of near keys does not connect. So links
// are taken from queries first.
//
//  1. Each query of the prompt is linked to its `kNearest` best keys, found exactly.
//  2. Projection: the best key of a query gets the query's other keys as candidates, of which a
//     pruned set becomes its links; each link has its way back.
//  3. Connection: every key is searched for in that graph, and the keys met near it become further
//     links, pruned likewise.
//
// Pruning keeps a candidate unless one kept before is nearer to it than the key itself is; what is
// then missing is filled with the nearest. Nearness among keys is Euclidean; a search for a query
// goes by products. A key has half of its links from 2, half from 3, and one to the next key in
// order, the last one's to the first: so every key can be reached, whatever pruning did, and a
// search that keeps n candidates finds n keys. Keys that come later are only connected (3).
#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "exec/api/largest.h"
#include "methods/retrieval_attention/key_index.h"
#include "traces/check.h"

namespace scsim::methods {
namespace {

constexpr std::int64_t kNearest = 32;        // keys of a query (1)
constexpr std::size_t kCandidates = 256;     // of a key, at most (2)
constexpr std::int64_t kBuildBeam = 48;      // of a search for a key (3)
constexpr std::int64_t kQueriesAtOnce = 16;  // what a pass over the keys serves

struct Scored {
  float score;  // larger is nearer
  std::int32_t key;
  friend bool operator<(const Scored& a, const Scored& b) {  // a is farther than b
    return a.score != b.score ? a.score < b.score : a.key > b.key;
  }
  friend bool operator>(const Scored& a, const Scored& b) { return b < a; }
};

// What a search notes down, one of each thread, kept from one search to the next.
struct Notes {
  std::vector<std::uint32_t> seen;  // == round: in this search
  std::uint32_t round = 0;
  std::vector<Scored> open, best;  // heaps: the nearest and the farthest on top
  std::vector<std::int32_t> batch;
  std::vector<const float*> batch_rows;
  std::vector<float> products;

  void begin(std::int64_t keys) {
    if (static_cast<std::int64_t>(seen.size()) < keys) seen.resize(static_cast<std::size_t>(keys));
    if (++round == 0) {
      std::ranges::fill(seen, 0U);
      round = 1;
    }
    open.clear();
    best.clear();
  }
};

Notes& notes_of_thread() {
  thread_local Notes notes;
  return notes;
}

class GraphIndex final : public KeyIndex {
 public:
  explicit GraphIndex(const RetrievalOptions& options)
      : half_(options.degree / 2), beam_(options.beam) {}

  std::unique_ptr<KeyIndex> clone() const override { return std::make_unique<GraphIndex>(*this); }
  std::int64_t keys() const override { return keys_; }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(links_.size() * sizeof(std::int32_t) +
                                     norms_.size() * sizeof(float));
  }

  void build(const KeyRows& rows, std::int64_t count, const Queries& queries) override {
    SCSIM_CHECK_EQ(keys_, 0);
    if (count == 0) return;
    make_room(rows, count);
    for (std::int64_t i = 0; i < count; ++i) chain(i) = static_cast<std::int32_t>((i + 1) % count);
    keys_ = count;
    entry_ = middle(rows);
    project(rows, queries);
    for (std::int64_t i = 0; i < count; ++i) connect(rows, static_cast<std::int32_t>(i));
  }

  void extend(const KeyRows& rows, std::int64_t count) override {
    if (count == keys_) return;
    const std::int64_t before = keys_;
    make_room(rows, count);
    for (std::int64_t i = before; i < count; ++i) {
      if (i > 0) chain(i - 1) = static_cast<std::int32_t>(i);
      chain(i) = 0;
      keys_ = i + 1;
      connect(rows, static_cast<std::int32_t>(i));
    }
  }

  void search(const KeyRows& rows, const Queries& queries, std::int64_t k,
              std::span<std::vector<std::int32_t>> found, std::int64_t& looked_at) const override {
    Notes& notes = notes_of_thread();
    for (std::int64_t i = 0; i < queries.count && keys_ > 0; ++i) {
      looked_at +=
          find(rows, queries.rows + i * rows.head.head_dim, false, std::max(k, beam_), notes);
      std::ranges::sort(notes.best, std::greater());
      if (static_cast<std::int64_t>(notes.best.size()) > k) {
        notes.best.resize(static_cast<std::size_t>(k));
      }
      std::vector<std::int32_t>& numbers = found[static_cast<std::size_t>(i)];
      for (const Scored& each : notes.best) numbers.push_back(each.key);
      std::ranges::sort(numbers);
    }
  }

 private:
  using Links = std::span<std::int32_t>;  // -1 behind the last

  std::int64_t width() const { return 2 * half_ + 1; }
  Links links(std::int64_t key, std::int64_t from, std::int64_t count) {
    return {links_.data() + key * width() + from, static_cast<std::size_t>(count)};
  }
  Links projected(std::int64_t key) { return links(key, 0, half_); }
  Links connected(std::int64_t key) { return links(key, half_, half_); }
  std::int32_t& chain(std::int64_t key) {
    return links_[static_cast<std::size_t>(key * width() + 2 * half_)];
  }

  void make_room(const KeyRows& rows, std::int64_t count) {
    std::vector<std::int32_t> links(static_cast<std::size_t>(count * width()), -1);
    std::ranges::copy(links_, links.begin());
    links_ = std::move(links);
    std::vector<float> norms = norms_;
    norms.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = std::ssize(norms_); i < count; ++i) {
      const float* row = rows[i];
      norms.push_back(std::inner_product(row, row + rows.head.head_dim, row, 0.0F));
    }
    norms_ = std::move(norms);
  }

  // The key nearest to the mean of all.
  std::int32_t middle(const KeyRows& rows) const {
    const std::int64_t dim = rows.head.head_dim;
    std::vector<double> sums(static_cast<std::size_t>(dim));
    for (std::int64_t i = 0; i < keys_; ++i) {
      for (std::int64_t d = 0; d < dim; ++d) sums[static_cast<std::size_t>(d)] += rows[i][d];
    }
    std::vector<float> mean;
    for (const double sum : sums) {
      mean.push_back(static_cast<float>(sum / static_cast<double>(keys_)));
    }
    std::vector<float> products(static_cast<std::size_t>(keys_));
    multiply_all(rows, keys_, {mean.data(), 1}, products.data());
    Scored best{-std::numeric_limits<float>::infinity(), 0};
    for (std::int64_t i = 0; i < keys_; ++i) {
      const std::size_t at = static_cast<std::size_t>(i);
      best = std::max(best, Scored{2 * products[at] - norms_[at], static_cast<std::int32_t>(i)});
    }
    return best.key;
  }

  // Leaves the `beam` best keys for x in notes.best: by products, or the nearest. Gives how many
  // keys were looked at.
  std::int64_t find(const KeyRows& rows, const float* x, bool nearest, std::int64_t beam,
                    Notes& notes) const {
    const exec::CpuKernels& kernels = exec::cpu_kernels();
    notes.begin(keys_);
    std::int64_t looked_at = 0;
    const auto look = [&] {  // at the batch
      notes.batch_rows.clear();
      for (const std::int32_t key : notes.batch) notes.batch_rows.push_back(rows[key]);
      notes.products.resize(notes.batch.size());
      kernels.dot_listed(x, notes.batch_rows.data(), std::ssize(notes.batch), rows.head.head_dim,
                         notes.products.data());
      looked_at += std::ssize(notes.batch);
      for (std::size_t i = 0; i < notes.batch.size(); ++i) {
        const std::int32_t key = notes.batch[i];
        const float product = notes.products[i];
        const Scored scored{nearest ? 2 * product - norms_[static_cast<std::size_t>(key)] : product,
                            key};
        const bool full = std::ssize(notes.best) >= beam;
        if (full && scored < notes.best.front()) continue;
        if (full) {
          std::ranges::pop_heap(notes.best, std::greater());
          notes.best.pop_back();
        }
        notes.best.push_back(scored);
        std::ranges::push_heap(notes.best, std::greater());
        notes.open.push_back(scored);
        std::ranges::push_heap(notes.open, std::less());
      }
    };
    notes.batch.assign(1, entry_);
    notes.seen[static_cast<std::size_t>(entry_)] = notes.round;
    look();
    while (!notes.open.empty()) {
      const Scored next = notes.open.front();
      if (std::ssize(notes.best) >= beam && next < notes.best.front()) break;
      std::ranges::pop_heap(notes.open, std::less());
      notes.open.pop_back();
      notes.batch.clear();
      const std::int32_t* its = links_.data() + next.key * width();
      for (std::int64_t i = 0; i < width(); ++i) {
        if (its[i] < 0) continue;
        std::uint32_t& seen = notes.seen[static_cast<std::size_t>(its[i])];
        if (seen == notes.round) continue;
        seen = notes.round;
        notes.batch.push_back(its[i]);
      }
      look();
    }
    return looked_at;
  }

  float distance(float product, std::int64_t a, std::int64_t b) const {  // squared
    return norms_[static_cast<std::size_t>(a)] + norms_[static_cast<std::size_t>(b)] - 2 * product;
  }

  // Makes `into` the pruned set of the candidates of `key`.
  void prune(const KeyRows& rows, std::int32_t key, std::vector<std::int32_t>& candidates,
             Links into) const {
    const exec::CpuKernels& kernels = exec::cpu_kernels();
    std::ranges::sort(candidates);
    const auto repeated = std::ranges::unique(candidates);
    candidates.erase(repeated.begin(), repeated.end());
    std::erase(candidates, key);
    std::vector<const float*> of(candidates.size());
    std::ranges::transform(candidates, of.begin(), [&](std::int32_t c) { return rows[c]; });
    std::vector<float> products(candidates.size());
    kernels.dot_listed(rows[key], of.data(), std::ssize(of), rows.head.head_dim, products.data());
    std::vector<Scored> near;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      near.push_back({-distance(products[i], key, candidates[i]), candidates[i]});
    }
    std::ranges::sort(near, std::greater());
    if (near.size() > kCandidates) near.resize(kCandidates);

    std::vector<std::int32_t> kept, skipped;
    std::vector<const float*> kept_rows;
    for (const Scored& candidate : near) {
      if (kept.size() == into.size()) break;
      products.resize(kept.size());
      kernels.dot_listed(rows[candidate.key], kept_rows.data(), std::ssize(kept_rows),
                         rows.head.head_dim, products.data());
      bool hidden = false;
      for (std::size_t i = 0; i < kept.size() && !hidden; ++i) {
        hidden = distance(products[i], candidate.key, kept[i]) < -candidate.score;
      }
      (hidden ? skipped : kept).push_back(candidate.key);
      if (!hidden) kept_rows.push_back(rows[candidate.key]);
    }
    for (const std::int32_t each : skipped) {
      if (kept.size() == into.size()) break;
      kept.push_back(each);
    }
    std::ranges::fill(into, -1);
    std::ranges::copy(kept, into.begin());
  }

  // Adds the way back from `from` to `key`.
  void link_back(const KeyRows& rows, std::int32_t from, std::int32_t key, Links its) const {
    for (std::int32_t& link : its) {
      if (link == key) return;
      if (link < 0) {
        link = key;
        return;
      }
    }
    std::vector<std::int32_t> candidates(its.begin(), its.end());
    candidates.push_back(key);
    prune(rows, from, candidates, its);
  }

  void project(const KeyRows& rows, const Queries& queries) {
    const std::int64_t dim = rows.head.head_dim, nearest = std::min(kNearest, keys_);
    std::vector<std::vector<std::int32_t>> candidates(static_cast<std::size_t>(keys_));
    std::vector<float> products(static_cast<std::size_t>(kQueriesAtOnce * keys_)), scratch;
    std::vector<std::int32_t> best;
    for (std::int64_t from = 0; from < queries.count; from += kQueriesAtOnce) {
      const std::int64_t some = std::min(kQueriesAtOnce, queries.count - from);
      multiply_all(rows, keys_, {queries.rows + from * dim, some}, products.data());
      for (std::int64_t i = 0; i < some; ++i) {
        const float* its = products.data() + i * keys_;
        best.clear();
        exec::append_largest(its, keys_, nearest, best, scratch);
        const std::int32_t top =
            *std::ranges::max_element(best, {}, [&](std::int32_t key) { return its[key]; });
        std::vector<std::int32_t>& of_top = candidates[static_cast<std::size_t>(top)];
        of_top.insert(of_top.end(), best.begin(), best.end());
      }
    }
    for (std::int64_t key = 0; key < keys_; ++key) {
      std::vector<std::int32_t>& its = candidates[static_cast<std::size_t>(key)];
      if (!its.empty()) prune(rows, static_cast<std::int32_t>(key), its, projected(key));
    }
    for (std::int64_t key = 0; key < keys_; ++key) {
      if (candidates[static_cast<std::size_t>(key)].empty()) continue;
      const std::vector<std::int32_t> its(projected(key).begin(), projected(key).end());
      for (const std::int32_t other : its) {
        if (other < 0) break;
        link_back(rows, other, static_cast<std::int32_t>(key), projected(other));
      }
    }
  }

  void connect(const KeyRows& rows, std::int32_t key) {
    Notes& notes = notes_of_thread();
    find(rows, rows[key], true, kBuildBeam, notes);
    std::vector<std::int32_t> candidates;
    for (const Scored& each : notes.best) candidates.push_back(each.key);
    for (const std::int32_t link : connected(key)) {  // ways back that others made
      if (link >= 0) candidates.push_back(link);
    }
    for (const std::int32_t link : projected(key)) std::erase(candidates, link);
    prune(rows, key, candidates, connected(key));
    const std::vector<std::int32_t> its(connected(key).begin(), connected(key).end());
    for (const std::int32_t other : its) {
      if (other < 0) break;
      link_back(rows, other, key, connected(other));
    }
  }

  std::int64_t half_, beam_;
  std::int64_t keys_ = 0;
  std::int32_t entry_ = 0;
  std::vector<std::int32_t> links_;  // [keys, width()]
  std::vector<float> norms_;         // of each key, squared
};

}  // namespace

std::unique_ptr<KeyIndex> make_graph_index(const RetrievalOptions& options) {
  return std::make_unique<GraphIndex>(options);
}

}  // namespace scsim::methods
