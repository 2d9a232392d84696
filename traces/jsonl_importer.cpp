// Anybody's log in JSON lines (or a JSON array): the options say which field means what
// (traces/log_mapping.h). Fields of fields are named "usage.prompt_tokens".
#include "traces/json_rows.h"
#include "traces/log_mapping.h"
#include "traces/text.h"

namespace scsim {
namespace {

// Fields that were found in some row. A field that the user named and no row has is a mistake,
// though a row may well lack it.
using Found = std::array<bool, kNumLogFields>;

class MappedJsonRow : public MappedRow {
 public:
  MappedJsonRow(const LogMapping& mapping, const JsonValue& row, Found& found)
      : mapping_(mapping), row_(row), found_(found) {}

  Expected<std::optional<std::string>> text(LogField field) const override {
    std::optional<JsonValue> value = find(field);
    if (!value) return std::optional<std::string>();
    std::optional<std::string> text = text_of(*value);
    if (text) return text;
    return Error{mapping_.column(field) + ": expected a string or a number, found " +
                 std::string(value->describe())};
  }

  Expected<std::vector<std::uint64_t>> ids(LogField field) const override {
    find(field);
    return ids_field(row_, mapping_.column(field));
  }

  Error missing(LogField field) const override {
    return required_field(row_, mapping_.column(field)).error();
  }

 private:
  std::optional<JsonValue> find(LogField field) const {
    std::optional<JsonValue> value = row_.find_path(mapping_.column(field));
    if (value) found_[static_cast<std::size_t>(field)] = true;
    return value;
  }

  const LogMapping& mapping_;
  const JsonValue& row_;
  Found& found_;
};

Expected<ImportReport> import_jsonl(const ImportInputs& inputs, const ImportOptions& options,
                                    const OpenTrace& open) {
  Expected<LogMapping> mapping = read_mapping(options);
  if (!mapping) return mapping.error();
  Expected<TextContents> texts = TextContents::make(options);
  if (!texts) return texts.error();
  const auto read = [&](LogRows& rows) -> Expected<void> {
    Found found{};
    std::vector<std::string> keys;  // of the first row
    bool any_read = false;
    Expected<void> ok = read_json_log(inputs.paths, rows, [&](const JsonValue& row) {
      if (keys.empty()) keys = row.keys();
      Expected<LoggedRequest> request =
          map_row(*mapping, *texts, MappedJsonRow(*mapping, row, found));
      any_read = any_read || request.has_value();
      return request;
    });
    if (!ok || !any_read) return ok;
    for (std::size_t i = 0; i < kNumLogFields; ++i) {
      if (!mapping->chosen[i] || mapping->columns[i].empty() || found[i]) continue;
      return Error{inputs.paths.front() + ": no row has what the option `" +
                   std::string(kLogFieldNames[i]) +
                   "` names: " + unknown_name("field", mapping->columns[i], keys)};
    }
    return {};
  };
  return import_mapped_log(*mapping, *texts, inputs, options, open, read);
}

}  // namespace

TraceFormat jsonl_format() {
  TraceFormat format;
  format.name = "jsonl";
  format.sentence =
      "anybody's log in JSON lines; options or a YAML file say which field means what";
  format.source = "jsonlines.org";
  format.options = mapping_options();
  format.import = import_jsonl;
  return format;
}

}  // namespace scsim
