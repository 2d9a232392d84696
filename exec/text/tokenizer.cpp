#include "exec/text/tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "exec/text/characters.h"
#include "exec/text/tokenizer_parts.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// Tokens that end an answer whatever the files say, by the names their families use.
constexpr std::array<std::string_view, 10> kEndNames = {
    "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>",      "<|endoftext|>",
    "</s>",       "<|user|>",   "<|observation|>", "<|end_of_turn|>", "<end_of_turn>"};

void replace_spaces(std::string_view text, std::string& marked) {
  for (const char c : text) {
    if (c == ' ') {
      marked += kMark;
    } else {
      marked += c;
    }
  }
}

bool changes(const Normalizer& normalizer, std::string_view text) {
  return normalizer.sentencepiece || normalizer.graphemes || normalizer.bert ||
         normalizer.spaces_to_marks || normalizer.prefix != Prefix::kNone ||
         (normalizer.nfc && !is_nfc_for_sure(text));
}

// One encode() at work.
class Encoder {
 public:
  Encoder(const TokenizerParts& parts, Workspace& work, std::vector<std::int32_t>& ids)
      : parts_(parts), work_(work), ids_(ids), scanner_(word_scanner(parts.words)) {}

  // A piece between added tokens.
  void encode_piece(std::string_view piece, bool at_start, bool skip_special) {
    if (changes(parts_.normalizer, piece)) {
      normal_ = normalized(parts_.normalizer, piece);
      piece = normal_;
    }
    if (parts_.added_normalized.empty()) return encode_normal(piece, at_start);
    work_.inner.clear();
    parts_.added_normalized.split(piece, skip_special, work_.inner);
    for (const AddedTokens::Piece& inner : work_.inner) {
      if (inner.id >= 0) {
        ids_.push_back(inner.id);
      } else {
        encode_normal(inner.text, at_start && inner.text.data() == piece.data());
      }
    }
  }

 private:
  void encode_normal(std::string_view piece, bool at_start) {
    if (parts_.wordpiece) return parts_.wordpiece->encode(piece, ids_);
    if (!parts_.at_spaces) return encode_marked(piece, at_start);
    static const CharacterClasses& classes = CharacterClasses::get();
    for (std::size_t begin = 0, at = 0; at <= piece.size();) {
      const bool ends = at == piece.size();
      const Character character = ends ? Character{} : character_at(piece.data() + at);
      if (ends || classes[character.code] == CharacterClass::kSpace) {
        word_begin_ = ids_.size();
        if (at > begin) encode_marked(piece.substr(begin, at - begin), at_start && begin == 0);
        begin = at + character.bytes;
      }
      at += ends ? 1 : character.bytes;
    }
  }

  void encode_marked(std::string_view piece, bool at_start) {
    if (parts_.spaces_to_marks) {
      marked_.clear();
      replace_spaces(piece, marked_);
      piece = marked_;
    }
    const std::string_view space = parts_.alphabet.bytes ? " " : kMark;
    const bool wanted = parts_.prefix == Prefix::kUnlessThere ||
                        (parts_.prefix == Prefix::kFirstUnlessThere && at_start);
    if (wanted && !piece.starts_with(space)) {
      prefixed_ = space;
      prefixed_ += piece;
      piece = prefixed_;
    }
    if (parts_.unigram) return encode_unigram(piece);
    const char* at = piece.data();
    const char* const end = at + piece.size();
    while (at < end) {
      const char* const next = scanner_(at, end);
      encode_word({at, static_cast<std::size_t>(next - at)});
      at = next;
    }
  }

  void encode_word(std::string_view word) {
    if (work_.cache.find(word, ids_)) return;
    const std::size_t start = ids_.size();
    merge_word(word);
    work_.cache.put(word, ids_.data() + start, ids_.size() - start);
  }

  void merge_word(std::string_view word) {
    if (!parts_.whole_words.empty()) {
      const auto whole = parts_.whole_words.find(word);
      if (whole != parts_.whole_words.end()) return ids_.push_back(whole->second);
    }
    work_.symbols.clear();
    const Alphabet& alphabet = parts_.alphabet;
    if (alphabet.bytes) {
      for (const char c : word) {
        const std::int32_t id = alphabet.byte_ids[static_cast<std::uint8_t>(c)];
        if (id >= 0) {
          work_.symbols.push_back(id);
        } else if (alphabet.unknown >= 0) {
          push_unknown(work_.symbols);
        }
      }
    } else {
      for (std::size_t at = 0; at < word.size();) {
        const Character character = character_at(word.data() + at);
        const auto known = alphabet.character_ids.find(character.code);
        if (known != alphabet.character_ids.end()) {
          work_.symbols.push_back(known->second);
        } else {
          push_fallback(word.substr(at, character.bytes), work_.symbols);
        }
        at += character.bytes;
      }
    }
    parts_.merges.apply(work_.symbols);
    if (alphabet.partial.empty()) {
      ids_.insert(ids_.end(), work_.symbols.begin(), work_.symbols.end());
      return;
    }
    for (const std::int32_t symbol : work_.symbols) {
      if (symbol < alphabet.first_partial) {
        ids_.push_back(symbol);
      } else {
        push_fallback(
            utf8(alphabet.partial[static_cast<std::size_t>(symbol - alphabet.first_partial)]),
            ids_);
      }
    }
  }

  void encode_unigram(std::string_view piece) {
    const bool has_bytes = !parts_.alphabet.byte_ids.empty();
    for (const auto& [id, text] : parts_.unigram->encode(piece, work_.unigram)) {
      if (id != parts_.alphabet.unknown) {
        ids_.push_back(id);
      } else if (has_bytes) {
        push_fallback(text, ids_);
      } else {
        push_unknown(ids_);
      }
    }
  }

  // A character that is no token: its bytes, where all of them are tokens; else unknown.
  void push_fallback(std::string_view character, std::vector<std::int32_t>& out) const {
    const Alphabet& alphabet = parts_.alphabet;
    if (!alphabet.byte_ids.empty()) {
      const bool all = std::ranges::all_of(
          character, [&](char c) { return alphabet.byte_ids[static_cast<std::uint8_t>(c)] >= 0; });
      if (all) {
        for (const char c : character) {
          out.push_back(alphabet.byte_ids[static_cast<std::uint8_t>(c)]);
        }
        return;
      }
    }
    if (alphabet.unknown >= 0) push_unknown(out);
  }

  void push_unknown(std::vector<std::int32_t>& out) const {
    const Alphabet& alphabet = parts_.alphabet;
    const std::size_t begin = &out == &ids_ ? word_begin_ : 0;
    if (alphabet.fuse_unknown && out.size() > begin && out.back() == alphabet.unknown) return;
    out.push_back(alphabet.unknown);
  }

  const TokenizerParts& parts_;
  Workspace& work_;
  std::vector<std::int32_t>& ids_;
  WordScanner scanner_;
  std::string normal_, marked_, prefixed_;
  std::size_t word_begin_ = 0;  // in ids_, where words are taken one by one
};

}  // namespace

std::string normalized(const Normalizer& normalizer, std::string_view text) {
  if (normalizer.sentencepiece) return normalizer.sentencepiece->normalize(text);
  if (normalizer.graphemes) return mapped_by_grapheme(*normalizer.graphemes, text);
  if (normalizer.bert) return bert_cleaned(*normalizer.bert, text);
  const std::string composed = normalizer.nfc ? to_nfc(text) : std::string(text);
  if (!normalizer.spaces_to_marks && normalizer.prefix == Prefix::kNone) return composed;
  std::string marked;
  if (normalizer.prefix == Prefix::kAlways && !text.empty()) marked += kMark;
  if (!normalizer.spaces_to_marks) return marked + composed;
  replace_spaces(composed, marked);
  return marked;
}

std::unique_ptr<Workspace> WorkspacePool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
  }
  return std::make_unique<Workspace>();
}

void WorkspacePool::give_back(std::unique_ptr<Workspace> workspace) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(workspace));
}

Expected<void> finish_vocabulary(TokenizerParts& parts, const std::string& source) {
  const std::size_t size = parts.names.size();
  parts.texts.resize(size);
  parts.special.resize(size, false);
  parts.is_byte.resize(size, false);
  parts.ids.reserve(size);
  for (std::size_t id = 0; id < size; ++id) {
    if (parts.names[id].empty()) continue;
    const auto number = static_cast<std::int32_t>(id);
    const auto [other, is_new] = parts.ids.try_emplace(parts.names[id], number);
    if (!is_new) {
      return Error{source + ": tokens " + std::to_string(other->second) + " and " +
                   std::to_string(id) + " are both " + json_quote(parts.names[id])};
    }
  }
  for (const std::string_view name : kEndNames) {
    const auto found = parts.ids.find(name);
    if (found != parts.ids.end()) parts.ends.push_back(found->second);
  }
  if (parts.eos) parts.ends.push_back(*parts.eos);
  std::ranges::sort(parts.ends);
  parts.ends.erase(std::unique(parts.ends.begin(), parts.ends.end()), parts.ends.end());
  return {};
}

Tokenizer::Tokenizer(std::shared_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special,
                                            Frame frame) const {
  std::string valid;
  if (!is_valid_utf8(text)) {
    valid = replace_invalid_utf8(text);
    text = valid;
  }
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (frame == Frame::kAdded) ids = parts_->before;
  std::unique_ptr<Workspace> work = parts_->pool.take();
  const bool skip_special = special == SpecialTokens::kAsText;
  work->pieces.clear();
  parts_->added.split(text, skip_special, work->pieces);
  Encoder encoder(*parts_, *work, ids);
  for (const AddedTokens::Piece& piece : work->pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      encoder.encode_piece(piece.text, piece.text.data() == text.data(), skip_special);
    }
  }
  parts_->pool.give_back(std::move(work));
  if (frame == Frame::kAdded) {
    ids.insert(ids.end(), parts_->after.begin(), parts_->after.end());
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool keep_special) const {
  TextStream stream(*this, keep_special);
  std::string text;
  for (const std::int32_t id : ids) text += stream.push(id);
  return text + stream.finish();
}

std::int32_t Tokenizer::vocabulary_size() const {
  return static_cast<std::int32_t>(parts_->names.size());
}

std::optional<std::int32_t> Tokenizer::find_token(std::string_view name) const {
  const auto found = parts_->ids.find(name);
  if (found == parts_->ids.end()) return std::nullopt;
  return found->second;
}

std::string_view Tokenizer::token_name(std::int32_t id) const {
  if (id < 0 || id >= vocabulary_size()) return {};
  return parts_->names[static_cast<std::size_t>(id)];
}

bool Tokenizer::is_special(std::int32_t id) const {
  return id >= 0 && id < vocabulary_size() && parts_->special[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::bos() const { return parts_->bos; }
std::optional<std::int32_t> Tokenizer::eos() const { return parts_->eos; }
std::span<const std::int32_t> Tokenizer::end_ids() const { return parts_->ends; }
bool Tokenizer::is_end(std::int32_t id) const {
  return std::ranges::binary_search(parts_->ends, id);
}
const std::string& Tokenizer::chat_template() const { return parts_->chat_template; }

}  // namespace scsim::exec
