// Tokens that are found in a text as they stand, before anything else is done with it: special ones
// such as "<|im_end|>", and others that were added to a vocabulary after its training.
//
// Of several the leftmost is taken, and of those the longest. The options are those of a
// tokenizer.json: lstrip and rstrip take the spaces beside the token with it; single_word wants no
// letter, digit or underscore beside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool special = false;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;  // looked for in the normalised text
};

class AddedTokens {
 public:
  void add(
      const AddedToken& token);  // empty contents are passed over; the first of a content holds
  bool empty() const { return tokens_.empty(); }

  struct Piece {
    std::string_view text;
    std::int32_t id = -1;  // of an added token; -1: text between them, never empty
  };
  // With skip_special a special token is text, and so is what it covers of others.
  void split(std::string_view text, bool skip_special, std::vector<Piece>& pieces) const;
  // Bytes of the longest token that `text` begins with; 0 where it begins with none.
  std::size_t match(std::string_view text) const;

 private:
  struct Node {
    std::vector<std::pair<char, std::int32_t>> children;
    std::int32_t token = -1;  // in tokens_
  };
  std::int32_t child(std::int32_t node, char c) const;
  // The longest token that begins at the front of `text`; -1 where none does.
  std::int32_t longest(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  bool begins_[256] = {};
};

}  // namespace scsim::exec
