// A SentencePiece model in the parts of a tokenizer. Pieces of the BPE type have scores in place of
// merges: two neighbours merge when what they make is a piece, the best score first. Each way to
// make a piece of two others becomes a merge, ranked by the score of the piece.
#include <algorithm>
#include <cmath>

#include "exec/text/bpe_vocabulary.h"
#include "exec/text/characters.h"
#include "exec/text/sentencepiece_model.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// Pieces that merging may make. The file calls others by their own types.
bool is_ordinary(PieceType type) {
  return type == PieceType::kNormal || type == PieceType::kUserDefined;
}

void add_merges(TokenizerParts& parts, const std::vector<SentencePieceModel::Piece>& pieces) {
  std::vector<float> scores;  // descending; the rank of a score is its place here
  for (const auto& piece : pieces) {
    if (is_ordinary(piece.type)) scores.push_back(piece.score);
  }
  std::ranges::sort(scores, std::greater<>{});
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());

  boost::unordered_flat_map<char32_t, std::int32_t> partial;
  const auto side = [&](std::string_view text) -> std::int32_t {
    const auto known = parts.ids.find(text);
    if (known != parts.ids.end() &&
        is_ordinary(pieces[static_cast<std::size_t>(known->second)].type)) {
      return known->second;
    }
    const Character first = character_at(text.data());
    if (first.bytes != text.size()) return -1;
    const auto next = static_cast<std::int32_t>(pieces.size() + partial.size());
    return partial.try_emplace(first.code, next).first->second;
  };
  parts.merges.reserve(2 * pieces.size());
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const auto& piece = pieces[id];
    if (!is_ordinary(piece.type)) continue;
    const auto rank = static_cast<std::uint32_t>(
        std::ranges::lower_bound(scores, piece.score, std::greater<>{}) - scores.begin());
    const std::string_view name = parts.names[id];
    if (name.empty()) continue;
    for (std::size_t cut = character_at(name.data()).bytes; cut < name.size();
         cut += character_at(name.data() + cut).bytes) {
      const std::int32_t left = side(name.substr(0, cut));
      const std::int32_t right = side(name.substr(cut));
      if (left >= 0 && right >= 0) {
        parts.merges.add(left, right, {rank, static_cast<std::int32_t>(id)});
      }
    }
  }
  parts.alphabet.first_partial = static_cast<std::int32_t>(pieces.size());
  parts.alphabet.partial.resize(partial.size());
  for (const auto& [code, id] : partial) {
    parts.alphabet.partial[static_cast<std::size_t>(id) - pieces.size()] = code;
    parts.alphabet.character_ids[code] = id;
  }
}

}  // namespace

Expected<Tokenizer> make_sentencepiece_tokenizer(SentencePieceModel model) {
  auto parts = std::make_shared<TokenizerParts>();
  const auto size = static_cast<std::int32_t>(model.pieces.size());
  parts->names.reserve(model.pieces.size());
  for (const auto& piece : model.pieces) {
    if (std::isnan(piece.score)) {
      return Error{model.source + ": piece " + json_quote(piece.name) + " has no score"};
    }
    if (piece.type == PieceType::kUnused) {
      return Error{model.source + ": piece " + json_quote(piece.name) +
                   " is marked unused; vocabularies cut down after training are not supported"};
    }
    parts->names.push_back(piece.name);
  }
  const auto optional_id = [size](std::int32_t id) {
    return id >= 0 && id < size ? std::optional(id) : std::nullopt;
  };
  parts->bos = optional_id(model.bos);
  parts->eos = optional_id(model.eos);
  for (const std::int32_t id : model.ends) {
    if (optional_id(id)) parts->ends.push_back(id);
  }
  if (Expected<void> done = finish_vocabulary(*parts, model.source); !done) return done.error();

  const auto type = [&](std::int32_t id) {
    return model.pieces[static_cast<std::size_t>(id)].type;
  };
  for (std::int32_t id = 0; id < size; ++id) {
    const auto at = static_cast<std::size_t>(id);
    if (type(id) == PieceType::kUserDefined) {
      if (!model.unigram) parts->added_normalized.add({.content = parts->names[at], .id = id});
      model.normalizer.kept.add({.content = parts->names[at], .id = id});
    }
    if (type(id) == PieceType::kControl || type(id) == PieceType::kUnknown) {
      parts->special[at] = type(id) == PieceType::kControl;  // what is unknown shows in texts
      parts->added.add({.content = parts->names[at], .id = id, .special = true});
    }
  }
  parts->words = WordRule::kWhole;
  use_character_alphabet(
      *parts, [&](std::int32_t id) { return is_ordinary(type(id)); }, model.byte_fallback);
  parts->alphabet.unknown = optional_id(model.unknown).value_or(-1);
  parts->alphabet.fuse_unknown = true;
  if (model.unigram) {
    parts->unigram.emplace();
    for (std::int32_t id = 0; id < size; ++id) {
      if (!is_ordinary(type(id))) continue;
      const auto& piece = model.pieces[static_cast<std::size_t>(id)];
      parts->unigram->add(piece.name, id, piece.score);
    }
    parts->unigram->set_unknown(parts->alphabet.unknown);
  } else {
    add_merges(*parts, model.pieces);
  }
  parts->normalizer.sentencepiece = std::move(model.normalizer);
  const SentencePieceNormalizer& normalizer = *parts->normalizer.sentencepiece;
  if (normalizer.remove_extra_spaces) {
    parts->decoding.leading_space = LeadingSpace::kMarksDropped;
  } else if (normalizer.add_dummy_prefix) {
    parts->decoding.leading_space = LeadingSpace::kOneMarkDropped;
  }
  if (parts->alphabet.unknown >= 0) {
    parts->texts[static_cast<std::size_t>(parts->alphabet.unknown)] = model.unknown_text;
  }
  if (model.add_bos && parts->bos) parts->before = {*parts->bos};
  if (model.add_eos && parts->eos) parts->after = {*parts->eos};
  parts->chat_template = std::move(model.chat_template);
  return Tokenizer(parts);
}

}  // namespace scsim::exec
