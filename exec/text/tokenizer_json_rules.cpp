#include "exec/text/tokenizer_json_rules.h"

#include <algorithm>

#include "exec/text/tokenizer_json_encoders.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// The steps of a section: none, one, or those of a Sequence (which lists them as `list`).
std::vector<Json> steps_in(const Json& root, std::string_view section, std::string_view list) {
  const std::optional<Json> step = find(root, section);
  if (!step) return {};
  if (string_in(*step, "type").value_or("") != "Sequence") return {*step};
  const std::optional<Json> steps = find(*step, list);
  return steps ? items(*steps) : std::vector<Json>{};
}

std::string type_of(const Json& step) { return std::string(string_in(step, "type").value_or("")); }

Error unknown_step(std::string_view section, const Json& step, std::vector<std::string> known) {
  return {std::string(section) + ": " + unknown_name("step", type_of(step), known)};
}

// Replace writes its pattern as {"String": " "}.
std::optional<std::string_view> replaced(const Json& step) {
  const std::optional<Json> pattern = find(step, "pattern");
  return pattern ? string_in(*pattern, "String") : std::nullopt;
}

Expected<WordRule> rule_of_split(const Json& step) {
  const std::optional<Json> pattern = find(step, "pattern");
  const auto regex = pattern ? string_in(*pattern, "Regex") : std::nullopt;
  if (!regex) return Error{"pre_tokenizer: Split: expected a pattern that is a Regex"};
  const std::optional<WordRule> rule = rule_of_regex(*regex);
  if (!rule) {
    return Error{"pre_tokenizer: Split: unknown regular expression " + json_quote(*regex) +
                 "; known: those of GPT-2, Llama 3 (GLM-4's too) and Qwen2"};
  }
  // The expressions match everything, so that these two ways to say it are one.
  const std::string_view behavior = string_in(step, "behavior").value_or("");
  const bool inverted = bool_in(step, "invert").value_or(false);
  const bool known = (behavior == "Isolated" && !inverted) || (behavior == "Removed" && inverted);
  if (!known) {
    return Error{"pre_tokenizer: Split: behavior " + json_quote(behavior) +
                 (inverted ? ", inverted" : "") + " is not known; known: Isolated"};
  }
  return *rule;
}

Expected<void> read_metaspace(const Json& step, TokenizerParts& parts) {
  if (string_in(step, "replacement").value_or(kMark) != kMark) {
    return Error{"pre_tokenizer: Metaspace: the replacement must be " + json_quote(kMark)};
  }
  const bool old_prefix = bool_in(step, "add_prefix_space").value_or(true);
  const std::string scheme(
      string_in(step, "prepend_scheme").value_or(old_prefix ? "always" : "never"));
  if (scheme == "always") {
    parts.prefix = Prefix::kUnlessThere;
  } else if (scheme == "first") {
    parts.prefix = Prefix::kFirstUnlessThere;
  } else if (scheme != "never") {
    const std::vector<std::string> known = {"always", "first", "never"};
    return Error{"pre_tokenizer: Metaspace: " + unknown_name("prepend_scheme", scheme, known)};
  }
  parts.spaces_to_marks = true;
  parts.words = bool_in(step, "split").value_or(true) ? WordRule::kEachMark : WordRule::kWhole;
  return {};
}

Expected<void> read_byte_level(const Json& step, bool is_only_step, std::optional<WordRule> split,
                               TokenizerParts& parts) {
  parts.alphabet.bytes = true;
  if (bool_in(step, "add_prefix_space").value_or(true)) {
    if (!is_only_step) {
      return Error{
          "pre_tokenizer: ByteLevel with add_prefix_space after another step is not known; known: "
          "add_prefix_space false"};
    }
    parts.prefix = Prefix::kUnlessThere;
  }
  const bool use_regex = bool_in(step, "use_regex").value_or(true);
  if (use_regex == split.has_value()) {
    return Error{use_regex
                     ? "pre_tokenizer: a Split and ByteLevel with use_regex both cut words; known: "
                       "one of them"
                     : "pre_tokenizer: ByteLevel without use_regex is known after a Split only"};
  }
  parts.words = split.value_or(WordRule::kGpt2);
  return {};
}

// The tokens of a template before and after the text.
Expected<void> read_template(const Json& step, TokenizerParts& parts) {
  const std::optional<Json> single = find(step, "single");
  const std::optional<Json> tokens = find(step, "special_tokens");
  bool after_text = false;
  for (const Json& entry : single ? items(*single) : std::vector<Json>{}) {
    if (find(entry, "Sequence")) {
      after_text = true;
      continue;
    }
    const std::optional<Json> special = find(entry, "SpecialToken");
    const std::string name(special ? string_in(*special, "id").value_or("") : "");
    const std::optional<Json> token = tokens ? find(*tokens, name) : std::nullopt;
    const std::optional<Json> ids = token ? find(*token, "ids") : std::nullopt;
    if (!ids) {
      return Error{"post_processor: TemplateProcessing: special token " + json_quote(name) +
                   " has no ids"};
    }
    for (const Json& value : items(*ids)) {
      const std::int64_t id = as_integer(value).value_or(-1);
      if (id < 0 || id >= static_cast<std::int64_t>(parts.names.size())) {
        return Error{"post_processor: TemplateProcessing: " + json_quote(name) + " has the id " +
                     std::to_string(id) + ", which is not in the vocabulary"};
      }
      (after_text ? parts.after : parts.before).push_back(static_cast<std::int32_t>(id));
    }
  }
  return {};
}

}  // namespace

std::string model_type(const Json& root) {
  const std::optional<Json> model = find(root, "model");
  return std::string(model ? string_in(*model, "type").value_or("BPE") : "BPE");
}

Expected<void> read_normalizer(const Json& root, TokenizerParts& parts) {
  for (const Json& step : steps_in(root, "normalizer", "normalizers")) {
    const std::string type = type_of(step);
    if (type == "NFC") {
      parts.normalizer.nfc = true;
    } else if (type == "Prepend" && string_in(step, "prepend").value_or("") == kMark) {
      parts.normalizer.prefix = Prefix::kAlways;
    } else if (type == "Replace" && replaced(step).value_or("") == " " &&
               string_in(step, "content").value_or("") == kMark) {
      parts.normalizer.spaces_to_marks = true;
    } else if (type == "Precompiled" && model_type(root) == "Unigram") {
      if (Expected<void> read = read_precompiled(step, parts); !read) return read;
    } else if (type == "BertNormalizer" && model_type(root) == "WordPiece") {
      if (Expected<void> read = read_bert_normalizer(step, parts); !read) return read;
    } else if (type == "Prepend" || type == "Replace") {
      return Error{"normalizer: " + type + ": known of spaces and " + json_quote(kMark) + " only"};
    } else {
      return unknown_step("normalizer", step,
                          {"BertNormalizer", "NFC", "Precompiled", "Prepend", "Replace"});
    }
  }
  const Normalizer& made = parts.normalizer;
  if ((made.graphemes || made.bert) &&
      (made.nfc || made.spaces_to_marks || made.prefix != Prefix::kNone)) {
    return Error{"normalizer: Precompiled and BertNormalizer are known by themselves only"};
  }
  return {};
}

Expected<void> read_pre_tokenizer(const Json& root, TokenizerParts& parts) {
  const std::vector<Json> steps = steps_in(root, "pre_tokenizer", "pretokenizers");
  parts.words = WordRule::kWhole;
  if (model_type(root) == "WordPiece") {
    if (steps.size() == 1 && type_of(steps[0]) == "BertPreTokenizer") return {};
    return Error{"pre_tokenizer: WordPiece is known behind BertPreTokenizer only"};
  }
  std::optional<WordRule> split;
  std::optional<bool> each_digit;
  for (const Json& step : steps) {
    const std::string type = type_of(step);
    if (parts.alphabet.bytes || parts.spaces_to_marks || (type == "Digits" && split)) {
      return Error{"pre_tokenizer: " + type + " in this place is not known"};
    }
    if (type == "Split" && !split && !each_digit) {
      Expected<WordRule> rule = rule_of_split(step);
      if (!rule) return rule.error();
      split = *rule;
    } else if (type == "Digits" && !each_digit) {
      each_digit = bool_in(step, "individual_digits").value_or(false);
    } else if (type == "ByteLevel") {
      Expected<void> read = read_byte_level(step, steps.size() == 1, split, parts);
      if (!read) return read.error();
    } else if (type == "WhitespaceSplit" && model_type(root) == "Unigram" && !parts.at_spaces) {
      parts.at_spaces = true;
    } else if (type == "Metaspace" && !split && !each_digit) {
      if (Expected<void> read = read_metaspace(step, parts); !read) return read.error();
    } else if (type == "Split" || type == "Digits" || type == "Metaspace") {
      return Error{"pre_tokenizer: " + type + " in this place is not known"};
    } else {
      return unknown_step(
          "pre_tokenizer", step,
          {"BertPreTokenizer", "ByteLevel", "Digits", "Metaspace", "Split", "WhitespaceSplit"});
    }
  }
  if (model_type(root) == "Unigram" && (!parts.at_spaces || parts.prefix != Prefix::kUnlessThere)) {
    return Error{
        "pre_tokenizer: Unigram is known behind WhitespaceSplit and a Metaspace that always "
        "prepends"};
  }
  if ((split || each_digit) && !parts.alphabet.bytes) {
    return Error{"pre_tokenizer: words are cut, and no ByteLevel follows; that is not known"};
  }
  if (each_digit) {
    parts.words = *each_digit ? WordRule::kDigitsThenGpt2 : WordRule::kNumbersThenGpt2;
  }
  return {};
}

Expected<void> read_post_processor(const Json& root, TokenizerParts& parts) {
  for (const Json& step : steps_in(root, "post_processor", "processors")) {
    const std::string type = type_of(step);
    if (type == "TemplateProcessing") {
      if (Expected<void> read = read_template(step, parts); !read) return read.error();
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      if (Expected<void> read = read_class_and_separator(step, type, parts); !read) return read;
    } else if (type != "ByteLevel") {  // which is about offsets in the text only
      return unknown_step(
          "post_processor", step,
          {"BertProcessing", "ByteLevel", "RobertaProcessing", "TemplateProcessing"});
    }
  }
  return {};
}

Expected<void> read_decoder(const Json& root, TokenizerParts& parts) {
  const std::vector<Json> steps = steps_in(root, "decoder", "decoders");
  const auto has = [&](std::string_view type) {
    return std::ranges::any_of(steps, [&](const Json& step) { return type_of(step) == type; });
  };
  if (model_type(root) == "WordPiece") {
    if (steps.size() != 1 || type_of(steps[0]) != "WordPiece") {
      return Error{"decoder: WordPiece is known with a decoder of that name only"};
    }
    use_word_piece_texts(steps[0], parts);
    return {};
  }
  for (const Json& step : steps) {
    const std::string type = type_of(step);
    if (type == "Strip") {
      const bool one_space = string_in(step, "content").value_or("") == " " &&
                             integer_in(step, "start").value_or(0) == 1 &&
                             integer_in(step, "stop").value_or(0) == 0;
      if (!one_space) return Error{"decoder: Strip: known of one space at the start only"};
      parts.decoding.leading_space = LeadingSpace::kOneDropped;
    } else if (type == "Metaspace") {
      const bool old_prefix = bool_in(step, "add_prefix_space").value_or(true);
      if (string_in(step, "prepend_scheme").value_or(old_prefix ? "always" : "never") != "never") {
        parts.decoding.leading_space = LeadingSpace::kFirstTokensMarksDropped;
      }
    } else if (type == "Replace") {
      if (replaced(step).value_or("") != kMark || string_in(step, "content").value_or("") != " ") {
        return Error{"decoder: Replace: known of " + json_quote(kMark) + " by a space only"};
      }
    } else if (type != "ByteLevel" && type != "ByteFallback" && type != "Fuse") {
      return unknown_step("decoder", step,
                          {"ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Strip"});
    }
  }
  if (parts.alphabet.bytes != has("ByteLevel")) {
    return Error{std::string("decoder: ") +
                 (parts.alphabet.bytes ? "expected ByteLevel, as in pre_tokenizer"
                                       : "ByteLevel does not go with this pre_tokenizer")};
  }
  if (!parts.alphabet.bytes && !has("Replace") && !has("Metaspace")) {
    return Error{"decoder: expected a Replace or a Metaspace that makes spaces of " +
                 json_quote(kMark)};
  }
  if (!parts.alphabet.bytes) parts.decoding.byte_runs = ByteRuns::kWhole;
  return {};
}

}  // namespace scsim::exec
