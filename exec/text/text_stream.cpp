// Decoding, token by token: bytes wait here until they are characters.
#include <utility>

#include "exec/text/characters.h"
#include "exec/text/tokenizer_parts.h"

namespace scsim::exec {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string without_marks(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const bool mark = name.starts_with(kMark);
    if (!mark) text += name.front();
    name.remove_prefix(mark ? kMark.size() : 1);
  }
  return text;
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, bool keep_special)
    : tokenizer_(tokenizer), keep_special_(keep_special) {}

std::string TextStream::push(std::int32_t id) {
  const TokenizerParts& parts = tokenizer_.parts();
  if (id < 0 || id >= tokenizer_.vocabulary_size()) return {};
  const auto at = static_cast<std::size_t>(id);
  if (parts.special[at] && !keep_special_) return {};
  const std::string text = text_of(id);
  std::string out;
  if (parts.decoding.byte_runs == ByteRuns::kWhole && !parts.is_byte[at]) {
    take_byte_run(out);
    out += text;
  } else {
    pending_ += text;
  }
  if (parts.decoding.byte_runs == ByteRuns::kAsTheyCome) {
    const std::size_t complete = complete_utf8_bytes(pending_);
    out = replace_invalid_utf8(std::string_view(pending_).substr(0, complete));
    pending_.erase(0, complete);
  }
  return stripped(std::move(out));
}

// The token's text, less the marks that are dropped at the start.
std::string TextStream::text_of(std::int32_t id) {
  const TokenizerParts& parts = tokenizer_.parts();
  const auto at = static_cast<std::size_t>(id);
  const LeadingSpace leading = parts.decoding.leading_space;
  if (leading == LeadingSpace::kFirstTokensMarksDropped) {
    const bool first = std::exchange(at_start_, false);
    return first && !parts.is_byte[at] ? without_marks(parts.names[at]) : parts.texts[at];
  }
  const bool drops_marks =
      leading == LeadingSpace::kOneMarkDropped || leading == LeadingSpace::kMarksDropped;
  if (!at_start_ || !drops_marks) return parts.texts[at];
  const bool marked = parts.names[at].starts_with(kMark);
  std::string text = marked ? parts.texts[at].substr(1) : parts.texts[at];
  if (!text.empty() || (marked && leading == LeadingSpace::kOneMarkDropped)) at_start_ = false;
  return text;
}

std::string TextStream::finish() {
  std::string out;
  if (tokenizer_.parts().decoding.byte_runs == ByteRuns::kWhole) {
    take_byte_run(out);
  } else {
    out = replace_invalid_utf8(std::exchange(pending_, {}));
  }
  out = stripped(std::move(out));
  at_start_ = true;
  return out;
}

std::string TextStream::stripped(std::string out) {
  if (tokenizer_.parts().decoding.leading_space != LeadingSpace::kOneDropped) return out;
  if (!at_start_ || out.empty()) return out;
  at_start_ = false;
  if (out.front() == ' ') out.erase(0, 1);
  return out;
}

void TextStream::take_byte_run(std::string& out) {
  if (is_valid_utf8(pending_)) {
    out += pending_;
  } else {
    for (std::size_t i = 0; i < pending_.size(); ++i) out += kReplacement;
  }
  pending_.clear();
}

}  // namespace scsim::exec
