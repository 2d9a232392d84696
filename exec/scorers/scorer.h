// How good an answer is, 0 to 1, for each of the twelve tasks of SCBench, by two rules.
//
//   ScoredTurn turn{.prediction = "The answer is (C).", .answers = answers, .options = options};
//   Expected<double> fair = score("choice_eng", ScoreRule::kStrict, turn);  // 1, where C is right
//
// `scbench_compat` computes what SCBench's own script computes, its defects included, so that its
// published numbers can be reproduced. `strict` is what a careful reader would call right. A run
// records both; a table of results names the one it shows. What each rule asks for:
//
//   kv, prefix_suffix
//     compat  the answer occurs anywhere in the prediction
//     strict  it occurs, and no letter, digit or underscore touches it
//   vt
//     compat  the part of the variables that occur anywhere, in any case, to two decimals
//     strict  F1 between the set of variables asked for and the set named, as whole words
//   qa_eng
//     compat  the answer occurs anywhere, in any case
//     strict  1 if a reference's words occur in a row after SQuAD normalisation, else the F1 of
//     words
//   qa_chn
//     compat  F1 of characters, each character of the answer taken for a reference: the answer
//             itself scores 2 / (characters + 1)
//     strict  F1 of characters, the best of the references
//   choice_eng
//     compat  A to D where the prediction starts with one, else what follows "answer is", else the
//             first word that is part of "ABCD"; "(C)" scores 0
//     strict  the option meant: "C", "(c)", "C.", "answer is C", or its text (option_answer.h)
//   mf
//     compat  the first run of digits with its fraction, cut to an integer, without its sign
//     strict  the first number, sign and all: "12.7" is not 12, nor is "-12"
//   many_shot
//     compat  the letter occurs anywhere, in any case ("answer" has an A)
//     strict  the option meant, as in choice_eng
//   repoqa
//     compat  the asked function is, of the repository's needles, the one most like the first
//             function of the prediction, and BLEU >= 0.8
//     strict  the same without comments, leniently read (CodeRule::kStrict in code_answer.h)
//   summary
//     both    ROUGE-Lsum F1
//   summary_with_needles
//     both    summary as above; compat passkey: the first run of digits is the answer;
//             strict passkey: the first number with as many digits as the answer is the answer
//   repoqa_and_kv
//     both    repoqa and kv as above, but compat kv in multi-request mode is always 0
//
// Why qa_eng takes words in a row: the task asks for a few concise words, and models wrap them in a
// sentence, which plain F1 would punish for its length; F1 remains as partial credit for the rest.
//
// Cost: linear in the texts, but for ROUGE-Lsum, which compares every sentence (line) of the
// reference with every one of the prediction: time product of the token counts, memory product of
// one line's. 800 tokens against 800 take some milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/session_mode.h"

namespace scsim::exec {

enum class ScoreRule : std::uint8_t { kScbenchCompat, kStrict };

std::string_view score_rule_name(ScoreRule rule);  // "scbench_compat", "strict"

// A function of a repository that is, or could have been, asked for.
struct Needle {
  std::string name, code;
};

// One answer and what it is held against. Fields that a task does not name are ignored by it.
struct ScoredTurn {
  std::string_view prediction = {};  // what is not UTF-8 counts as U+FFFD
  // vt: the variables. qa_eng, qa_chn: references, any of which is right (compat knows the first
  // only). choice_eng: the option's text, as SCBench has it, or its letter. many_shot: the letter.
  // mf, passkey: the integer's digits. repoqa: the function's text. The others: the one answer.
  std::span<const std::string> answers = {};
  std::span<const std::string> options = {};  // choice_eng: required. many_shot: may be empty
  std::string_view task =
      {};  // summary_with_needles: summary or passkey. repoqa_and_kv: repoqa or kv
  std::string_view language = {};       // repoqa: python, java, typescript, rust, cpp or go
  std::string_view function_name = {};  // repoqa: the asked needle's
  std::span<const Needle> needles =
      {};  // repoqa: all of the repository, in order, the asked one too
  SessionMode mode = SessionMode::kMultiTurn;  // repoqa_and_kv
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
