#include "traces/text_contents.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/hash.h"
#include "traces/hashed_blocks.h"

namespace scsim {
namespace {

constexpr std::size_t kPieceBytes = 32;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::int64_t count_characters(std::string_view text) {
  return std::ranges::count_if(text, begins_character);
}

// Of `tokens` tokens spread over `total` characters, those before character `at`.
std::int64_t share(Tokens tokens, std::int64_t at, std::int64_t total) {
  return total == 0 ? 0 : tokens.value() * at / total;
}

}  // namespace

std::vector<ImportOption> text_options() {
  return {{"chars_per_token", "4", "characters of text per token, where the log counts no tokens"},
          {"keep_text", "true", "the trace carries the texts"}};
}

Expected<TextContents> TextContents::make(const ImportOptions& options) {
  Expected<double> ratio = options.number("chars_per_token", 0);
  if (!ratio) return ratio.error();
  Expected<bool> keep = options.flag("keep_text");
  if (!keep) return keep.error();
  return TextContents(*ratio, *keep);
}

Tokens TextContents::estimate(std::int64_t characters) const {
  const double tokens = static_cast<double>(characters) / characters_per_token_;
  const auto whole = static_cast<std::int64_t>(tokens);
  return Tokens(whole + (static_cast<double>(whole) < tokens ? 1 : 0));
}

Tokens TextContents::estimate(std::string_view text) const {
  return estimate(count_characters(text));
}

void TextContents::cut(const LoggedMessage& message, std::vector<Piece>& pieces) {
  std::string_view rest = message.text;
  std::uint64_t hash = hash_text(message.role);
  while (!rest.empty()) {
    std::size_t bytes = std::min(kPieceBytes, rest.size());
    while (bytes < rest.size() && !begins_character(rest[bytes])) ++bytes;
    const std::string_view text = rest.substr(0, bytes);
    hash = hash_text(text, hash);
    pieces.push_back({hash, text, count_characters(text)});
    rest.remove_prefix(bytes);
  }
}

void TextContents::fill(const LoggedRequest& row, TraceWriter& writer, Request& request) {
  append_prompt(row.messages, row.prompt_counted ? std::optional(row.prompt_tokens) : std::nullopt,
                writer, request.prompt);
  if (row.answer) request.output = add_answer(*row.answer, row.output_tokens, writer);
}

void TextContents::append_prompt(std::span<const LoggedMessage> messages,
                                 std::optional<Tokens> counted, TraceWriter& writer,
                                 std::vector<Span>& prompt) {
  // What is new? A place of no content marks the pieces of this prompt until they have theirs.
  pieces_.clear();
  Tokens known{0};
  std::int64_t new_characters = 0;
  std::vector<std::size_t> first_piece;  // of each message
  std::vector<bool> is_new;
  for (const LoggedMessage& message : messages) {
    first_piece.push_back(pieces_.size());
    cut(message, pieces_);
    for (std::size_t i = first_piece.back(); i < pieces_.size(); ++i) {
      auto [place, inserted] = places_.try_emplace(pieces_[i].hash);
      is_new.push_back(inserted);
      if (inserted) new_characters += pieces_[i].characters;
      known += Tokens(place->second.count);
    }
  }
  first_piece.push_back(pieces_.size());
  Tokens for_new = estimate(new_characters);
  if (counted && *counted > known) for_new = *counted - known;

  // Each run of new pieces within a message is a content.
  std::int64_t characters = 0;  // new ones before piece i
  for (std::size_t m = 0; m < messages.size(); ++m) {
    const std::size_t end = first_piece[m + 1];
    for (std::size_t i = first_piece[m]; i < end;) {
      if (!is_new[i]) {
        ++i;
        continue;
      }
      const std::size_t begin = i;
      const std::int64_t run_first = share(for_new, characters, new_characters);
      std::size_t bytes = 0;
      for (; i < end && is_new[i]; ++i) {
        Place& place = places_[pieces_[i].hash];
        const std::int64_t first = share(for_new, characters, new_characters);
        characters += pieces_[i].characters;
        place.first = static_cast<std::uint32_t>(first - run_first);
        place.count =
            static_cast<std::uint32_t>(share(for_new, characters, new_characters) - first);
        bytes += pieces_[i].text.size();
      }
      const Tokens tokens(share(for_new, characters, new_characters) - run_first);
      if (tokens == Tokens(0)) continue;
      const ContentId content = writer.add_content(tokens);
      if (keep_text_) {
        writer.add_text(content, messages[m].role, {pieces_[begin].text.data(), bytes});
      }
      for (std::size_t j = begin; j < i; ++j) places_[pieces_[j].hash].content = content;
    }
  }

  Tokens room = counted.value_or(kMostTokens);
  for (const Piece& piece : pieces_) {
    const Place& place = places_[piece.hash];
    const Tokens count = std::min(Tokens(place.count), room);
    room -= count;
    if (count > Tokens(0)) append_span(prompt, {place.content, Tokens(place.first), count});
  }
  // Tokens that the log counts and the text does not show.
  if (counted && room > Tokens(0)) {
    append_span(prompt, {writer.add_content(room), Tokens(0), room});
  }
  SCSIM_CHECK(!prompt.empty());
}

ContentId TextContents::add_answer(const LoggedMessage& answer, Tokens tokens,
                                   TraceWriter& writer) {
  pieces_.clear();
  cut(answer, pieces_);
  // The same answer as one before is the same content.
  std::vector<Span> spans;
  bool all_known = true;
  for (const Piece& piece : pieces_) {
    auto place = places_.find(piece.hash);
    all_known = all_known && place != places_.end() && place->second.count > 0;
    if (!all_known) break;
    append_span(spans,
                {place->second.content, Tokens(place->second.first), Tokens(place->second.count)});
  }
  if (all_known && spans.size() == 1 && spans[0].first == Tokens(0) && spans[0].count == tokens) {
    return spans[0].content;
  }

  const ContentId content = writer.add_content(tokens);
  if (keep_text_ && !answer.text.empty()) writer.add_text(content, answer.role, answer.text);
  std::int64_t total = 0, characters = 0;
  for (const Piece& piece : pieces_) total += piece.characters;
  for (const Piece& piece : pieces_) {
    const std::int64_t first = share(tokens, characters, total);
    characters += piece.characters;
    const std::int64_t end = share(tokens, characters, total);
    places_.try_emplace(piece.hash, Place{content, static_cast<std::uint32_t>(first),
                                          static_cast<std::uint32_t>(end - first)});
  }
  return content;
}

}  // namespace scsim
