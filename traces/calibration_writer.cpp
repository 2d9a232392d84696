// A resumed run reads what is there before it writes: the keys of all samples, and where the whole
// frames end. The header and the design are one frame, so a file has both or is begun anew. A
// footer without the rename that was to follow it is cut off and written again.
#include <filesystem>
#include <set>
#include <utility>

#include "traces/calibration.h"
#include "traces/calibration_message.h"
#include "traces/file_header.h"
#include "traces/record_append.h"
#include "traces/record_file.h"

namespace scsim {

struct CalibrationWriter::State {
  std::string path;
  RecordAppender file;
  CalibrationDesign design;
  std::set<SampleKey> sessions{};
  std::set<std::string, std::less<>> operators{};
  std::size_t resumed = 0;
  std::uint64_t records = 0;  // in the file
  std::uint64_t bytes_dropped = 0;

  Expected<void> begin(std::string_view made_by) {
    proto::CalibrationRecord record;
    const TraceHeader header = {.tool_version = design.tool_version,
                                .made_by = std::string(made_by),
                                .name = design.model.name,
                                .seed = design.seed,
                                .notes = {}};
    *record.mutable_header() = to_file_header(header, kCalibrationFormat, kCalibrationVersion);
    file.append(record);
    fill_design(design, *record.mutable_design());
    file.append(record);
    records = 2;
    return file.sync();
  }

  // Reads the whole frames of `partial`, the first `whole` bytes of it.
  Expected<void> resume(const std::string& partial, std::uint64_t whole) {
    Expected<CalibrationReader> reader = CalibrationReader::open_partial(partial);
    if (!reader) return reader.error();
    proto::CalibrationDesign there, here;
    fill_design(reader->design(), there);
    fill_design(design, here);
    if (const std::string difference = first_difference(there, here); !difference.empty()) {
      return Error{partial + ": was begun with another design: " + difference +
                   "; go on with that one, or remove the file or name another to begin anew"};
    }
    CalibrationItem item;
    while (true) {
      Expected<bool> more = reader->next(item);
      if (!more) return more.error();
      if (!*more) break;
      const auto* session = std::get_if<SessionSample>(&item);
      const bool is_new =
          session != nullptr
              ? sessions.insert(session->key).second
              : operators.insert(operator_key(std::get<OperatorSample>(item))).second;
      if (!is_new) return Error{partial + ": holds a sample twice; it was not written by one run"};
    }
    resumed = sessions.size() + operators.size();
    records = 2 + resumed;
    const std::uint64_t keep = reader->footer_offset().value_or(whole);
    return file.cut_to(keep);
  }
};

CalibrationWriter::CalibrationWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
CalibrationWriter::CalibrationWriter(CalibrationWriter&&) noexcept = default;
CalibrationWriter& CalibrationWriter::operator=(CalibrationWriter&&) noexcept = default;
CalibrationWriter::~CalibrationWriter() = default;

Expected<CalibrationWriter> CalibrationWriter::open(const std::string& path,
                                                    const CalibrationDesign& design,
                                                    std::string_view made_by) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    return Error{path +
                 ": is there already; a calibration is never written over: remove it or "
                 "name another file"};
  }
  const std::string partial = path + ".partial";
  Expected<RecordAppender> file = RecordAppender::open(partial);
  if (!file) return file.error();
  std::unique_ptr<State> state(new State{path, std::move(*file), design});
  const std::uint64_t bytes = state->file.bytes();
  std::uint64_t whole = 0;
  if (bytes > 0) {
    Expected<std::uint64_t> frames = RecordReader::whole_frames(partial);
    if (!frames) return frames.error();
    whole = *frames;
  }
  state->bytes_dropped = bytes - whole;
  if (Expected<void> cut = state->file.cut_to(whole); !cut) return cut.error();
  Expected<void> ready = whole == 0 ? state->begin(made_by) : state->resume(partial, whole);
  if (!ready) return ready.error();
  return CalibrationWriter(std::move(state));
}

bool CalibrationWriter::has(const SampleKey& key) const { return state_->sessions.contains(key); }

bool CalibrationWriter::has_operator(std::string_view key) const {
  return state_->operators.contains(key);
}

std::size_t CalibrationWriter::sessions() const { return state_->sessions.size(); }

std::size_t CalibrationWriter::operators() const { return state_->operators.size(); }

std::size_t CalibrationWriter::resumed() const { return state_->resumed; }

std::uint64_t CalibrationWriter::bytes_dropped() const { return state_->bytes_dropped; }

Expected<void> CalibrationWriter::append(const SessionSample& sample) {
  SCSIM_CHECK(state_->sessions.insert(sample.key).second);
  proto::CalibrationRecord record;
  fill_session(sample, *record.mutable_session());
  // What the reader would refuse must not be written: it would be found when it is too late.
  const Expected<SessionSample> back = take_session(record.session(), state_->design);
  if (!back) check_failed(__FILE__, __LINE__, back.error().message);
  state_->file.append(record);
  ++state_->records;
  return state_->file.sync();
}

Expected<void> CalibrationWriter::append(const OperatorSample& sample) {
  SCSIM_CHECK(state_->operators.insert(operator_key(sample)).second);
  proto::CalibrationRecord record;
  fill_operator(sample, *record.mutable_operator_sample());
  const Expected<OperatorSample> back = take_operator(record.operator_sample());
  if (!back) check_failed(__FILE__, __LINE__, back.error().message);
  state_->file.append(record);
  ++state_->records;
  return state_->file.sync();
}

// The frames of one sample each, which a killed run needs, compress badly: they are written again
// in large ones. Killed on the way, the partial file is whole but for its name, and is finished
// anew.
Expected<void> CalibrationWriter::finish() {
  proto::CalibrationRecord record;
  record.mutable_footer()->set_records(state_->records);
  record.mutable_footer()->set_requests(sessions() + operators());
  state_->file.append(record);
  if (Expected<void> synced = state_->file.sync(); !synced) return synced;
  const std::string partial = state_->path + ".partial";
  Expected<RecordReader> reader = RecordReader::open(partial);
  if (!reader) return reader.error();
  Expected<RecordWriter> packed = RecordWriter::create(state_->path + ".packed");
  if (!packed) return packed.error();
  while (true) {
    const Expected<std::string_view> bytes = reader->next();
    if (!bytes) return bytes.error();
    if (bytes->data() == nullptr) break;
    SCSIM_CHECK(parse_record(*bytes, record));
    packed->append(record);
  }
  if (Expected<void> written = packed->finish(); !written) return written;
  std::error_code error;
  std::filesystem::rename(state_->path + ".packed", state_->path, error);
  if (error) return Error{state_->path + ": " + error.message()};
  std::filesystem::remove(partial, error);
  if (error) return Error{partial + ": " + error.message()};
  return {};
}

}  // namespace scsim
