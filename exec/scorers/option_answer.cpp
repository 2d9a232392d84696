#include "exec/scorers/option_answer.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "exec/scorers/overlap.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_letter(char c) { return upper(c) >= 'A' && upper(c) <= 'Z'; }
bool is_word_byte(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Options {
 public:
  explicit Options(std::span<const std::string> texts) : texts_(texts) {
    for (const std::string& text : texts) words_.push_back(squad_words(text));
  }

  bool has(char letter) const {
    const std::size_t count = texts_.empty() ? 26 : texts_.size();
    return is_letter(letter) && static_cast<std::size_t>(upper(letter) - 'A') < count;
  }

  std::optional<char> whole_text(std::string_view text) const {
    const std::vector<std::string> words = squad_words(text);
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const bool same = words_[i].empty() ? strip(text) == strip(texts_[i]) : words == words_[i];
      if (same) return letter_of(i);
    }
    return std::nullopt;
  }

  std::optional<char> leading_text(std::string_view text) const {
    const std::vector<std::string> words = squad_words(text);
    std::optional<std::size_t> best;  // the longest, where one begins another
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const auto& option = words_[i];
      const bool leads = !option.empty() && option.size() <= words.size() &&
                         std::equal(option.begin(), option.end(), words.begin());
      if (leads && (!best || option.size() > words_[*best].size())) best = i;
    }
    return best ? std::optional(letter_of(*best)) : std::nullopt;
  }

  std::optional<char> only_text_inside(std::string_view text) const {
    const std::vector<std::string> words = squad_words(text);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (contains_in_a_row(words, words_[i])) found.push_back(i);
    }
    std::erase_if(found, [&, all = found](std::size_t i) {
      return std::ranges::any_of(all, [&](std::size_t other) {
        return words_[other].size() > words_[i].size() &&
               contains_in_a_row(words_[other], words_[i]);
      });
    });
    return found.size() == 1 ? std::optional(letter_of(found[0])) : std::nullopt;
  }

 private:
  static char letter_of(std::size_t i) { return static_cast<char>('A' + i); }
  std::span<const std::string> texts_;
  std::vector<std::vector<std::string>> words_;
};

std::optional<char> leading_letter(std::string_view text, const Options& options) {
  constexpr std::string_view kOpening = "*_\"'`([<$ \t\n:";
  const std::size_t at = text.find_first_not_of(kOpening);
  if (at == std::string_view::npos || !options.has(text[at])) return std::nullopt;
  const char letter = text[at];
  const bool capital = letter == upper(letter);
  std::string_view rest = text.substr(at + 1);
  if (strip(rest).empty()) return upper(letter);
  const bool closed = rest[0] == ')' || rest[0] == ']';
  if (closed) return upper(letter);
  if (!capital || is_word_byte(rest[0]) || rest[0] == '\'' || rest[0] == '-') return std::nullopt;
  if (rest[0] != ' ' && rest[0] != '\t') return letter;
  const std::vector<std::string> words = split_words(rest);
  constexpr std::array<std::string_view, 6> kAfterLetter = {"is", "because", "since",
                                                            "as", "-",       "–"};
  const bool stands_alone = std::ranges::find(kAfterLetter, words[0]) != kAfterLetter.end();
  const bool could_be_a_word = letter == 'A' || letter == 'I';
  return stands_alone || !could_be_a_word ? std::optional(letter) : std::nullopt;
}

std::optional<char> after_cue(std::string_view text, const Options& options) {
  constexpr std::array<std::string_view, 9> kCues = {
      "answer is",       "answer:",        "option is", "choice is", "answer should be",
      "answer would be", "answer must be", "option:",   "choice:"};
  std::string folded(text);  // ASCII only, so that positions stay
  for (char& c : folded) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const std::string_view cue : kCues) {
      if (!std::string_view(folded).substr(at).starts_with(cue)) continue;
      std::string_view rest = text.substr(at + cue.size());
      rest = rest.substr(std::min(rest.find_first_not_of(" :\t\n"), rest.size()));
      for (const std::string_view filler : {"option ", "Option ", "choice ", "letter "}) {
        if (rest.starts_with(filler)) rest.remove_prefix(filler.size());
      }
      if (const auto letter = leading_letter(rest, options)) return letter;
      if (const auto letter = options.leading_text(rest)) return letter;
    }
  }
  return std::nullopt;
}

std::optional<char> only_one(const std::set<char>& letters) {
  return letters.size() == 1 ? std::optional(*letters.begin()) : std::nullopt;
}

}  // namespace

std::optional<char> meant_option(std::string_view prediction, std::span<const std::string> texts) {
  const Options options(texts);
  const std::string_view text = strip(prediction);
  if (const auto letter = options.whole_text(text)) return letter;
  if (const auto letter = leading_letter(text, options)) return letter;
  if (const auto letter = after_cue(text, options)) return letter;
  std::set<char> in_parentheses, alone;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!options.has(text[i])) continue;
    const char before = i > 0 ? text[i - 1] : ' ';
    const char after = i + 1 < text.size() ? text[i + 1] : ' ';
    if (before == '(' && after == ')') in_parentheses.insert(upper(text[i]));
    const bool capital = text[i] == upper(text[i]) && text[i] != 'A' && text[i] != 'I';
    const bool joined = is_word_byte(before) || is_word_byte(after) || before == '\'' ||
                        after == '\'' || before == '-' || after == '-';
    if (capital && !joined) alone.insert(text[i]);
  }
  if (const auto letter = only_one(in_parentheses)) return letter;
  if (const auto letter = options.only_text_inside(text)) return letter;
  return only_one(alone);
}

bool scbench_choice_is_right(std::string_view prediction, std::string_view text, char letter) {
  std::string left(strip(prediction));
  const std::string_view letter_text(&letter, 1);
  const auto right = [&](std::string_view given) { return given == text || given == letter_text; };
  if (left.empty()) return false;
  if (left[0] >= 'A' && left[0] <= 'D') return right(left.substr(0, 1));
  if (right(left)) return true;
  for (char& c : left) {
    if (std::string_view("\n\"'.,?!{}").find(c) != std::string_view::npos) c = ' ';
  }
  left.erase(
      std::unique(left.begin(), left.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
      left.end());
  for (const std::string_view cue : {"answer is:", "answer:", "answer is", "option is"}) {
    const std::size_t found = left.find(cue);
    if (found == std::string::npos) continue;
    // Whatever follows the cue, one character of it is passed over unread; it may be several bytes.
    const std::size_t skipped = found + cue.size();
    if (skipped >= left.size()) return false;
    const std::u32string rest = code_points(std::string_view(left).substr(skipped)).substr(1);
    const std::string after = to_utf8(rest);
    return after.starts_with(text) || after.starts_with(letter_text);
  }
  for (const std::string& word : split_words(left)) {
    if (std::string_view("ABCD").find(word) != std::string_view::npos) return right(word);
  }
  return false;
}

}  // namespace scsim::exec
