#include "exec/scorers/code_answer.h"

#include <algorithm>

#include "exec/scorers/bleu.h"
#include "exec/scorers/code_functions.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

constexpr std::string_view kFence = "```";

// Where a line begins with a fence at or after `from`; npos if nowhere.
std::size_t next_fence(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find(kFence, from); at != std::string_view::npos;
       at = text.find(kFence, at + 1)) {
    if (at == 0 || text[at - 1] == '\n') return at;
  }
  return std::string_view::npos;
}

// After the language's name and all lines that are only space; npos if there is more on the line.
std::size_t start_of_block(std::string_view text, std::size_t fence) {
  const std::string_view rest = text.substr(fence + kFence.size());
  const std::u32string points = code_points(rest);
  std::size_t at = 0, bytes = 0, start = std::string_view::npos;
  const auto step = [&] { bytes += to_utf8(points.substr(at++, 1)).size(); };
  while (at < points.size() && is_word_part(points[at])) step();
  while (at < points.size() && is_space(points[at])) {
    const bool line_end = points[at] == '\n';
    step();
    if (line_end) start = fence + kFence.size() + bytes;
  }
  return start;
}

std::vector<std::string> code_of(std::string_view prediction, CodeLanguage language,
                                 CodeRule rule) {
  const bool strict = rule == CodeRule::kStrict;
  std::string text(strip(prediction));
  const std::vector<std::string> blocks = fenced_blocks(text, strict);
  if (blocks.empty()) return {std::move(text)};
  for (const std::string& block : blocks) {
    const auto function = first_function(block, language);
    if (!function) continue;
    std::string first = block.substr(function->begin, function->end - function->begin);
    if (strict) return {blocks[0], std::move(first)};
    return {std::move(first)};
  }
  return {blocks[0]};
}

// Splitting never gives nothing: a text of only space is one empty word.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words = split_words(text);
  if (words.empty()) words.emplace_back();
  return words;
}

}  // namespace

std::vector<std::string> fenced_blocks(std::string_view raw, bool unclosed) {
  const std::string text = to_utf8(code_points(raw));
  std::vector<std::string> blocks;
  for (std::size_t open = next_fence(text, 0); open != std::string::npos;) {
    const std::size_t start = start_of_block(text, open);
    const std::size_t close = start == std::string::npos ? start : next_fence(text, start);
    if (close != std::string::npos) {
      blocks.push_back(text.substr(start, close - start));
    } else if (unclosed && start != std::string::npos) {
      blocks.push_back(text.substr(start));
      break;
    }
    open = next_fence(text, (close == std::string::npos ? open : close) + kFence.size());
  }
  return blocks;
}

CodeAnswer judge_code(std::string_view prediction, std::span<const Needle> needles,
                      std::string_view asked, CodeLanguage language, CodeRule rule) {
  const bool strict = rule == CodeRule::kStrict;
  std::vector<std::vector<std::string>> candidates;
  for (const std::string& code : code_of(prediction, language, rule)) {
    candidates.push_back(words_of(strict ? without_comments(code, language) : code));
  }
  CodeAnswer answer;
  for (const Needle& needle : needles) {
    const std::vector<std::string> expected =
        words_of(strict ? without_comments(needle.code, language) : needle.code);
    double similarity = 0;
    for (const std::vector<std::string>& words : candidates) {
      const bool same = strict && words == expected;
      similarity = std::max(similarity, same ? 1.0 : sentence_bleu(expected, words));
    }
    const bool is_asked = needle.name == asked;
    const bool wins_tie = strict && is_asked && similarity > 0 && similarity == answer.similarity;
    if (similarity > answer.similarity || wins_tie) {
      answer = {.asked_is_best = is_asked, .similarity = similarity};
    }
  }
  return answer;
}

}  // namespace scsim::exec
