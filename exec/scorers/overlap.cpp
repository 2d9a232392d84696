#include "exec/scorers/overlap.h"

#include "exec/scorers/unicode_text.h"

namespace scsim::exec {

std::vector<std::string> squad_words(std::string_view text) {
  std::u32string kept;
  for (const char32_t c : code_points(lower_case(text))) {
    if (!is_ascii_punctuation(c)) kept.push_back(c);
  }
  // An article ends at any character that is no word character, not only at a space.
  std::u32string without_articles;
  for (std::size_t i = 0; i < kept.size();) {
    std::size_t end = i;
    while (end < kept.size() && is_word_part(kept[end])) ++end;
    if (end == i) {
      without_articles.push_back(kept[i++]);
      continue;
    }
    const std::u32string word = kept.substr(i, end - i);
    const bool article = word == U"a" || word == U"an" || word == U"the";
    without_articles += article ? U" " : word;
    i = end;
  }
  return split_words(to_utf8(without_articles));
}

std::u32string chinese_characters(std::string_view text) {
  // Full-width forms of ASCII punctuation, then what else SCBench's list has.
  const auto listed = [](char32_t c) {
    constexpr std::u32string_view kOthers =
        U"\uFF61\uFF5F\uFF60\uFF62\uFF63\uFF64\u3001\u3002\u3003\u300A\u300B\u300C\u300D\u300E"
        U"\u300F"
        U"\u3010\u3011\u3014\u3015\u3016\u3017\u3018\u3019\u301A\u301B\u301C\u301D\u301E\u301F"
        U"\u3030"
        U"\u303E\u303F\u2013\u2014\u2018\u2019\u201B\u201C\u201D\u201E\u201F\u2026\u2027\uFE4F";
    const bool full_width = c >= 0xFF01 && c <= 0xFF5E && is_ascii_punctuation(c - 0xFEE0);
    return is_ascii_punctuation(c) || full_width || kOthers.find(c) != std::u32string_view::npos;
  };
  std::u32string result;
  for (const char32_t c : code_points(lower_case(text))) {
    if (!is_space(c) && !listed(c)) result.push_back(c);
  }
  return result;
}

bool contains_in_a_row(std::span<const std::string> words, std::span<const std::string> part) {
  if (part.empty()) return false;
  return std::search(words.begin(), words.end(), part.begin(), part.end()) != words.end();
}

}  // namespace scsim::exec
