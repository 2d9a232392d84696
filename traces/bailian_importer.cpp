// Alibaba Cloud's Qwen-Bailian traces: chats that name the chat they continue. What chats continue
// each other is a session; turns count from 1 there and from 0 here; their type is the task.
#include "traces/hashed_log.h"

namespace scsim {
namespace {

constexpr std::int64_t kMostTurns = 1'000'000'000;

Expected<void> read_chat(const JsonValue& row, LoggedRequest& request) {
  Expected<std::int64_t> chat = integer_field(row, "chat_id", 0);
  if (!chat) return chat.error();
  Expected<std::int64_t> parent = integer_field(row, "parent_chat_id", -1);
  if (!parent) return parent.error();
  Expected<std::int64_t> turn = integer_field(row, "turn", 1, kMostTurns);
  if (!turn) return turn.error();
  Expected<std::string> type = string_field(row, "type");
  if (!type) return type.error();
  request.chat = static_cast<std::uint64_t>(*chat);
  if (*parent >= 0) request.parent_chat = static_cast<std::uint64_t>(*parent);
  request.turn = static_cast<int>(*turn - 1);
  request.task = *type;
  return {};
}

}  // namespace

TraceFormat bailian_format() {
  TraceFormat format;
  format.name = "bailian";
  format.sentence =
      "Qwen-Bailian's JSON lines: chat_id, parent_chat_id, timestamp (s), input_length, "
      "output_length, type, turn, hash_ids";
  format.source =
      "github.com/alibaba-edu/qwen-bailian-usagetraces-anon; Wang et al., USENIX ATC 2025";
  format.options = hashed_log_options(Tokens(16));
  format.import = [](const ImportInputs& inputs, const ImportOptions& options,
                     const OpenTrace& open) {
    return import_hashed_log(inputs, options, open, TimeUnit::kSeconds, read_chat);
  };
  return format;
}

}  // namespace scsim
