// Indexes of one kv head's keys on the host, by inner product. Keys are read where they lie, on the
// cache's pages; an index holds what it adds to them.
//
//   std::unique_ptr<KeyIndex> index = make_index(options);
//   index->build(keys, n, queries);                  // [m, head_dim]: of the prompt
//   index->extend(keys, n + 64);                     // 64 keys more
//   std::int64_t looked_at = 0;
//   index->search(keys, query, 1, 100, found, looked_at);
//
// All of it is done by the calling thread in one order, so an index is the same for any number of
// threads around it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exec/operators/cpu/kernels.h"
#include "methods/retrieval_attention/options.h"

namespace scsim::methods {

// Keys 0, 1, ... of an index are the tokens first, first + 1, ... of a paged head.
struct KeyRows {
  exec::PagedHead head;
  std::int64_t first = 0;

  const float* operator[](std::int64_t i) const {
    const std::int64_t token = first + i, page = head.pages[token / head.page_tokens];
    return head.pool + (page * 2 * head.page_tokens + token % head.page_tokens) * head.head_dim;
  }
};

// Rows of head_dim numbers, one behind another.
struct Queries {
  const float* rows = nullptr;
  std::int64_t count = 0;
};

class KeyIndex {
 public:
  virtual ~KeyIndex() = default;
  virtual std::unique_ptr<KeyIndex> clone() const = 0;
  virtual std::int64_t keys() const = 0;
  virtual std::int64_t bytes() const = 0;
  // Whether a search looks at every key: then several queries are best asked together.
  virtual bool looks_at_all() const { return false; }

  // The first `count` keys, where there are none. `queries` of the prompt say what will be asked.
  virtual void build(const KeyRows& rows, std::int64_t count, const Queries& queries) = 0;
  // The keys from keys() to `count`.
  virtual void extend(const KeyRows& rows, std::int64_t count) = 0;
  // Of each query the numbers of k keys, ascending, with the largest products as far as the index
  // finds them. Adds to looked_at how many keys were multiplied with.
  virtual void search(const KeyRows& rows, const Queries& queries, std::int64_t k,
                      std::span<std::vector<std::int32_t>> found,
                      std::int64_t& looked_at) const = 0;
};

std::unique_ptr<KeyIndex> make_index(const RetrievalOptions& options);
std::unique_ptr<KeyIndex> make_flat_index();
std::unique_ptr<KeyIndex> make_graph_index(const RetrievalOptions& options);
std::unique_ptr<KeyIndex> make_hnsw_index(const RetrievalOptions& options);

// Products of up to 16 queries with keys [0, count), each query's in a row of `scores` of `count`.
void multiply_all(const KeyRows& rows, std::int64_t count, const Queries& queries, float* scores);

}  // namespace scsim::methods
