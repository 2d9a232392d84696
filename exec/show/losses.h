// What each method loses against full attention when a context is asked more than once, in one
// table: behind the first question and behind later ones, in both modes, at what memory and work.
//
//   auto calibration = read_calibration("cal.pb");
//   std::fputs(losses_text(losses(*calibration), *calibration).c_str(), stdout);
//
// Sessions of all tasks and lengths are taken together, each against full attention's own session.
// Where full attention itself answers less than half, a lost score says nothing: such tasks are
// left out of the scores, and named. How likely the golden answers are says something of all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exec/show/statistics.h"
#include "traces/calibration.h"

namespace scsim::exec {

inline constexpr std::int64_t kLongAnswer = 32;  // tokens

struct Loss {
  std::string method;  // label, as tables have it
  // Strict score minus full attention's: of the first turn and of those behind it in multi-turn
  // mode; of all in multi-request mode; and by how much later turns differ from the first.
  std::optional<Mean> first, later, alone, later_minus_first;
  // Nats per token of the golden answers, minus full attention's, likewise.
  std::optional<Mean> nll_first, nll_later, nll_alone;
  // KL(full || method), nats per token, in the first and the last quarter of golden answers of
  // kLongAnswer tokens or more, in both modes: whether what a method chose at the question still
  // serves when the answer has gone on.
  std::optional<Mean> kl_start, kl_end, kl_end_minus_start;
  // Of full attention's on the same sessions: KV held behind the last turn, pairs of the prefills,
  // KV read (and moved) by decode steps.
  std::optional<double> kv, pairs, reads;
};

struct Losses {
  double full = 0;                           // mean score of full attention on what is compared
  std::vector<std::string> cells, left_out;  // "kv at 512 tokens"
  std::vector<Loss> methods;                 // all but full attention, in the design's order
};

// Nothing is compared where full attention was not measured.
Losses losses(const Calibration& calibration);
std::string losses_text(const Losses& losses, const Calibration& calibration);

}  // namespace scsim::exec
