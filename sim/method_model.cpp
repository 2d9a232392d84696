#include "sim/method_model.h"

#include <algorithm>
#include <cmath>

#include "cost_models/step_drivers.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

using methods::AttentionLayer;
using methods::Compresses;
using methods::KvContract;
using methods::ReuseClass;

constexpr double kFitsTheForm = 0.02;  // relative error of what is read

Tokens tokens(std::int64_t count) { return Tokens{count}; }

double sum(const std::vector<AttentionLayer>& layers, const auto& of) {
  double total = 0;
  for (const AttentionLayer& layer : layers) total += of(layer);
  return total;
}

class OfContract final : public CompressionRule {
 public:
  OfContract(const KvContract& contract, const std::vector<AttentionLayer>& layers,
             std::int64_t block_tokens)
      : contract_(contract), layers_(layers), block_tokens_(block_tokens) {
    token_bytes_ = sum(layers, [](const AttentionLayer& layer) {
      return methods::dense_bytes(layer, tokens(1)).value();
    });
  }
  bool at_every_append() const override {
    return contract_.compresses() == Compresses::kAtEveryAppend;
  }
  bool acts(std::span<const std::int64_t> prompts) const override {
    std::int64_t all = 0;
    for (const std::int64_t prompt : prompts) all += prompt;
    return kept_bytes(prompts) != token_bytes_ * static_cast<double>(all);
  }
  std::int64_t kept(std::span<const std::int64_t> prompts) const override {
    return whole_blocks(kept_bytes(prompts));
  }
  // Layers are compressed one behind the other: the worst is that none has been yet.
  std::int64_t peak(std::int64_t prompt) const override {
    return whole_blocks(sum(layers_, [&](const AttentionLayer& layer) {
      return contract_.peak_bytes(layer, tokens(prompt)).value();
    }));
  }

 private:
  double kept_bytes(std::span<const std::int64_t> prompts) const {
    std::vector<Tokens> sizes;
    for (const std::int64_t prompt : prompts) sizes.push_back(tokens(prompt));
    return sum(layers_, [&](const AttentionLayer& layer) {
      return contract_.kept_bytes_behind(layer, sizes).value();
    });
  }
  std::int64_t whole_blocks(double bytes) const {
    const double block = token_bytes_ * static_cast<double>(block_tokens_);
    return static_cast<std::int64_t>(std::ceil(bytes / block - 1e-9)) * block_tokens_;
  }

  const KvContract& contract_;
  const std::vector<AttentionLayer>& layers_;
  std::int64_t block_tokens_;
  double token_bytes_ = 1;
};

class PartlyRead final : public cost_models::StepCostModel {
 public:
  PartlyRead(std::unique_ptr<cost_models::StepCostModel> whole, const PartialReads& reads)
      : whole_(std::move(whole)), reads_(reads), windows_{reads.budget} {}
  cost_models::StepCost step(const cost_models::StepShape& shape) const override {
    cost_models::StepCost cost = whole_->step(shape);
    for (std::size_t s = 0; s < kNumStages; ++s) {
      cost.per_windowed_token[0][s] = reads_.first * cost.per_context_token[s];
      cost.per_context_token[s] *= reads_.all;
    }
    cost.hbm_bytes_per_windowed_token[0] = reads_.first * cost.hbm_bytes_per_context_token;
    cost.flops_per_windowed_token[0] = reads_.first * cost.flops_per_context_token;
    cost.hbm_bytes_per_context_token *= reads_.all;
    cost.flops_per_context_token *= reads_.all;
    return cost;
  }
  const std::vector<std::int64_t>& windows() const override { return windows_; }
  std::vector<std::string> honesty() const override { return whole_->honesty(); }

 private:
  std::unique_ptr<cost_models::StepCostModel> whole_;
  PartialReads reads_;
  std::vector<std::int64_t> windows_;
};

}  // namespace

class MethodModelMaker {
 public:
  MethodModelMaker(const methods::MethodChoice& choice, const cost_models::ModelShape& model,
                   const cost_models::Precision& precision, std::int64_t block_tokens,
                   const cost_models::MeasuredCosts* measured)
      : choice_(choice),
        model_(model),
        precision_(precision),
        block_tokens_(block_tokens),
        measured_(measured),
        method_(std::make_shared<MethodModel>()) {}

  Expected<std::shared_ptr<const MethodModel>> make() {
    method_->text = methods::method_text({.name = choice_.name, .parameters = choice_.parameters});
    method_->contract_ = methods::make_contract(choice_);
    if (auto layers = make_layers(); !layers) return layers.error();
    const KvContract& contract = *method_->contract_;
    // In serving, every prompt ends with its question.
    method_->reuse = contract.reuse(SessionMode::kMultiTurn);
    method_->chunked = contract.allows_chunked_prefill();
    if (method_->reuse == ReuseClass::kPositionFree) return refused("reuse at other offsets");
    if (method_->reuse == ReuseClass::kSnapshot) return refused("saved points of recurrent states");
    if (contract.rewrite(tokens(1 << 20)).aimed != tokens(1 << 20)) {
      return refused("a prompt that is rewritten");
    }
    if (contract.extra_passes() > 0) return refused("further passes over a prompt");
    find_profile();
    if (auto kept = model_kept(); !kept) return kept.error();
    if (method_->compression == nullptr) {
      if (auto reads = model_reads(); !reads) return reads.error();
    }
    model_pairs();
    return std::shared_ptr<const MethodModel>(method_);
  }

 private:
  Error refused(const std::string& what) const {
    return Error{"method " + method_->text + ": " + what + " is not modelled yet"};
  }

  Expected<void> make_layers() {
    using Mixer = cost_models::LayerClass::Mixer;
    for (const cost_models::LayerClass& layer : model_.layers) {
      if (layer.mixer == Mixer::kSlidingWindow) return refused("it on sliding-window layers");
      if (layer.mixer == Mixer::kLatentAttention) return refused("it on latent attention");
      if (layer.recurrent()) return refused("it on a model with recurrent layers");
      for (std::int64_t i = 0; i < layer.count; ++i) {
        method_->layers_.push_back({.layer = std::ssize(method_->layers_),
                                    .num_layers = model_.num_layers(),
                                    .query_heads = layer.query_heads,
                                    .kv_heads = layer.kv_heads,
                                    .head_dim = layer.head_dim,
                                    .element_bytes = precision_.cache_bits / 8});
      }
    }
    method_->heads_ = sum(method_->layers_, [](const AttentionLayer& layer) {
      return static_cast<double>(layer.query_heads);
    });
    token_bytes_ = sum(method_->layers_, [](const AttentionLayer& layer) {
      return methods::dense_bytes(layer, tokens(1)).value();
    });
    return {};
  }

  void find_profile() {
    if (measured_ != nullptr)
      method_->profiled = profiled_method(measured_->profile, method_->text);
  }

  // What is kept behind a prompt, and what becomes of it while it is decoded.
  Expected<void> model_kept() {
    const KvContract& contract = *method_->contract_;
    const AttentionLayer& layer = method_->layers_.front();
    const Tokens many = tokens(1 << 20);
    if (contract.compresses() == Compresses::kNever) {
      const auto share = [&](Tokens behind) {
        return sum(method_->layers_,
                   [&](const AttentionLayer& l) {
                     return contract.kept_bytes(l, behind).value();
                   }) /
               token_bytes_ / static_cast<double>(behind.value());
      };
      method_->cache_share = share(many);
      if (method_->cache_share != 1) {
        method_->honesty.push_back("method " + method_->text +
                                   ": beside each token's KV it keeps " +
                                   format_percent(method_->cache_share - 1) +
                                   " more, which engines have so many fewer blocks for");
      }
      return {};
    }
    const auto host = sum(method_->layers_, [&](const AttentionLayer& l) {
      return contract.decode_reads(l, many).host.value();
    });
    if (host > 0) return refused("what it keeps on the host");
    // A token that comes when a great many are cached attends fewer: it is that they were dropped.
    if (contract.prefill_pairs(layer, tokens(1), many).most <
        methods::causal_pairs(layer, tokens(1), many))
      return refused("a cache that drops with every token");
    if (contract.compresses() == Compresses::kAtEveryAppend &&
        contract.second_question() == methods::SecondQuestion::kAppends)
      return refused("a cache that is compressed while it is decoded");
    method_->compression = std::make_unique<OfContract>(contract, method_->layers_, block_tokens_);
    return model_compression_time();
  }

  Expected<void> model_compression_time() {
    const ProfileFit* fit = nullptr;
    if (method_->profiled) {
      for (const ProfileFit& candidate : measured_->profile.fits)
        if (candidate.method == *method_->profiled &&
            candidate.name == cost_models::kCompressionOfPrompts)
          fit = &candidate;
    }
    if (fit == nullptr) {
      method_->honesty.push_back("compression by " + method_->text +
                                 " takes no time: it was not measured");
      return {};
    }
    for (const ProfileCoefficient& coefficient : fit->coefficients) {
      if (coefficient.driver == "turns") method_->seconds_a_prompt_ = coefficient.seconds;
      if (coefficient.driver == "tokens") method_->seconds_a_token_ = coefficient.seconds;
    }
    return {};
  }

  // all * context + first * min(context, budget), by what is read of few and of many tokens.
  Expected<void> model_reads() {
    const KvContract& contract = *method_->contract_;
    const auto read = [&](std::int64_t context) {
      return sum(method_->layers_,
                 [&](const AttentionLayer& layer) {
                   const methods::DecodeReads reads = contract.decode_reads(layer, tokens(context));
                   return reads.hbm.value() + reads.host.value();
                 }) /
             token_bytes_;
    };
    constexpr std::int64_t kFew = 32, kMany = 1 << 20;
    PartialReads form;
    form.all = (read(2 * kMany) - read(kMany)) / static_cast<double>(kMany);
    form.first = read(kFew) / static_cast<double>(kFew) - form.all;
    if (std::abs(form.first) < 1e-9) {
      if (std::abs(form.all - 1) > 1e-9) method_->reads = PartialReads{form.all, 0, kMany};
      return {};
    }
    form.budget = static_cast<std::int64_t>(
        std::llround((read(kMany) - form.all * static_cast<double>(kMany)) / form.first));
    for (std::int64_t context = 64; context < kMany; context *= 2) {
      const double formed = form.all * static_cast<double>(context) +
                            form.first * static_cast<double>(std::min(context, form.budget));
      if (std::abs(formed - read(context)) > kFitsTheForm * read(context) + 64)
        return refused("what a decode step reads of " + format_integer(context) + " tokens");
    }
    method_->reads = form;
    return {};
  }

  void model_pairs() {
    const KvContract& contract = *method_->contract_;
    const bool exact = std::ranges::all_of(method_->layers_, [&](const AttentionLayer& layer) {
      return contract.prefill_pairs(layer, tokens(20'000), tokens(0)).exact();
    });
    if (exact || method_->compression != nullptr) return;
    if (method_->profiled) {
      for (const AttentionDensity& density : measured_->profile.densities)
        if (density.method == *method_->profiled)
          method_->densities_.emplace_back(static_cast<double>(density.tokens), density.mean);
    }
    std::ranges::sort(method_->densities_);
    if (method_->densities_.empty())
      method_->honesty.push_back("what " + method_->text +
                                 " attends depends on the data and was not measured: the mean of "
                                 "what its contract allows");
  }

  const methods::MethodChoice& choice_;
  const cost_models::ModelShape& model_;
  const cost_models::Precision& precision_;
  std::int64_t block_tokens_;
  const cost_models::MeasuredCosts* measured_;
  std::shared_ptr<MethodModel> method_;
  double token_bytes_ = 1;
};

double MethodModel::prefill_pairs(std::int64_t cached, std::int64_t fresh) const {
  // What a compressing method still holds it attends; `cached` says how much that is.
  if (compression != nullptr) return cost_models::causal_pairs(cached, fresh, 0);
  double least = 0, most = 0;
  for (const AttentionLayer& layer : layers_) {
    const methods::PairBounds pairs =
        contract_->prefill_pairs(layer, tokens(fresh), tokens(cached));
    least += pairs.least / heads_;
    most += pairs.most / heads_;
  }
  if (least == most) return least;
  if (densities_.empty()) return (least + most) / 2;
  const auto keys = static_cast<double>(cached + fresh);
  double density = densities_.front().second;
  for (std::size_t i = 0; i + 1 < densities_.size(); ++i) {
    const auto& [low, at_low] = densities_[i];
    const auto& [high, at_high] = densities_[i + 1];
    if (keys < low) break;
    density = at_low + std::min(1.0, (keys - low) / (high - low)) * (at_high - at_low);
  }
  return std::clamp(density * cost_models::causal_pairs(cached, fresh, 0), least, most);
}

Expected<std::shared_ptr<const MethodModel>> make_method_model(
    const std::string& text, const cost_models::ModelShape& model,
    const cost_models::Precision& precision, std::int64_t block_tokens,
    const cost_models::MeasuredCosts* profile) {
  const auto choice = methods::parse_method(text);
  if (!choice) return choice.error();
  if (choice->name == "full") return std::shared_ptr<const MethodModel>();
  return MethodModelMaker(*choice, model, precision, block_tokens, profile).make();
}

std::optional<int> profiled_method(const Profile& profile, const std::string& text) {
  const auto& known = profile.design.methods;
  for (std::size_t m = 0; m < known.size(); ++m) {
    std::string written = known[m].name;
    const char* between = ":";
    for (const auto& [name, value] : known[m].parameters) {
      if (value.empty()) continue;
      written += between + name + "=" + value;
      between = ",";
    }
    const auto choice = methods::parse_method(written);
    if (choice &&
        methods::method_text({.name = choice->name, .parameters = choice->parameters}) == text)
      return static_cast<int>(m);
  }
  return std::nullopt;
}

std::unique_ptr<cost_models::StepCostModel> with_partial_reads(
    std::unique_ptr<cost_models::StepCostModel> whole, const PartialReads& reads) {
  return std::make_unique<PartlyRead>(std::move(whole), reads);
}

}  // namespace scsim::sim
