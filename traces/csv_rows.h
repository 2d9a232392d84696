// Rows of a CSV file as spreadsheets and loggers write it: quoted fields (with separators, doubled
// quotes and newlines inside), a header line, a byte order mark, either kind of newline.
//
//   Expected<CsvRows> rows = CsvRows::open("log.csv", /*header=*/true);
//   Expected<std::size_t> time = rows->column("Timestamp");
//   while (*rows->next()) use(rows->field(*time));
//
// Without a header the columns are called 1, 2, ... The separator is the first of , ; or tab that
// occurs in the first line. Plain or .zst.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/files.h"

namespace scsim {

class CsvRows {
 public:
  static Expected<CsvRows> open(const std::string& path, bool header);

  const std::vector<std::string>& columns() const { return columns_; }
  // The error names the nearest column there is.
  Expected<std::size_t> column(std::string_view name) const;

  // Goes to the next row that is not empty; false at the end of the file.
  Expected<bool> next();
  // Whether this row has as many fields as there are columns.
  Expected<void> check_row() const;
  // REQUIRES: column < columns().size(), check_row() found nothing.
  std::string_view field(std::size_t column) const;
  std::int64_t line() const { return line_; }  // where the row begins

 private:
  CsvRows(std::string path, LineReader lines) : path_(std::move(path)), lines_(std::move(lines)) {}
  Expected<bool> read_row();
  Expected<bool> read_line();

  std::string path_;
  LineReader lines_;
  char separator_ = ',';
  std::vector<std::string> columns_;
  std::string text_;  // of the line
  std::vector<std::string>
      fields_;  // the first num_fields_ are of this row; their memory is reused
  std::size_t num_fields_ = 0;
  std::int64_t line_ = 0;
  bool have_first_row_ = false;  // read while looking for the columns, not given yet
};

// A whole number in a field ("4808", or "4808.0" as data frames write it); the error names the
// column.
Expected<std::int64_t> integer_field(const CsvRows& rows, std::size_t column, std::int64_t min,
                                     std::int64_t max = std::numeric_limits<std::int64_t>::max());

}  // namespace scsim
