#include "traces/calibration.h"

#include <algorithm>

#include "traces/text.h"

namespace scsim {
namespace {

// Equal values that follow one another are counted: "4x1024" is a batch of four.
void add_lengths(std::string_view name, const std::vector<std::int64_t>& lengths,
                 std::string& key) {
  if (lengths.empty()) return;
  key.append(" ").append(name).append("=");
  for (std::size_t i = 0, next = 0; i < lengths.size(); i = next) {
    for (next = i; next < lengths.size() && lengths[next] == lengths[i];) ++next;
    if (i > 0) key += ',';
    if (next - i > 1) key += std::to_string(next - i) + "x";
    key += std::to_string(lengths[i]);
  }
}

}  // namespace

std::string operator_key(const OperatorSample& sample) {
  std::string key = sample.name + " [" + sample.implementation + ", " + sample.type + "]";
  add_lengths("new", sample.new_tokens, key);
  add_lengths("cached", sample.cached_tokens, key);
  const auto add = [&](std::string_view name, std::int64_t value) {
    if (value != 0) key.append(" ").append(name).append("=").append(std::to_string(value));
  };
  add("query_heads", sample.query_heads);
  add("kv_heads", sample.kv_heads);
  add("head_dim", sample.head_dim);
  for (const auto& [name, value] : sample.dimensions)
    key.append(" ").append(name).append("=").append(std::to_string(value));
  return key;
}

void keep_prediction(std::string_view text, std::size_t most_bytes, TurnSample& turn) {
  std::size_t kept = std::min(text.size(), most_bytes);
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (kept > 0 && kept < text.size() && continues(kept)) --kept;
  turn.prediction = valid_utf8(text.substr(0, kept));
  turn.prediction_bytes_cut = static_cast<std::int64_t>(text.size() - kept);
}

}  // namespace scsim
