// Quest (Tang et al. 2024): everything is kept, and a decode step reads only the pages whose keys
// could have the largest logits, told by the minimum and maximum of each channel over the page.
#include "methods/contract.h"

#include <algorithm>

#include "methods/listed_selection.h"
#include "methods/quest/quest.h"
#include "methods/token_sums.h"

namespace scsim::methods {
namespace {

class QuestContract final : public KvContract {
 public:
  explicit QuestContract(const QuestOptions& options) : options_(options) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    const double all = causal_pairs(layer, fresh, cached);
    if (cached.value() == 0 || !options_.chooses(layer.layer) ||
        options_.follow_up == QuestFollowUp::kDense) {
      return {.least = all, .most = all};
    }
    const std::int64_t from = cached.value(), to = from + fresh.value();
    std::int64_t least = 0, most = 0;
    if (options_.follow_up == QuestFollowUp::kSharedSign) {
      // With one sign for all, pages behind the token are among those that compete with its own.
      least = fresh.value();
      most = sum_capped(from, to, options_.chosen(to) * options_.page);
    } else {
      const std::int64_t whole = std::clamp(options_.most_held_whole(), from, to);
      const std::int64_t full = (options_.chosen(to) - 1) * options_.page;
      // Of the newest page what is there: (held - 1) % page + 1.
      least = sum(from, whole) + (to - whole) * (full + 1);
      if (to > whole) {
        least += sum(whole - 1, to - 1) - sum_of_whole_blocks(whole - 1, to - 1, options_.page);
      }
      most = options_.newest ? least : sum(from, whole) + (to - whole) * (full + options_.page);
    }
    const auto heads = static_cast<double>(layer.query_heads);
    return {.least = heads * static_cast<double>(least), .most = heads * static_cast<double>(most)};
  }

  double prefill_pairs_given(const AttentionLayer&, Tokens, Tokens cached,
                             const RecordedSelection& selection) const override {
    std::int64_t pairs = 0;
    for (const std::vector<std::int32_t>& head : selection) {
      each_listed(head, [&](std::int64_t token, std::span<const std::int32_t> pages) {
        const std::int64_t held = cached.value() + token + 1;
        for (const std::int64_t page : pages) {
          pairs += std::min((page + 1) * options_.page, held) - page * options_.page;
        }
      });
    }
    return static_cast<double>(pairs);
  }

  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    return dense_bytes(layer, tokens) + metadata_bytes(layer, tokens);
  }
  Bytes metadata_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    if (!options_.chooses(layer.layer)) return Bytes{0};
    const std::int64_t pages = options_.pages(tokens.value());
    return bounds_of(layer, (pages + kQuestRoom - 1) / kQuestRoom * kQuestRoom);
  }

  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override {
    const Bytes kept = kept_bytes(layer, tokens);
    if (!options_.chooses(layer.layer)) return {.hbm = kept, .host = Bytes{0}, .resident = kept};
    // At most: a page that is not full may be among those that are not read. Exact where the newest
    // page always is.
    const std::int64_t read = attended_of(tokens.value()).most;
    const double heads =
        static_cast<double>(options_.per_query_head ? layer.query_heads : layer.kv_heads);
    return {
        .hbm = Bytes{heads * 2 * static_cast<double>(read * layer.head_dim) * layer.element_bytes} +
               bounds_of(layer, options_.pages(tokens.value())),
        .host = Bytes{0},
        .resident = kept};
  }

  // A prompt's cache is full attention's. What later prompts of a session add is made with some
  // pages only, unless they attend everything.
  ReuseClass reuse(SessionMode mode) const override {
    const bool exact =
        mode == SessionMode::kMultiRequest || options_.follow_up == QuestFollowUp::kDense;
    return exact ? ReuseClass::kExact : ReuseClass::kLossy;
  }

 private:
  struct Attended {
    std::int64_t least, most;  // tokens, of so many held
  };
  Attended attended_of(std::int64_t held) const {
    const std::int64_t chosen = options_.chosen(held);
    if (chosen == options_.pages(held)) return {held, held};
    const std::int64_t all_full = chosen * options_.page;
    const std::int64_t with_newest =
        all_full - options_.page + (held - (options_.pages(held) - 1) * options_.page);
    return {with_newest, options_.newest ? with_newest : all_full};
  }
  static Bytes bounds_of(const AttentionLayer& layer, std::int64_t pages) {
    return Bytes{2.0 * static_cast<double>(pages * layer.kv_heads * layer.head_dim) *
                 layer.element_bytes};
  }

  QuestOptions options_;
};

}  // namespace

QuestOptions quest_options(const MethodParameters& parameters) {
  const auto whole = [&](const char* name) {
    return static_cast<std::int64_t>(parameters.at(name));
  };
  return {.page = whole("page"),
          .budget = whole("budget"),
          .least_pages = whole("least_pages"),
          .dense_layers = whole("dense_layers"),
          .newest = parameters.at("newest") == 0,
          .per_query_head = parameters.at("heads") == 0,
          .follow_up = static_cast<QuestFollowUp>(whole("follow_up"))};
}

MethodEntry quest_method() {
  return {
      .name = "quest",
      .sentence = "keeps everything; a decode step reads the pages whose bounds promise most",
      .category = "KV loading",
      .source = "Tang et al. 2024, arXiv 2406.10774; github.com/mit-han-lab/Quest",
      .parameters = {{.name = "budget",
                      .default_value = 1024,
                      .min = 1,
                      .max = 1 << 30,
                      .sentence = "tokens that a query reads"},
                     {.name = "page",
                      .default_value = 16,
                      .min = 1,
                      .max = 4096,
                      .sentence = "tokens that share bounds"},
                     {.name = "least_pages",
                      .default_value = 3,
                      .min = 1,
                      .max = 1 << 20,
                      .sentence = "pages that are read whatever the budget"},
                     {.name = "dense_layers",
                      .default_value = 2,
                      .min = 0,
                      .max = 1 << 20,
                      .sentence = "first layers, which read everything"},
                     {.name = "newest",
                      .sentence = "whether the page of the newest token is always read",
                      .choices = {"always", "if_chosen"}},
                     {.name = "heads",
                      .sentence = "pages for each query head, or for each kv head by the largest "
                                  "bound of its group",
                      .choices = {"query", "kv"}},
                     {.name = "follow_up",
                      .sentence = "how tokens of later prompts choose: each by its own bounds, all "
                                  "with one sum of signs, or not at all",
                      .choices = {"each", "shared_sign", "dense"}}},
      .make_contract = [](const MethodParameters& parameters) -> std::unique_ptr<KvContract> {
        return std::make_unique<QuestContract>(quest_options(parameters));
      },
      .presets = {{.name = "paper",
                   .sentence = "the paper: the first two layers dense, the newest page always read",
                   .numbers = {}},
                  {.name = "released",
                   .sentence =
                       "SCBench's code: every layer, newest page by its bound, later prompts "
                       "with one sum of signs",
                   .numbers = {{"dense_layers", 0}, {"newest", 1}, {"follow_up", 1}}}},
      .small = {"page=4,budget=24,dense_layers=0", "page=16,budget=64,heads=kv,dense_layers=1",
                "preset=released,page=5,budget=20", "page=4,budget=12,follow_up=dense"},
      .lossless = {"budget=100000,dense_layers=0", "preset=released,budget=100000",
                   "dense_layers=100"}};
}

}  // namespace scsim::methods
