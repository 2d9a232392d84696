// hnswlib's graph of the keys alone, to compare with. Its elements are numbers of keys, which its
// distance looks up on the cache's pages, so that it does not hold the keys a second time.
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cstring>

#include "methods/retrieval_attention/key_index.h"
#include "traces/check.h"

namespace scsim::methods {
namespace {

constexpr std::int32_t kTheQuery = -1;
constexpr std::size_t kBuildCandidates = 200;  // hnswlib's default

// What the distances of a call of this thread are about.
struct Call {
  const KeyRows* rows = nullptr;
  const float* query = nullptr;
  std::int64_t looked_at = 0;
};
thread_local Call call;

float distance(const void* a, const void* b, const void*) {
  const auto row = [](const void* element) {
    std::int32_t number = 0;
    std::memcpy(&number, element, sizeof(number));
    return number == kTheQuery ? call.query : (*call.rows)[number];
  };
  const float* other = row(b);
  float product = 0;
  exec::cpu_kernels().dot_listed(row(a), &other, 1, call.rows->head.head_dim, &product);
  ++call.looked_at;
  return -product;
}

class NumberSpace final : public hnswlib::SpaceInterface<float> {
 public:
  std::size_t get_data_size() override { return sizeof(std::int32_t); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return &distance; }
  void* get_dist_func_param() override { return nullptr; }
};

class HnswIndex final : public KeyIndex {
 public:
  using Graph = hnswlib::HierarchicalNSW<float>;

  explicit HnswIndex(const RetrievalOptions& options) : options_(options) {}

  // hnswlib copies through files only.
  std::unique_ptr<KeyIndex> clone() const override {
    auto copy = std::make_unique<HnswIndex>(options_);
    if (!graph_) return copy;
    const Graph& from = *graph_;
    copy->graph_ = copy->make_graph(keys());
    Graph& to = *copy->graph_;
    std::memcpy(to.data_level0_memory_, from.data_level0_memory_,
                from.cur_element_count * from.size_data_per_element_);
    to.element_levels_ = from.element_levels_;
    for (std::size_t i = 0; i < from.cur_element_count; ++i) {
      if (from.element_levels_[i] == 0) continue;
      const std::size_t bytes =
          from.size_links_per_element_ * static_cast<std::size_t>(from.element_levels_[i]) + 1;
      to.linkLists_[i] = static_cast<char*>(std::malloc(bytes));
      SCSIM_CHECK(to.linkLists_[i] != nullptr);
      std::memcpy(to.linkLists_[i], from.linkLists_[i], bytes);
    }
    to.cur_element_count = from.cur_element_count;
    to.enterpoint_node_ = from.enterpoint_node_;
    to.maxlevel_ = from.maxlevel_;
    to.level_generator_ = from.level_generator_;
    return copy;
  }

  std::int64_t keys() const override {
    return graph_ ? static_cast<std::int64_t>(graph_->cur_element_count) : 0;
  }
  std::int64_t bytes() const override {
    if (!graph_) return 0;
    std::size_t bytes =
        graph_->max_elements_ * (graph_->size_data_per_element_ + sizeof(int) + sizeof(char*)) +
        (graph_->link_list_locks_.size() + graph_->link_list_update_locks_.size()) *
            sizeof(std::mutex);
    for (const int level : graph_->element_levels_) {
      bytes += static_cast<std::size_t>(level) * graph_->size_links_per_element_;
    }
    return static_cast<std::int64_t>(bytes);
  }

  void build(const KeyRows& rows, std::int64_t count, const Queries&) override {
    extend(rows, count);
  }

  void extend(const KeyRows& rows, std::int64_t count) override {
    const std::int64_t before = keys();
    if (count == before) return;
    if (graph_) {
      graph_->resizeIndex(static_cast<std::size_t>(count));
      fit_locks(*graph_);
    } else {
      graph_ = make_graph(count);
    }
    call = {.rows = &rows};
    for (std::int64_t i = before; i < count; ++i) {
      const auto number = static_cast<std::int32_t>(i);
      graph_->addPoint(&number, static_cast<hnswlib::labeltype>(i), -1);
    }
    graph_->label_lookup_.clear();  // labels are the numbers
    graph_->label_lookup_.rehash(0);
  }

  void search(const KeyRows& rows, const Queries& queries, std::int64_t k,
              std::span<std::vector<std::int32_t>> found, std::int64_t& looked_at) const override {
    if (!graph_) return;
    for (std::int64_t i = 0; i < queries.count; ++i) {
      call = {.rows = &rows, .query = queries.rows + i * rows.head.head_dim};
      std::vector<std::int32_t>& numbers = found[static_cast<std::size_t>(i)];
      for (auto best = graph_->searchKnn(&kTheQuery, static_cast<std::size_t>(k)); !best.empty();
           best.pop()) {
        numbers.push_back(static_cast<std::int32_t>(best.top().second));
      }
      std::ranges::sort(numbers);
      looked_at += call.looked_at;
    }
  }

 private:
  std::unique_ptr<Graph> make_graph(std::int64_t count) {
    auto graph = std::make_unique<Graph>(
        &space_, static_cast<std::size_t>(count),
        static_cast<std::size_t>(std::max<std::int64_t>(2, options_.degree / 2)), kBuildCandidates,
        kHnswSeed);
    graph->setEf(static_cast<std::size_t>(options_.beam));
    fit_locks(*graph);
    return graph;
  }
  // hnswlib makes 65,536 locks for updates, 2.6 MB an index: as many as keys are enough.
  static void fit_locks(Graph& graph) {
    const std::size_t most = Graph::max_update_element_locks;
    std::vector<std::mutex>(std::min(graph.max_elements_, most))
        .swap(graph.link_list_update_locks_);
  }

  RetrievalOptions options_;
  NumberSpace space_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace

std::unique_ptr<KeyIndex> make_hnsw_index(const RetrievalOptions& options) {
  return std::make_unique<HnswIndex>(options);
}

}  // namespace scsim::methods
