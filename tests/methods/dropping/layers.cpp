#include "tests/methods/dropping/layers.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace scsim::test {
namespace {

methods::MethodChoice parsed(const std::string& method) {
  const auto choice = methods::parse_method(method);
  INFO((choice ? "" : choice.error().message));
  REQUIRE(choice.has_value());
  return *choice;
}

at::Tensor normal(Rng& rng, at::IntArrayRef sizes) {
  at::Tensor t = at::empty(sizes, at::kFloat);
  float* to = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = static_cast<float>(rng.normal());
  return t;
}

Rows plain(const at::Tensor& rows) {
  Rows all;
  for (std::int64_t t = 0; t < rows.size(0); ++t) {
    all.emplace_back();
    for (std::int64_t h = 0; h < rows.size(1); ++h) {
      const at::Tensor one = rows[t][h].to(at::kDouble).contiguous();
      all.back().emplace_back(one.const_data_ptr<double>(),
                              one.const_data_ptr<double>() + one.numel());
    }
  }
  return all;
}

}  // namespace

at::Tensor turned_keys(const at::Tensor& keys, std::int64_t by) {
  at::Tensor turned = keys.clone();
  for (std::int64_t i = 0; 2 * i < keys.size(2); ++i) {
    const double angle = static_cast<double>(by) / static_cast<double>(i + 1);
    const at::Tensor a = keys.select(2, 2 * i), b = keys.select(2, 2 * i + 1);
    turned.select(2, 2 * i).copy_(a * std::cos(angle) - b * std::sin(angle));
    turned.select(2, 2 * i + 1).copy_(b * std::cos(angle) + a * std::sin(angle));
  }
  return turned;
}

Layers::Layers(const std::string& method, const LayersShape& of, std::uint64_t draw)
    : shape(of),
      choice(parsed(method)),
      memory(std::make_shared<exec::KvMemory>(
          exec::KvMemoryOptions{.head_dim = of.head_dim, .page_tokens = of.page_tokens})),
      cache(memory, {.layers = of.layers, .kv_heads = of.kv_heads, .kinds = {}}),
      rng_(31, "tests.dropping", draw),
      runtime_(methods::make_runtime(choice)),
      contract_(methods::make_contract(choice)) {
  const auto empty = [&](std::int64_t heads) { return at::empty({0, heads, of.head_dim}); };
  for (std::int64_t l = 0; l < of.layers; ++l) {
    q.push_back(empty(of.kv_heads * of.group));
    k.push_back(empty(of.kv_heads));
    v.push_back(empty(of.kv_heads));
  }
}

Layers::Layers(const Layers& other, int)
    : shape(other.shape),
      choice(other.choice),
      memory(other.memory),
      cache(other.cache.fork()),
      q(other.q),
      k(other.k),
      v(other.v),
      rng_(other.rng_),
      runtime_(other.runtime_),
      contract_(other.contract_) {}

Layers Layers::fork() const { return Layers(*this, 0); }

void Layers::draw(std::int64_t tokens) {
  const std::int64_t seen = cache.tokens_seen();
  for (std::size_t l = 0; l < q.size(); ++l) {
    q[l] = at::cat({q[l], normal(rng_, {tokens, shape.kv_heads * shape.group, shape.head_dim})});
    k[l] = at::cat({k[l], normal(rng_, {tokens, shape.kv_heads, shape.head_dim})});
    const at::Tensor values = normal(rng_, {tokens, shape.kv_heads, shape.head_dim});
    values.select(2, 0).copy_(at::arange(seen, seen + tokens).unsqueeze(1));
    v[l] = at::cat({v[l], values});
  }
}

at::Tensor Layers::run(std::int64_t layer, std::int64_t from, std::int64_t to,
                       std::int64_t prompt_from, bool last, bool decode) {
  const std::size_t l = static_cast<std::size_t>(layer);
  exec::Measure& measure = measured->measure;
  exec::LayerStep step{.layer = layer,
                       .num_layers = shape.layers,
                       .first_position = from,
                       .cache = cache,
                       .q = q[l].slice(0, from, to),
                       .k = k[l].slice(0, from, to),
                       .v = v[l].slice(0, from, to),
                       .scale = 1 / std::sqrt(static_cast<double>(shape.head_dim)),
                       .first_prefill = prompt_from == 0,
                       .last_chunk = last,
                       .measure = measure,
                       .move_keys = turned_keys};
  if (decode) {
    const exec::MeasuredStage stage(measure, Stage::kLoading);
    return runtime_->attend_decode(step);
  }
  at::Tensor out;
  {
    const exec::MeasuredStage stage(measure, Stage::kGeneration);
    out = runtime_->attend_prefill(step);
  }
  const exec::MeasuredStage stage(measure, Stage::kCompression);
  REQUIRE(runtime_->compress(step));
  return out;
}

void Layers::prompt(std::int64_t tokens, std::int64_t chunk) {
  draw(tokens);
  read_prompt(chunk);
}

void Layers::prompt_of(const at::Tensor& queries, const at::Tensor& keys) {
  draw(queries.size(0));
  for (std::size_t l = 0; l < q.size(); ++l) {
    q[l].slice(0, cache.tokens_seen()).copy_(queries);
    k[l].slice(0, cache.tokens_seen()).copy_(keys);
  }
  read_prompt(0);
}

// All that was drawn and not read.
void Layers::read_prompt(std::int64_t chunk) {
  const std::int64_t first = cache.tokens_seen(), end = q.front().size(0);
  for (std::int64_t from = first; from < end;) {
    const std::int64_t to = chunk == 0 ? end : std::min(end, from + chunk);
    for (std::int64_t l = 0; l < shape.layers; ++l) {
      REQUIRE(run(l, from, to, first, to == end, false).defined());
    }
    cache.advance(to - from);
    from = to;
  }
}

std::vector<at::Tensor> Layers::decode() {
  const std::int64_t from = cache.tokens_seen();
  draw(1);
  std::vector<at::Tensor> outputs;
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    outputs.push_back(run(l, from, from + 1, from, true, true));
    REQUIRE(outputs.back().defined());
  }
  cache.advance(1);
  return outputs;
}

std::vector<std::int32_t> Layers::held(std::int64_t layer, std::int64_t head) const {
  const at::Tensor numbers = cache.rows(layer, head).second.select(1, 0).to(at::kInt).contiguous();
  return {numbers.const_data_ptr<std::int32_t>(),
          numbers.const_data_ptr<std::int32_t>() + numbers.numel()};
}

Rows Layers::keys(std::int64_t layer, const std::vector<std::int32_t>& tokens) const {
  return plain(k[static_cast<std::size_t>(layer)].index_select(0, at::tensor(tokens)));
}

Rows Layers::queries(std::int64_t layer, std::int64_t count) const {
  const at::Tensor& all = q[static_cast<std::size_t>(layer)];
  return plain(all.slice(0, all.size(0) - count));
}

std::vector<std::int32_t> Layers::all_tokens() const {
  std::vector<std::int32_t> tokens;
  for (std::int64_t t = 0; t < cache.tokens_seen(); ++t) {
    tokens.push_back(static_cast<std::int32_t>(t));
  }
  return tokens;
}

methods::AttentionLayer Layers::layer(std::int64_t number) const {
  return {.layer = number,
          .num_layers = shape.layers,
          .query_heads = shape.kv_heads * shape.group,
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim,
          .element_bytes = 4};
}

double Layers::held_bytes() const {
  std::int64_t empty = 0;
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    for (std::int64_t h = 0; h < cache.heads(l); ++h) {
      empty += cache.num_pages(l, h) * shape.page_tokens - cache.length(l, h);
    }
  }
  return static_cast<double>(cache.bytes().total() - empty * 2 * shape.head_dim * 4);
}

}  // namespace scsim::test
