// Question answering: normalised text and the F1 of what two texts have in common.
//
//   squad_words("The Hound, of Baskerville!")  ->  hound of baskerville
//   chinese_characters("福尔摩斯。")            ->  four characters
//   f1_of_overlap(prediction, reference)       ->  as multisets
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

// Lower case, without ASCII punctuation and the words a, an and the.
std::vector<std::string> squad_words(std::string_view text);

// Lower case, without space, ASCII punctuation and the Chinese punctuation that SCBench lists.
std::u32string chinese_characters(std::string_view text);

// Whether `part` occurs in `words` in a row. An empty part occurs nowhere.
bool contains_in_a_row(std::span<const std::string> words, std::span<const std::string> part);

// 2 precision recall / (precision + recall) of the multisets; 0 where nothing is shared.
template <class Sequence>
double f1_of_overlap(const Sequence& prediction, const Sequence& reference) {
  std::map<typename Sequence::value_type, std::size_t> left;
  for (const auto& item : reference) ++left[item];
  std::size_t same = 0;
  for (const auto& item : prediction) {
    const auto found = left.find(item);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++same;
  }
  if (same == 0) return 0;
  const double precision = static_cast<double>(same) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(same) / static_cast<double>(reference.size());
  return 2 * precision * recall / (precision + recall);
}

}  // namespace scsim::exec
