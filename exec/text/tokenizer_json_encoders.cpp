#include "exec/text/tokenizer_json_encoders.h"

#include <array>

#include "exec/text/wordpiece.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

Expected<std::string> from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return Error{"expected base 64"};
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

}  // namespace

// The table of characters, in base 64.
Expected<void> read_precompiled(const Json& step, TokenizerParts& parts) {
  const Expected<std::string> blob =
      from_base64(string_in(step, "precompiled_charsmap").value_or(""));
  if (!blob) return Error{"normalizer: Precompiled: " + blob.error().message};
  Expected<CharacterMap> map = CharacterMap::parse(*blob);
  if (!map) return Error{"normalizer: Precompiled: " + map.error().message};
  parts.normalizer.graphemes = *std::move(map);
  return {};
}

Expected<void> read_bert_normalizer(const Json& step, TokenizerParts& parts) {
  const bool lowercase = bool_in(step, "lowercase").value_or(true);
  if (lowercase || bool_in(step, "strip_accents").value_or(lowercase)) {
    return Error{"normalizer: BertNormalizer: known where lowercase and strip_accents are false"};
  }
  parts.normalizer.bert = {.clean = bool_in(step, "clean_text").value_or(true),
                           .chinese = bool_in(step, "handle_chinese_chars").value_or(true)};
  return {};
}

// BERT's and RoBERTa's own: a pair of a name and an id each.
Expected<void> read_class_and_separator(const Json& step, const std::string& type,
                                        TokenizerParts& parts) {
  const auto id_of = [&](std::string_view key) -> std::int64_t {
    const std::optional<Json> pair = find(step, key);
    const std::vector<Json> both = pair ? items(*pair) : std::vector<Json>{};
    return both.size() == 2 ? as_integer(both[1]).value_or(-1) : -1;
  };
  for (const auto& [key, list] :
       {std::pair("cls", &parts.before), std::pair("sep", &parts.after)}) {
    const std::int64_t id = id_of(key);
    if (id < 0 || id >= std::ssize(parts.names)) {
      return Error{"post_processor: " + type + ": " + key + ": expected a token and its id"};
    }
    list->push_back(static_cast<std::int32_t>(id));
  }
  return {};
}

void use_word_piece_texts(const Json& decoder, TokenizerParts& parts) {
  const bool cleanup = bool_in(decoder, "cleanup").value_or(true);
  for (std::size_t id = 0; id < parts.names.size(); ++id) {
    parts.texts[id] = word_piece_text(parts.names[id], cleanup);
  }
  parts.decoding.leading_space = LeadingSpace::kOneDropped;
}

}  // namespace scsim::exec
