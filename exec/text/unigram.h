// SentencePiece's unigram model: of all ways to cut a text into pieces, the one whose scores sum to
// the most. One pass over the text, keeping for each position the best way to get there.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace scsim::exec {

class UnigramModel {
 public:
  // In what sums of scores are rounded, which decides between two that are almost alike:
  // SentencePiece's are float, those of the `tokenizers` library double.
  enum class Sums : std::uint8_t { kFloat, kDouble };
  explicit UnigramModel(Sums sums = Sums::kFloat) : sums_(sums) {}

  void add(std::string_view piece, std::int32_t id, double score);
  void set_unknown(std::int32_t id) { unknown_ = id; }

  struct Workspace {
    struct Way {
      double score = 0;
      std::int32_t id = -1;
      std::size_t from = 0;
    };
    std::vector<Way> best;  // by end
    std::vector<std::pair<std::int32_t, std::string_view>> pieces;
  };
  // Ids and what each covers, in order; a character that no piece covers is the unknown id. The
  // result lives in the workspace.
  std::span<const std::pair<std::int32_t, std::string_view>> encode(std::string_view text,
                                                                    Workspace& work) const;

 private:
  struct Piece {
    std::int32_t id = -1;
    double score = 0;
  };
  // Of two floats, a double's sum rounded once more is the float's own.
  double sum(double a, double b) const {
    return sums_ == Sums::kFloat ? static_cast<float>(a + b) : a + b;
  }
  static std::uint64_t edge(std::uint32_t node, char c) {
    return std::uint64_t{node} << 8 | static_cast<std::uint8_t>(c);
  }

  boost::unordered_flat_map<std::uint64_t, std::uint32_t> edges_;
  std::vector<Piece> nodes_ = std::vector<Piece>(1);
  std::int32_t unknown_ = 0;
  Sums sums_;
  double least_ = 0;  // of all scores, which are logarithms of probabilities
};

}  // namespace scsim::exec
