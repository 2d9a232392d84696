// ROUGE-Lsum: the longest common subsequences of the lines of two summaries, put together.
//
//   double f1 = rouge_lsum_f1(reference, prediction);
//
// The same to the last bit as the Python package rouge_score 0.1.2 without stemming, which is what
// `evaluate.load("rouge").compute(use_aggregator=False)["rougeLsum"]` runs. A sentence is a line. A
// token is a run of a-z and 0-9 after lower-casing: two other letters of Unicode become those (the
// Kelvin sign and the dotted capital I); everything else separates, so that a summary in Chinese
// has no tokens and scores 0.
//
// For every line of the reference, the union of the positions that some line of the prediction
// shares with it in order; a token counts at most as often as both texts have it. Which of several
// longest subsequences is taken changes the union, so the way back through the table is the
// package's: match, else left if larger there, else up.
//
// Cost: time O(tokens of one x tokens of the other), memory O(longest line of one x of the other).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

std::vector<std::string> rouge_tokens(std::string_view text);
double rouge_lsum_f1(std::string_view reference, std::string_view prediction);

}  // namespace scsim::exec
