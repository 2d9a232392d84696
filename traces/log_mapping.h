// Which column or field of somebody's log means what: options and YAML (traces/proto/import.proto)
// for the formats csv and jsonl, and how a row becomes a request by them.
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
// Also the keys of the mapping.
inline constexpr std::array<std::string_view, kNumLogFields> kLogFieldNames = {
    "time",  "prompt_tokens", "output_tokens", "max_tokens", "tenant", "session", "turn",
    "model", "task",          "slo",           "priority",   "blocks", "text",    "output_text"};

struct LogMapping {
  std::array<std::string, kNumLogFields> columns;  // empty: the log has none
  std::array<bool, kNumLogFields> chosen{};        // by the user, not by default
  TimeUnit time_unit = TimeUnit::kSeconds;
  Tokens block_tokens{0};
  double chars_per_token = 0;
  bool keep_text = false;
  bool header = false;

  const std::string& column(LogField field) const {
    return columns[static_cast<std::size_t>(field)];
  }
  bool has(LogField field) const { return !column(field).empty(); }
};

// log_options(), the keys of the mapping, and "mapping": a YAML file with them.
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

Expected<LoggedRequest> map_row(const LogMapping& mapping, const MappedRow& row);

// The import, once the format says how to read.
Expected<ImportReport> import_mapped_log(const LogMapping& mapping, const ImportInputs& inputs,
                                         const ImportOptions& options, const OpenTrace& open,
                                         const std::function<Expected<void>(LogRows&)>& read);

}  // namespace scsim
