// How like the asked function a piece of generated code is, as RepoQA judges it.
//
//   CodeAnswer answer = judge_code(prediction, needles, "parse_header", language,
//   CodeRule::kScbench); bool right = answer.asked_is_best && answer.similarity >= 0.8;
//
// The code of a prediction is the first function in its fenced blocks, else its first block, else
// all of it. It is held against every needle of the repository by sentence BLEU of whitespace-
// separated words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/scorers/code_tokens.h"
#include "exec/scorers/scorer.h"

namespace scsim::exec {

// kStrict removes comments on both sides, reads a fence that was never closed to its end, takes the
// first block as a whole where that is closer than its first function, gives words that are all the
// same a similarity of 1 (BLEU is below 1 for two or three words), and lets the asked needle win
// ties.
enum class CodeRule : std::uint8_t { kScbench, kStrict };

struct CodeAnswer {
  bool asked_is_best = false;  // of all needles
  double similarity = 0;       // of the best needle
};

CodeAnswer judge_code(std::string_view prediction, std::span<const Needle> needles,
                      std::string_view asked, CodeLanguage language, CodeRule rule);

// The contents of ```-fenced blocks, as the regular expression ^```\w*\s*\n(.*?)^``` finds them.
// With `unclosed`, a last block without its closing fence too.
std::vector<std::string> fenced_blocks(std::string_view text, bool unclosed);

}  // namespace scsim::exec
