// Which column or field of somebody's log means what: the options of the formats csv and jsonl, and
// how a row becomes a request by them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/hashed_blocks.h"
#include "traces/log_import.h"
#include "traces/log_time.h"
#include "traces/text_contents.h"

namespace scsim {

enum class LogField : std::uint8_t {
  kTime,
  kPromptTokens,
  kOutputTokens,
  kMaxTokens,
  kTenant,
  kSession,
  kTurn,
  kModel,
  kTask,
  kSlo,
  kPriority,
  kBlocks,
  kText,
  kOutputText,
};
inline constexpr std::size_t kNumLogFields = 14;
// The options that name their columns.
inline constexpr std::array<std::string_view, kNumLogFields> kLogFieldNames = {
    "time",  "prompt_tokens", "output_tokens", "max_tokens", "tenant", "session", "turn",
    "model", "task",          "slo",           "priority",   "blocks", "text",    "output_text"};

struct LogMapping {
  std::array<std::string, kNumLogFields> columns;  // empty: the log has none
  std::array<bool, kNumLogFields> chosen{};        // by the user, not by default
  TimeUnit time_unit = TimeUnit::kSeconds;
  Tokens block_tokens{0};

  const std::string& column(LogField field) const {
    return columns[static_cast<std::size_t>(field)];
  }
  bool has(LogField field) const { return !column(field).empty(); }
};

// The names of the columns, and log_options(), text_options() and the rest that read_mapping()
// reads.
std::vector<ImportOption> mapping_options();
Expected<LogMapping> read_mapping(const ImportOptions& options);

// One row, whatever its notation.
class MappedRow {
 public:
  virtual ~MappedRow() = default;
  // The column that the mapping names for the field; nothing where this row has none.
  virtual Expected<std::optional<std::string>> text(LogField field) const = 0;
  virtual Expected<std::vector<std::uint64_t>> ids(LogField field) const = 0;
  // Why a row without this field is wrong.
  virtual Error missing(LogField field) const = 0;
};

// `texts` says how long a text is that nobody counted.
Expected<LoggedRequest> map_row(const LogMapping& mapping, const TextContents& texts,
                                const MappedRow& row);

// The import, once the format says how to read.
Expected<ImportReport> import_mapped_log(const LogMapping& mapping, TextContents& texts,
                                         const ImportInputs& inputs, const ImportOptions& options,
                                         const OpenTrace& open,
                                         const std::function<Expected<void>(LogRows&)>& read);

}  // namespace scsim
