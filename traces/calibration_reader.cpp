#include <utility>

#include "traces/calibration.h"
#include "traces/calibration_message.h"
#include "traces/file_header.h"
#include "traces/record_file.h"

namespace scsim {

struct CalibrationReader::State {
  std::string path;
  RecordReader records;
  bool partial = false;
  bool ended = false;
  CalibrationDesign design{};
  std::string made_by{};
  std::uint64_t samples = 0;
  std::optional<std::uint64_t> footer_offset{};
  proto::CalibrationRecord record{};

  Error wrong(const std::string& what) const { return Error{records.where() + ": " + what}; }

  // Parses the next record; false at the end of a partial file.
  Expected<bool> read() {
    Expected<std::string_view> bytes = records.next();
    if (!bytes) return bytes.error();
    if (bytes->data() == nullptr) {
      if (partial) return false;
      return Error{path + ": ends at offset " + std::to_string(records.offset()) +
                   " without a footer; the file was cut"};
    }
    if (!parse_record(*bytes, record)) return wrong("a record cannot be parsed");
    return true;
  }

  Expected<void> read_beginning() {
    // The first record of anything else than a file of ours may well not parse.
    Expected<std::string_view> bytes = records.next();
    if (!bytes) return bytes.error();
    if (bytes->data() == nullptr || !parse_record(*bytes, record) || !record.has_header())
      return Error{path + ": does not begin with a header; it is not a file of SCSim"};
    Expected<void> known =
        check_file_header(record.header(), kCalibrationFormat, kCalibrationVersion, path);
    if (!known) return known;
    made_by = record.header().made_by();
    Expected<bool> more = read();
    if (!more) return more.error();
    if (!*more || !record.has_design()) return wrong("no design follows the header");
    Expected<CalibrationDesign> taken = take_design(record.design());
    if (!taken) return wrong(taken.error().message);
    design = std::move(*taken);
    return {};
  }

  Expected<void> check_footer() {
    const proto::FileFooter& footer = record.footer();
    if (footer.records() != records.records() - 1 || footer.requests() != samples) {
      return wrong("the footer counts " + std::to_string(footer.records()) + " records with " +
                   std::to_string(footer.requests()) + " samples, but the file has " +
                   std::to_string(records.records() - 1) + " with " + std::to_string(samples));
    }
    if (!records.at_end()) return wrong("something follows the footer");
    return {};
  }

  Expected<bool> next(CalibrationItem& item) {
    if (ended) return false;
    Expected<bool> more = read();
    if (!more) return more;
    if (!*more) {
      ended = true;
      return false;
    }
    ++samples;
    if (record.has_session()) {
      Expected<SessionSample> sample = take_session(record.session(), design);
      if (!sample) return wrong(sample.error().message);
      item = std::move(*sample);
      return true;
    }
    if (record.has_operator_sample()) {
      Expected<OperatorSample> sample = take_operator(record.operator_sample());
      if (!sample) return wrong(sample.error().message);
      item = std::move(*sample);
      return true;
    }
    --samples;
    if (!record.has_footer()) return wrong("a record of a kind this version does not know");
    if (Expected<void> right = check_footer(); !right) return right.error();
    ended = true;
    footer_offset = records.frame();
    return false;
  }
};

CalibrationReader::CalibrationReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
CalibrationReader::CalibrationReader(CalibrationReader&&) noexcept = default;
CalibrationReader& CalibrationReader::operator=(CalibrationReader&&) noexcept = default;
CalibrationReader::~CalibrationReader() = default;

Expected<CalibrationReader> CalibrationReader::open_as(const std::string& path, bool partial) {
  std::uint64_t limit = RecordReader::kWholeFile;
  if (partial) {
    Expected<std::uint64_t> whole = RecordReader::whole_frames(path);
    if (!whole) return whole.error();
    limit = *whole;
  }
  Expected<RecordReader> records = RecordReader::open(path, limit);
  if (!records) return records.error();
  std::unique_ptr<State> state(new State{path, std::move(*records), partial});
  if (Expected<void> begun = state->read_beginning(); !begun) return begun.error();
  return CalibrationReader(std::move(state));
}

Expected<CalibrationReader> CalibrationReader::open(const std::string& path) {
  return open_as(path, false);
}

Expected<CalibrationReader> CalibrationReader::open_partial(const std::string& path) {
  return open_as(path, true);
}

const CalibrationDesign& CalibrationReader::design() const { return state_->design; }

const std::string& CalibrationReader::made_by() const { return state_->made_by; }

Expected<bool> CalibrationReader::next(CalibrationItem& item) { return state_->next(item); }

std::optional<std::uint64_t> CalibrationReader::footer_offset() const {
  return state_->footer_offset;
}

double CalibrationReader::progress() const { return state_->records.progress(); }

namespace {

Expected<Calibration> read_all(Expected<CalibrationReader> reader) {
  if (!reader) return reader.error();
  Calibration calibration;
  calibration.design = reader->design();
  calibration.made_by = reader->made_by();
  CalibrationItem item;
  while (true) {
    Expected<bool> more = reader->next(item);
    if (!more) return more.error();
    if (!*more) return calibration;
    if (auto* session = std::get_if<SessionSample>(&item)) {
      calibration.sessions.push_back(std::move(*session));
    } else {
      calibration.operators.push_back(std::get<OperatorSample>(std::move(item)));
    }
  }
}

}  // namespace

Expected<Calibration> read_calibration(const std::string& path) {
  return read_all(CalibrationReader::open(path));
}

Expected<Calibration> read_partial_calibration(const std::string& path) {
  return read_all(CalibrationReader::open_partial(path));
}

}  // namespace scsim
