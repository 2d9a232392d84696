#include "exec/scorers/rouge.h"

#include <cstdint>
#include <unordered_map>

#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

using Sentence = std::vector<std::int32_t>;  // tokens by number

// Numbers tokens, so that the inner loop compares integers.
class Vocabulary {
 public:
  std::vector<Sentence> sentences(std::string_view text) {
    std::vector<Sentence> result;
    while (true) {
      const std::size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      if (!line.empty()) {
        Sentence& sentence = result.emplace_back();
        for (std::string& token : rouge_tokens(line)) sentence.push_back(number(std::move(token)));
      }
      if (end == std::string_view::npos) return result;
      text.remove_prefix(end + 1);
    }
  }
  std::size_t size() const { return numbers_.size(); }

 private:
  std::int32_t number(std::string token) {
    const auto next = static_cast<std::int32_t>(numbers_.size());
    return numbers_.try_emplace(std::move(token), next).first->second;
  }
  std::unordered_map<std::string, std::int32_t> numbers_;
};

// Marks the positions of `reference` that are on the longest common subsequence with `candidate`.
void mark_common(const Sentence& reference, const Sentence& candidate, std::vector<bool>& marked) {
  const std::size_t rows = reference.size(), columns = candidate.size(), width = columns + 1;
  std::vector<std::int32_t> length((rows + 1) * width, 0);
  for (std::size_t i = 1; i <= rows; ++i) {
    for (std::size_t j = 1; j <= columns; ++j) {
      length[i * width + j] =
          reference[i - 1] == candidate[j - 1]
              ? length[(i - 1) * width + j - 1] + 1
              : std::max(length[(i - 1) * width + j], length[i * width + j - 1]);
    }
  }
  for (std::size_t i = rows, j = columns; i > 0 && j > 0;) {
    if (reference[i - 1] == candidate[j - 1]) {
      marked[i - 1] = true;
      --i;
      --j;
    } else if (length[i * width + j - 1] > length[(i - 1) * width + j]) {
      --j;
    } else {
      --i;
    }
  }
}

std::size_t count_tokens(const std::vector<Sentence>& sentences,
                         std::vector<std::int64_t>& counts) {
  std::size_t total = 0;
  for (const Sentence& sentence : sentences) {
    total += sentence.size();
    for (const std::int32_t token : sentence) ++counts[static_cast<std::size_t>(token)];
  }
  return total;
}

}  // namespace

std::vector<std::string> rouge_tokens(std::string_view text) {
  std::vector<std::string> tokens;
  std::string token;
  for (char32_t c : code_points(text)) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    const bool dotted = c == 0x130;  // lower-cased to i and a combining dot, which separates
    if (c == 0x212A) c = 'k';
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || dotted) {
      token.push_back(dotted ? 'i' : static_cast<char>(c));
      if (!dotted) continue;
    }
    if (!token.empty()) tokens.push_back(std::move(token));
    token.clear();
  }
  if (!token.empty()) tokens.push_back(std::move(token));
  return tokens;
}

double rouge_lsum_f1(std::string_view reference, std::string_view prediction) {
  Vocabulary vocabulary;
  const std::vector<Sentence> references = vocabulary.sentences(reference);
  const std::vector<Sentence> candidates = vocabulary.sentences(prediction);
  std::vector<std::int64_t> left_in_reference(vocabulary.size(), 0);
  std::vector<std::int64_t> left_in_candidate(vocabulary.size(), 0);
  const std::size_t num_reference = count_tokens(references, left_in_reference);
  const std::size_t num_candidate = count_tokens(candidates, left_in_candidate);
  if (num_reference == 0 || num_candidate == 0) return 0;

  std::int64_t hits = 0;
  for (const Sentence& sentence : references) {
    std::vector<bool> marked(sentence.size(), false);
    for (const Sentence& candidate : candidates) mark_common(sentence, candidate, marked);
    for (std::size_t i = 0; i < sentence.size(); ++i) {
      const auto token = static_cast<std::size_t>(sentence[i]);
      if (!marked[i] || left_in_reference[token] == 0 || left_in_candidate[token] == 0) continue;
      ++hits;
      --left_in_reference[token];
      --left_in_candidate[token];
    }
  }
  if (hits == 0) return 0;
  const double recall = static_cast<double>(hits) / static_cast<double>(num_reference);
  const double precision = static_cast<double>(hits) / static_cast<double>(num_candidate);
  return 2 * precision * recall / (precision + recall);
}

}  // namespace scsim::exec
