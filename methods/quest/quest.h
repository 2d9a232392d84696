// What Quest is told, and how many pages that makes it read: for its contract and its execution.
#pragma once

#include <algorithm>
#include <cstdint>

#include "methods/method.h"

namespace scsim::methods {

// How the tokens of a later prompt, several at a time, choose their pages.
enum class QuestFollowUp : std::uint8_t {
  kEach,        // each by the bounds of its own query, as a decode step
  kSharedSign,  // each with its own query, by bounds folded with the sum of all queries' signs
  kDense,       // none chooses: they attend everything
};

struct QuestOptions {
  std::int64_t page = 16, budget = 1024, least_pages = 3, dense_layers = 2;
  bool newest = true;          // the page of the newest token is always read
  bool per_query_head = true;  // pages are chosen for each query head, not for each kv head
  QuestFollowUp follow_up = QuestFollowUp::kEach;

  std::int64_t pages(std::int64_t tokens) const { return (tokens + page - 1) / page; }
  // Of `tokens` held; all of them where the budget reaches that far.
  std::int64_t chosen(std::int64_t tokens) const {
    if (tokens <= budget) return pages(tokens);
    return std::min(pages(tokens), std::max(least_pages, budget / page));
  }
  // Of so many tokens and fewer all pages are chosen.
  std::int64_t most_held_whole() const {
    return std::max(budget, std::max(least_pages, budget / page) * page);
  }
  bool chooses(std::int64_t layer) const { return layer >= dense_layers; }
};

QuestOptions quest_options(const MethodParameters& parameters);

// Room for the bounds of pages is made for so many pages at a time.
constexpr std::int64_t kQuestRoom = 16;

}  // namespace scsim::methods
