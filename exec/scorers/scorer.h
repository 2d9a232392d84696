// How good an answer is, 0 to 1, for each of the twelve tasks of SCBench, by two rules.
//
//   ScoredTurn turn{.prediction = "The answer is (C).", .answers = answers, .options = options};
//   Expected<double> published = score("choice_eng", ScoreRule::kScbenchCompat, turn);  // 0: see
//   below Expected<double> fair = score("choice_eng", ScoreRule::kStrict, turn);              // 1
//
// `scbench_compat` computes what SCBench's own script computes, its defects included, so that its
// published numbers can be reproduced. `strict` is what a careful reader would call right. A run
// records both; a table of results names the one it shows. Per task, what each rule asks for:
//
//   task           scbench_compat                              strict
//   kv,            the answer occurs anywhere in the           it occurs, and no letter, digit or
//   prefix_suffix  prediction                                  underscore touches it
//   vt             part of the variables that occur            F1 between the set of variables
//   asked for
//                  anywhere, in any case, to 2 decimals        and the set named, as whole words
//   qa_eng         the answer occurs anywhere, in any case     1 if a reference's words occur in a
//   row after
//                                                              SQuAD normalisation, else the F1 of
//                                                              words
//   qa_chn         F1 of characters, where each character      F1 of characters, the best of the
//                  of the answer counts as a reference (so     references
//                  the answer itself rarely scores 1)
//   choice_eng     the letter A to D if the prediction         the option meant: "C", "(c)", "C.",
//   "answer
//                  starts with it, else what follows           is C", or its text
//                  "answer is"; "(C)" scores 0
//   mf             the first number without its sign,          the first whole number, sign and
//   all:
//                  cut to an integer                           "12.7" is not 12, nor is "-12"
//   many_shot      the letter occurs anywhere ("ANSWER"        the option meant, as in choice_eng
//                  has an A), in any case
//   repoqa         of the repository's needles the asked       the same with comments removed, a
//   fence that
//                  one is most like the first function of      was never closed read to its end,
//                  and a tie the prediction, and BLEU >= 0.8             between needles won by the
//                  asked one
//   summary        ROUGE-Lsum F1                               the same
//   summary_with_  summary: as summary; passkey: the first     summary: as summary; passkey: the
//   first number needles        run of digits is the answer                 with as many digits as
//   the answer equals it repoqa_and_kv  repoqa: as repoqa; kv: as kv in multi-      as repoqa, as
//   kv
//                  turn, always 0 in multi-request mode
//
// Why qa_eng takes words in a row: the task asks for a few concise words, and models wrap them in a
// sentence, which plain F1 would punish for its length; F1 remains as partial credit for the rest.
//
// Cost: linear in the texts, but for ROUGE-Lsum, which compares every sentence (line) of the
// reference with every one of the prediction: time product of the token counts, memory product of
// one line's. 800 tokens against 800 take about a millisecond.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

enum class ScoreRule : std::uint8_t { kScbenchCompat, kStrict };
enum class Mode : std::uint8_t { kMultiTurn, kMultiRequest };

std::string_view score_rule_name(ScoreRule rule);  // "scbench_compat", "strict"

// A function of a repository that is, or could have been, asked for.
struct Needle {
  std::string name, code;
};

// One answer and what it is held against. Fields that a task does not name are ignored by it.
struct ScoredTurn {
  std::string_view prediction;  // what is not UTF-8 counts as U+FFFD
  // vt: the variables. qa_eng, qa_chn: references, any of which is right (compat knows the first
  // only). choice_eng: the option's text, as SCBench has it, or its letter. many_shot: the letter.
  // mf, passkey: the integer's digits. repoqa: the function's text. The others: the one answer.
  std::span<const std::string> answers;
  std::span<const std::string> options;  // choice_eng: required. many_shot: may be empty
  std::string_view task;  // summary_with_needles: summary or passkey. repoqa_and_kv: repoqa or kv
  std::string_view language;        // repoqa: python, java, typescript, rust, cpp or go
  std::string_view function_name;   // repoqa: the asked needle's
  std::span<const Needle> needles;  // repoqa: all of the repository, in order, the asked one too
  Mode mode = Mode::kMultiTurn;     // repoqa_and_kv
};

// The error names what the turn lacks: a reference, an option, a known sub-task or language.
using ScoreFunction = std::function<Expected<double>(const ScoredTurn&)>;

struct ScorerEntry {
  std::string name, sentence, source;
  ScoreFunction scbench_compat, strict;
  std::vector<std::string> subtasks;  // of a mixed task: what ScoredTurn::task may be
};

// In the order of the lines `add_scorer(x)` in exec/scorers/CMakeLists.txt.
const std::vector<ScorerEntry>& scorer_table();
Expected<ScorerEntry> find_scorer(std::string_view task);

Expected<double> score(std::string_view task, ScoreRule rule, const ScoredTurn& turn);

}  // namespace scsim::exec
