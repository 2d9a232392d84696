#include "traces/csv_rows.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/log_numbers.h"
#include "traces/text.h"

namespace scsim {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kLongestRow = std::size_t{256}
                                    << 20;  // a quote that is never closed ends here

char find_separator(std::string_view line) {
  bool quoted = false;
  for (char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == ',' || c == ';' || c == '\t')) return c;
  }
  return ',';
}

}  // namespace

Expected<CsvRows> CsvRows::open(const std::string& path, bool header) {
  Expected<LineReader> lines = LineReader::open(path);
  if (!lines) return lines.error();
  CsvRows rows(path, std::move(*lines));
  Expected<bool> any = rows.read_row();
  if (!any) return any.error();
  if (!*any) return Error{path + ": empty; expected a CSV file"};
  for (std::size_t i = 0; i < rows.num_fields_; ++i) {
    rows.columns_.push_back(header ? std::string(trim(rows.fields_[i])) : std::to_string(i + 1));
  }
  rows.have_first_row_ = !header;
  return rows;
}

Expected<std::size_t> CsvRows::column(std::string_view name) const {
  auto found = std::ranges::find(columns_, name);
  if (found == columns_.end()) {
    return Error{path_ + ":1: " + unknown_name("column", name, columns_)};
  }
  return static_cast<std::size_t>(found - columns_.begin());
}

Expected<bool> CsvRows::next() {
  if (have_first_row_) {
    have_first_row_ = false;
    return true;
  }
  return read_row();
}

Expected<void> CsvRows::check_row() const {
  if (num_fields_ != columns_.size()) {
    return Error{std::to_string(num_fields_) + " fields; expected " +
                 std::to_string(columns_.size())};
  }
  return {};
}

std::string_view CsvRows::field(std::size_t column) const {
  SCSIM_CHECK_LT(column, num_fields_);
  return fields_[column];
}

// The next line into text_; false at the end.
Expected<bool> CsvRows::read_line() {
  Expected<bool> more = lines_.next(text_);
  if (more && *more && lines_.line_number() == 1) {
    if (text_.starts_with(kByteOrderMark)) text_.erase(0, kByteOrderMark.size());
    separator_ = find_separator(text_);
  }
  return more;
}

Expected<bool> CsvRows::read_row() {
  do {
    Expected<bool> more = read_line();
    if (!more || !*more) return more;
  } while (trim(text_).empty());
  line_ = lines_.line_number();
  num_fields_ = 0;
  std::size_t row_bytes = 0;

  std::size_t at = 0;
  while (true) {  // one field each time round
    if (num_fields_ == fields_.size()) fields_.emplace_back();
    std::string& field = fields_[num_fields_++];
    field.clear();
    if (at < text_.size() && text_[at] == '"') {
      ++at;
      while (true) {
        std::size_t quote = text_.find('"', at);
        field.append(text_, at, quote - at);
        if (quote == std::string::npos) {  // the field goes on in the next line
          field.push_back('\n');
          row_bytes += text_.size() + 1;
          if (row_bytes > kLongestRow) {
            return Error{path_ + ":" + std::to_string(line_) +
                         ": a quoted field of more than 256 MiB; "
                         "is a quote missing?"};
          }
          Expected<bool> more = read_line();
          if (!more) return more;
          if (!*more) {
            return Error{path_ + ":" + std::to_string(line_) + ": a quoted field is never closed"};
          }
          at = 0;
          continue;
        }
        at = quote + 1;
        if (at >= text_.size() || text_[at] != '"') break;
        field.push_back('"');  // a doubled quote is one
        ++at;
      }
    }
    std::size_t end = std::min(text_.find(separator_, at), text_.size());
    field.append(text_, at, end - at);
    if (end == text_.size()) return true;
    at = end + 1;
  }
}

Expected<std::int64_t> integer_field(const CsvRows& rows, std::size_t column, std::int64_t min,
                                     std::int64_t max) {
  return parse_whole_number(rows.columns()[column], rows.field(column), min, max);
}

}  // namespace scsim
