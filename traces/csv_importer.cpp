// Anybody's log in CSV: the options say which column means what (traces/log_mapping.h).
#include "traces/csv_rows.h"
#include "traces/hash.h"
#include "traces/log_mapping.h"
#include "traces/text.h"

namespace scsim {
namespace {

class MappedCsvRow : public MappedRow {
 public:
  // Finds the columns of the mapping in the file.
  static Expected<MappedCsvRow> bind(const LogMapping& mapping, const CsvRows& rows) {
    MappedCsvRow row(mapping, rows);
    for (std::size_t i = 0; i < kNumLogFields; ++i) {
      if (mapping.columns[i].empty()) continue;
      Expected<std::size_t> column = rows.column(mapping.columns[i]);
      if (!column) {
        return Error{column.error().message + "; the option `" + std::string(kLogFieldNames[i]) +
                     "` names it"};
      }
      row.columns_[i] = *column;
    }
    return row;
  }

  Expected<std::optional<std::string>> text(LogField field) const override {
    const std::string_view text = rows_.field(columns_[static_cast<std::size_t>(field)]);
    if (text.empty()) return std::optional<std::string>();
    return std::optional<std::string>(text);
  }

  // Ids between anything that is neither letter nor digit: "1 2 3", "[1, 2]", "a1;b2".
  Expected<std::vector<std::uint64_t>> ids(LogField field) const override {
    std::vector<std::uint64_t> ids;
    std::string_view rest = rows_.field(columns_[static_cast<std::size_t>(field)]);
    while (true) {
      while (!rest.empty() && kSeparators.find(rest.front()) != kSeparators.npos)
        rest.remove_prefix(1);
      if (rest.empty()) return ids;
      const std::string_view id = rest.substr(0, rest.find_first_of(kSeparators));
      rest.remove_prefix(id.size());
      Expected<std::int64_t> number = parse_integer(id);
      ids.push_back(number && *number >= 0 ? static_cast<std::uint64_t>(*number) : hash_text(id));
    }
  }

  Error missing(LogField field) const override { return Error{mapping_.column(field) + ": empty"}; }

 private:
  static constexpr std::string_view kSeparators = " ,;|[]{}()'\"\t\n\r";

  MappedCsvRow(const LogMapping& mapping, const CsvRows& rows) : mapping_(mapping), rows_(rows) {}

  const LogMapping& mapping_;
  const CsvRows& rows_;
  std::array<std::size_t, kNumLogFields> columns_{};
};

Expected<ImportReport> import_csv(const ImportInputs& inputs, const ImportOptions& options,
                                  const OpenTrace& open) {
  Expected<LogMapping> mapping = read_mapping(options);
  if (!mapping) return mapping.error();
  Expected<TextContents> texts = TextContents::make(options);
  if (!texts) return texts.error();
  Expected<bool> header = options.flag("header");
  if (!header) return header.error();
  const auto bind = [&](const CsvRows& rows) -> Expected<CsvParse> {
    Expected<MappedCsvRow> bound = MappedCsvRow::bind(*mapping, rows);
    if (!bound) return bound.error();
    return CsvParse([&, row = *bound](const CsvRows&) { return map_row(*mapping, *texts, row); });
  };
  return import_mapped_log(*mapping, *texts, inputs, options, open, [&](LogRows& rows) {
    return read_csv_log(inputs.paths, *header, rows, bind);
  });
}

}  // namespace

TraceFormat csv_format() {
  TraceFormat format;
  format.name = "csv";
  format.sentence =
      "anybody's log in CSV (, ; or tabs); options or a YAML file say which column means what";
  format.source = "RFC 4180";
  format.options = mapping_options();
  format.options.push_back(
      {"header", "true", "the first line names the columns; without, they are called 1, 2, ..."});
  format.import = import_csv;
  return format;
}

}  // namespace scsim
