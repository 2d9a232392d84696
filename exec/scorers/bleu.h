// Sentence BLEU: the geometric mean of the precisions of runs of one to four words, times a penalty
// for being shorter than the reference.
//
//   double similarity = sentence_bleu(split_words(reference), split_words(candidate));
//
// The same as the Python package nltk's `sentence_bleu` with `SmoothingFunction().method4`, one
// reference and default weights: the k-th precision that is zero is replaced by
// log(words) / (2^k * 5) over its denominator; a precision that stays zero (a candidate of one
// word) is left out of the mean. No word in common gives 0. Compared to 1e-12 (nltk sums the
// logarithms exactly, we in order). Cost: linear in both.
#pragma once

#include <span>
#include <string>

namespace scsim::exec {

double sentence_bleu(std::span<const std::string> reference,
                     std::span<const std::string> candidate);

}  // namespace scsim::exec
