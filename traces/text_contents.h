// Prompts that a log has as text: equal texts become equal contents, and texts that begin alike
// share their beginning.
//
//   TextContents contents(/*characters_per_token=*/4, /*keep_text=*/true);
//   contents.fill(row, writer, request);   // row.messages and row.answer
//
// A message is cut into pieces of 32 bytes or a little more (never inside of a character). A piece
// is known by its own text, the text before it in the message and the role, so the same message is
// the same content wherever it occurs, and two messages share pieces up to where they differ. Each
// run of pieces that is new in a prompt is one content. An answer is a content too: a later prompt
// that repeats it refers to it.
//
// Tokens: where the log counts them, new pieces get what the count leaves after the known ones, by
// their share of the characters, and the prompt has exactly the counted length; otherwise a new
// piece has its characters over characters_per_token. Memory: about 1 byte for each byte of text
// that is new.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "traces/log_import.h"
#include "traces/quantity.h"
#include "traces/trace.h"

namespace scsim {

class TextContents {
 public:
  // From the options of text_options().
  static Expected<TextContents> make(const ImportOptions& options);
  // REQUIRES: characters_per_token > 0.
  TextContents(double characters_per_token, bool keep_text)
      : characters_per_token_(characters_per_token), keep_text_(keep_text) {}

  // Tokens of a text that nobody counted: its characters (code points) over characters_per_token,
  // rounded up.
  Tokens estimate(std::string_view text) const;

  // request.prompt from row.messages, and request.output from row.answer where there is one.
  // REQUIRES: row.prompt_tokens > 0, and row.output_tokens if there is an answer.
  void fill(const LoggedRequest& row, TraceWriter& writer, Request& request);

  // The parts of fill(). Tokens of the prompt are what the log counted, or nothing.
  void append_prompt(std::span<const LoggedMessage> messages, std::optional<Tokens> counted,
                     TraceWriter& writer, std::vector<Span>& prompt);
  // A content of `tokens` tokens. REQUIRES: tokens > 0.
  ContentId add_answer(const LoggedMessage& answer, Tokens tokens, TraceWriter& writer);

 private:
  struct Piece {
    std::uint64_t hash;  // of the role and the message up to and with this piece
    std::string_view text;
    std::int64_t characters;
  };
  struct Place {
    ContentId content;
    std::uint32_t first = 0, count = 0;
  };

  static void cut(const LoggedMessage& message, std::vector<Piece>& pieces);
  Tokens estimate(std::int64_t characters) const;

  double characters_per_token_;
  bool keep_text_;
  boost::unordered_flat_map<std::uint64_t, Place> places_;
  std::vector<Piece> pieces_;  // of the prompt at hand
};

// Options of formats with text: "chars_per_token" and "keep_text".
std::vector<ImportOption> text_options();

}  // namespace scsim
