// Tokenizers out of GGUF metadata: "gpt2" is byte-level merging, "llama" is SentencePiece.
#include <algorithm>

#include "exec/text/bpe_vocabulary.h"
#include "exec/text/characters.h"
#include "exec/text/sentencepiece_model.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

GgufTokenType type_of(const GgufVocabulary& vocabulary, std::size_t id) {
  if (vocabulary.types.empty()) return GgufTokenType::kNormal;
  return static_cast<GgufTokenType>(vocabulary.types[id]);
}

std::optional<std::int32_t> given(std::int32_t id) {
  return id >= 0 ? std::optional(id) : std::nullopt;
}

Expected<void> check(const GgufVocabulary& vocabulary) {
  const auto tokens = static_cast<std::int64_t>(vocabulary.tokens.size());
  const auto wrong = [&](const std::string& what) {
    return Error{vocabulary.source + ": " + what};
  };
  if (tokens == 0) return wrong("the vocabulary (tokenizer.ggml.tokens) is empty");
  for (const auto& [name, count] : {std::pair("tokenizer.ggml.token_type", vocabulary.types.size()),
                                    std::pair("tokenizer.ggml.scores", vocabulary.scores.size())}) {
    if (count != 0 && static_cast<std::int64_t>(count) != tokens) {
      return wrong(std::string(name) + " has " + format_integer(static_cast<std::int64_t>(count)) +
                   " entries, and there are " + format_integer(tokens) + " tokens");
    }
  }
  for (const auto& [name, id] :
       {std::pair("bos", vocabulary.bos), std::pair("eos", vocabulary.eos),
        std::pair("eot", vocabulary.eot), std::pair("unknown", vocabulary.unknown)}) {
    if (id >= tokens) {
      return wrong("tokenizer.ggml." + std::string(name) + "_token_id is " + std::to_string(id) +
                   ", and there are " + format_integer(tokens) + " tokens");
    }
  }
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (!is_valid_utf8(vocabulary.tokens[id])) {
      return wrong("token " + std::to_string(id) + " is not UTF-8");
    }
  }
  return {};
}

Expected<Tokenizer> make_byte_level(GgufVocabulary vocabulary) {
  const std::string source = vocabulary.source;
  const GgufWords* words = find_gguf_words(vocabulary.pre);
  if (words == nullptr) {
    return Error{source + ": tokenizer.ggml.pre: " +
                 unknown_name("rule of words", vocabulary.pre, gguf_words_names())};
  }
  auto parts = std::make_shared<TokenizerParts>();
  parts->names = std::move(vocabulary.tokens);
  parts->words = words->rule;
  parts->normalizer.nfc = words->nfc;
  parts->bos = given(vocabulary.bos);
  parts->eos = given(vocabulary.eos);
  parts->chat_template = std::move(vocabulary.chat_template);
  if (vocabulary.eot >= 0) parts->ends.push_back(vocabulary.eot);
  if (Expected<void> done = finish_vocabulary(*parts, source); !done) return done.error();
  for (std::size_t id = 0; id < parts->names.size(); ++id) {
    const GgufTokenType type = type_of(vocabulary, id);
    const bool control = type == GgufTokenType::kControl || type == GgufTokenType::kUnknown;
    if (!control && type != GgufTokenType::kUserDefined) continue;
    parts->special[id] = control;
    parts->added.add(
        {.content = parts->names[id], .id = static_cast<std::int32_t>(id), .special = control});
  }
  use_byte_alphabet(
      *parts,
      [&](std::int32_t id) {
        return type_of(vocabulary, static_cast<std::size_t>(id)) == GgufTokenType::kNormal;
      },
      words->whole_words_first);
  parts->merges.reserve(vocabulary.merges.size());
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    Expected<void> added =
        add_merge_line(*parts, vocabulary.merges[rank], static_cast<std::uint32_t>(rank));
    if (!added) return Error{source + ": tokenizer.ggml.merges: " + added.error().message};
  }
  if (vocabulary.add_bos.value_or(words->add_bos) && parts->bos) parts->before = {*parts->bos};
  if (vocabulary.add_eos.value_or(false) && parts->eos) parts->after = {*parts->eos};
  return Tokenizer(parts);
}

Expected<Tokenizer> make_sentencepiece(GgufVocabulary vocabulary) {
  if (vocabulary.scores.empty()) {
    return Error{vocabulary.source + ": tokenizer.ggml.scores is missing"};
  }
  SentencePieceModel model;
  model.source = vocabulary.source;
  model.pieces.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    model.pieces.push_back({std::move(vocabulary.tokens[id]), vocabulary.scores[id],
                            static_cast<PieceType>(type_of(vocabulary, id))});
  }
  model.byte_fallback = true;
  model.unknown = vocabulary.unknown >= 0 ? vocabulary.unknown : 0;
  model.bos = vocabulary.bos;
  model.eos = vocabulary.eos;
  if (vocabulary.eot >= 0) model.ends.push_back(vocabulary.eot);
  model.add_bos = vocabulary.add_bos.value_or(true);
  model.add_eos = vocabulary.add_eos.value_or(false);
  model.normalizer.add_dummy_prefix = vocabulary.add_space_prefix;
  model.normalizer.remove_extra_spaces = false;
  model.chat_template = std::move(vocabulary.chat_template);
  return make_sentencepiece_tokenizer(std::move(model));
}

}  // namespace

Expected<Tokenizer> make_gguf_tokenizer(GgufVocabulary vocabulary) {
  if (Expected<void> right = check(vocabulary); !right) return right.error();
  if (vocabulary.model == "gpt2") return make_byte_level(std::move(vocabulary));
  if (vocabulary.model == "llama") return make_sentencepiece(std::move(vocabulary));
  const std::vector<std::string> known = {"gpt2", "llama"};
  return Error{vocabulary.source + ": tokenizer.ggml.model: " +
               unknown_name("kind of vocabulary", vocabulary.model, known)};
}

}  // namespace scsim::exec
