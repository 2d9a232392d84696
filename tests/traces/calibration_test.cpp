#include "traces/calibration.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/support/some_calibration.h"
#include "tests/support/temporary_folder.h"
#include "traces/calibration_message.h"
#include "traces/file_header.h"
#include "traces/files.h"
#include "traces/record_file.h"
#include "traces/rng.h"

namespace scsim {
namespace {

struct Material {
  CalibrationDesign design = test::some_design();
  std::vector<SessionSample> sessions;
  std::vector<OperatorSample> operators;

  explicit Material(std::size_t num_sessions, int num_operators = 0) {
    const std::vector<SampleKey> keys = test::all_keys(design);
    REQUIRE(num_sessions <= keys.size());
    for (std::size_t i = 0; i < num_sessions; ++i) {
      sessions.push_back(test::some_session(design, keys[i], static_cast<std::int64_t>(i)));
    }
    for (int i = 0; i < num_operators; ++i) operators.push_back(test::some_operator(i));
  }

  // What a program does that measures all of it: goes on behind what is there.
  Expected<void> run(const std::string& path) const {
    Expected<CalibrationWriter> writer = CalibrationWriter::open(path, design, "a test");
    if (!writer) return writer.error();
    for (const SessionSample& sample : sessions) {
      if (writer->has(sample.key)) continue;
      if (Expected<void> written = writer->append(sample); !written) return written;
    }
    for (const OperatorSample& sample : operators) {
      if (writer->has_operator(operator_key(sample))) continue;
      if (Expected<void> written = writer->append(sample); !written) return written;
    }
    return writer->finish();
  }
};

// The bytes of a calibration that is complete but for its name, a frame a sample: what a run killed
// at its end leaves. Here the place is taken where large frames would have been written.
std::string complete_partial(const Material& material, const std::string& path) {
  REQUIRE(std::filesystem::create_directory(path + ".packed.partial"));
  CHECK_FALSE(material.run(path).has_value());
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE(std::filesystem::remove(path + ".packed.partial"));
  const std::string bytes = *read_file(path + ".partial");
  REQUIRE(std::filesystem::remove(path + ".partial"));
  return bytes;
}

std::string error_of(const std::string& path) {
  const Expected<Calibration> calibration = read_calibration(path);
  return calibration ? "no error" : calibration.error().message;
}

void write_raw(const std::string& path, const std::vector<proto::CalibrationRecord>& records) {
  Expected<RecordWriter> writer = RecordWriter::create(path);
  REQUIRE(writer.has_value());
  for (const proto::CalibrationRecord& record : records) writer->append(record);
  REQUIRE(writer->finish().has_value());
}

std::vector<proto::CalibrationRecord> read_raw(const std::string& path) {
  std::vector<proto::CalibrationRecord> records;
  Expected<RecordReader> reader = RecordReader::open(path);
  REQUIRE(reader.has_value());
  while (true) {
    const Expected<std::string_view> bytes = reader->next();
    REQUIRE(bytes.has_value());
    if (bytes->data() == nullptr) return records;
    REQUIRE(parse_record(*bytes, records.emplace_back()));
  }
}

}  // namespace

TEST_CASE("a calibration comes back as it was written", "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb");
  const Material material(96, 3);
  REQUIRE(material.run(path).has_value());
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    CHECK(entry.path().filename() == "cal.pb");
  CHECK(std::filesystem::file_size(path) <
        complete_partial(material, path + ".small").size() * 2 / 3);
  const Expected<Calibration> back = read_calibration(path);
  REQUIRE(back.has_value());
  CHECK(back->made_by == "a test");
  CHECK((back->sessions == material.sessions));
  CHECK((back->operators == material.operators));
  proto::CalibrationDesign there, here;
  fill_design(back->design, there);
  fill_design(material.design, here);
  CHECK(first_difference(there, here).empty());
  CHECK(back->design.methods[1].parameters == material.design.methods[1].parameters);

  REQUIRE(material.run(folder.file("again.pb")).has_value());
  CHECK(*read_file(path) == *read_file(folder.file("again.pb")));  // INV-SAME
}

TEST_CASE("killed at any byte a calibration goes on with the samples that were whole",
          "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb"), partial = path + ".partial";
  const Material material(3, 1);
  REQUIRE(material.run(path).has_value());
  const std::string finished = *read_file(path);
  REQUIRE(std::filesystem::remove(path));
  const std::string bytes = complete_partial(material, path);

  std::size_t most = 0;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    INFO("cut at " << cut << " of " << bytes.size());
    test::overwrite(partial, bytes.substr(0, cut));
    {
      Expected<CalibrationWriter> writer = CalibrationWriter::open(path, material.design, "a test");
      REQUIRE(writer.has_value());
      // A prefix of the samples is there: never a later one without an earlier one.
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(writer->has(material.sessions[i].key) == (i < writer->sessions()));
      CHECK(writer->resumed() == writer->sessions() + writer->operators());
      CHECK(writer->resumed() >= most);  // what was on disk once is not lost by a later cut
      CHECK(writer->resumed() <= most + 1);
      most = std::max(most, writer->resumed());
    }
    if (cut % 16 != 0 && cut != bytes.size()) continue;  // the rest waits for the disk
    REQUIRE(material.run(path).has_value());
    CHECK(*read_file(path) == finished);  // INV-RESUME: killed and resumed = never killed
    REQUIRE(std::filesystem::remove(path));
  }
  CHECK(most == 4);
}

TEST_CASE("a torn end may be zeros or half written, but damage before it is an error",
          "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb"), partial = path + ".partial";
  const Material material(4);
  const std::string bytes = complete_partial(material, path);
  std::vector<std::size_t> frames;  // where each begins, and the end
  for (std::size_t at = bytes.find("\x28\xB5\x2F\xFD"); at != std::string::npos;
       at = bytes.find("\x28\xB5\x2F\xFD", at + 1)) {
    frames.push_back(at);
  }
  REQUIRE(frames.size() == 6);  // header and design, four samples, footer
  const std::size_t last = frames[4];

  std::string zeros = bytes.substr(0, last) + std::string(300, '\0');
  std::string half = bytes.substr(0, frames[5]);
  for (std::size_t at = last + 40; at < half.size(); ++at) half[at] = '\0';
  for (const std::string& torn : {zeros, half}) {
    test::overwrite(partial, torn);
    Expected<CalibrationWriter> writer = CalibrationWriter::open(path, material.design, "a test");
    REQUIRE(writer.has_value());
    CHECK(writer->sessions() == 3);
    CHECK(writer->bytes_dropped() == torn.size() - last);
    CHECK(std::filesystem::file_size(partial) == last);
  }

  Rng rng(3, "tests.calibration");
  for (std::size_t at = 0; at < last; ++at) {
    INFO("changed at " << at);
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << rng.below(8)));
    test::overwrite(partial, changed);
    const Expected<CalibrationWriter> writer =
        CalibrationWriter::open(path, material.design, "a test");
    if (writer) {  // zstd has bits that mean nothing; then nothing may be lost
      CHECK(writer->sessions() == 4);
    } else {
      CHECK(writer.error().message.find("offset") != std::string::npos);
      CHECK(*read_file(partial) == changed);  // it was left as it was
    }
  }
}

TEST_CASE("a writer killed by SIGKILL leaves what it had appended", "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb");
  const Material material(40);
  Rng rng(4, "tests.calibration");
  std::size_t before = 0;
  for (int round = 0; round < 5; ++round) {
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // tells of each sample once it is on disk; no Catch2 in here
      Expected<CalibrationWriter> writer = CalibrationWriter::open(path, material.design, "a test");
      if (!writer) ::_exit(1);
      for (const SessionSample& sample : material.sessions) {
        if (writer->has(sample.key)) continue;
        if (!writer->append(sample) || ::write(pipe_ends[1], "x", 1) != 1) ::_exit(1);
      }
      ::pause();
    }
    ::close(pipe_ends[1]);
    char told = 0;
    const std::uint64_t wanted = 1 + rng.below(6);
    for (std::uint64_t i = 0; i < wanted; ++i) REQUIRE(::read(pipe_ends[0], &told, 1) == 1);
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    std::size_t appended = wanted;
    while (::read(pipe_ends[0], &told, 1) == 1) ++appended;
    ::close(pipe_ends[0]);
    const Expected<Calibration> there = read_partial_calibration(path + ".partial");
    REQUIRE(there.has_value());
    CHECK(there->sessions.size() >= before + appended);
    CHECK(there->sessions.size() <= before + appended + 1);
    before = there->sessions.size();
  }
  REQUIRE(material.run(path).has_value());
  CHECK((read_calibration(path)->sessions == material.sessions));
}

TEST_CASE("a run goes on only with the design it was begun with", "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb"), partial = path + ".partial";
  const Material material(1);
  {
    Expected<CalibrationWriter> writer = CalibrationWriter::open(path, material.design, "a test");
    REQUIRE(writer.has_value());
    REQUIRE(writer->append(material.sessions[0]).has_value());
    CHECK(CalibrationWriter::open(path, material.design, "a test").error().message ==
          partial + ": another process is writing it");
  }
  const auto difference = [&](auto change) {
    CalibrationDesign design = material.design;
    change(design);
    const Expected<CalibrationWriter> writer = CalibrationWriter::open(path, design, "a test");
    REQUIRE_FALSE(writer.has_value());
    const std::string& message = writer.error().message;
    const std::string head = partial + ": was begun with another design: ";
    const std::size_t end = message.find("; go on with that one");
    REQUIRE(message.starts_with(head));
    REQUIRE(end != std::string::npos);
    return message.substr(head.size(), end - head.size());
  };
  CHECK(difference([](CalibrationDesign& design) { design.seed = 8; }) ==
        "seed is 7 there and 8 here");
  CHECK(difference([](CalibrationDesign& design) { design.device.threads = 4; }) ==
        "device.threads is 2 there and 4 here");
  CHECK(difference([](CalibrationDesign& design) {
          design.methods[1].parameters[1].second = "2048";
        }) == "methods[1].parameters[1].value is \"1024\" there and \"2048\" here");
  CHECK(difference([](CalibrationDesign& design) { design.modes.pop_back(); }) ==
        "modes has 2 entries there and 1 here");
  CHECK(difference([](CalibrationDesign& design) {
          design.modes[0] = SessionMode::kMultiRequest;
        }) == "modes[0] is MULTI_TURN there and MULTI_REQUEST here");
  CHECK(difference([](CalibrationDesign& design) { design.golden_answers = false; }) ==
        "golden_answers is true there and false here");

  REQUIRE(material.run(path).has_value());
  CHECK(material.run(path).error().message ==
        path +
            ": is there already; a calibration is never written over: remove it or name "
            "another file");
}

TEST_CASE("a partial file that is not a calibration is refused and left alone",
          "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb"), partial = path + ".partial";
  const auto refused = [&](const std::string& bytes) {
    test::overwrite(partial, bytes);
    const Expected<CalibrationWriter> writer =
        CalibrationWriter::open(path, test::some_design(), "a test");
    REQUIRE_FALSE(writer.has_value());
    CHECK(*read_file(partial) == bytes);
    return writer.error().message;
  };
  CHECK(refused("my notes") ==
        partial + ": no frame begins at offset 0; it is not a file of SCSim");
  CHECK(refused("my") ==
        partial +
            ": ends at offset 2 in the middle of a frame (the one at offset 0); the file "
            "was cut or changed");
  proto::CalibrationRecord header;
  header.mutable_header()->set_format("scsim.trace");
  write_raw(folder.file("trace"), {header});
  CHECK(refused(*read_file(folder.file("trace"))) ==
        partial + ": is a file of format \"scsim.trace\"; expected \"scsim.calibration\"");
}

TEST_CASE("a finished calibration cut or changed anywhere is an error that names the offset",
          "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb"), broken = folder.file("broken.pb");
  const Material material(2, 1);
  REQUIRE(material.run(path).has_value());
  const std::string bytes = *read_file(path);
  Rng rng(5, "tests.calibration");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    INFO("at " << at);
    test::overwrite(broken, bytes.substr(0, at));
    CHECK(error_of(broken).find(at == 0 ? "is empty" : "offset") != std::string::npos);
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << rng.below(8)));
    test::overwrite(broken, changed);
    const Expected<Calibration> read = read_calibration(broken);
    if (read) {  // zstd has bits that mean nothing
      CHECK((read->sessions == material.sessions));
    } else {
      CHECK(read.error().message.find("offset") != std::string::npos);
    }
  }
}

TEST_CASE("what cannot be true of a calibration is refused by name", "[traces][calibration]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("cal.pb"), other = folder.file("other.pb");
  REQUIRE(Material(1, 1).run(path).has_value());
  const std::vector<proto::CalibrationRecord> records = read_raw(path);
  REQUIRE(records.size() == 5);
  const auto error_with = [&](std::size_t record, auto change) {
    std::vector<proto::CalibrationRecord> changed = records;
    change(changed[record]);
    write_raw(other, changed);
    const std::string error = error_of(other);
    const std::string head = other + ": frame at offset 0: ";
    return error.starts_with(head) ? error.substr(head.size()) : error;
  };
  using Record = proto::CalibrationRecord;
  CHECK(error_with(0, [](Record&) {}) == "no error");
  CHECK(error_with(0, [](Record& r) {
          r.mutable_header()->set_version(kCalibrationVersion + 1);
        }) == other + ": made by a newer SCSim (format version 2; this one reads up to 1)");
  CHECK(error_with(1, [](Record& r) { r.clear_record(); }) == "no design follows the header");
  CHECK(error_with(1, [](Record& r) { r.mutable_design()->set_turns(-1); }) ==
        "the design has a negative number of turns, sessions, repeats or tokens");
  const std::string unknown_place =
      "a sample of a session, method, task, mode or length that is not in the design";
  CHECK(error_with(2, [](Record& r) { r.mutable_session()->mutable_key()->set_method(2); }) ==
        unknown_place);
  CHECK(error_with(2, [](Record& r) { r.mutable_session()->mutable_key()->set_session(-1); }) ==
        unknown_place);
  const auto turn = [](Record& r) { return r.mutable_session()->mutable_turns(0); };
  CHECK(error_with(2, [&](Record& r) { turn(r)->set_score_strict(1.5); }) ==
        "a score that is not in 0..1");
  CHECK(error_with(2, [&](Record& r) { turn(r)->set_score_compat(std::nan("")); }) ==
        "a score that is not in 0..1");
  CHECK(error_with(2, [&](Record& r) { turn(r)->set_output_tokens(-3); }) ==
        "a turn with a count or a time that is negative or no number");
  CHECK(error_with(2, [&](Record& r) {
          turn(r)->mutable_cost()->mutable_stages(0)->set_seconds(-1);
        }) == "a cost that is negative or no number");
  CHECK(error_with(2, [&](Record& r) {
          turn(r)->mutable_cost()->mutable_stages(0)->set_stage(
              static_cast<proto::CalibrationStage>(7));
        }) == "a stage that this version does not know");
  CHECK(error_with(2, [&](Record& r) {
          turn(r)->set_compared_tokens(3);
          turn(r)->set_agreed_tokens(4);
        }) == "an agreement of more tokens than were compared");
  CHECK(error_with(3, [](Record& r) { r.mutable_operator_sample()->set_seconds(0, -1); }) ==
        "a sample of an operator with a number that is negative or none");
  CHECK(error_with(3, [](Record& r) { r.clear_record(); }) ==
        "a record of a kind this version does not know");
  CHECK(error_with(4, [](Record& r) { r.mutable_footer()->set_requests(1); }) ==
        "the footer counts 4 records with 1 samples, but the file has 4 with 2");
}

TEST_CASE("a prediction is cut between characters and says by how much", "[traces][calibration]") {
  TurnSample turn;
  keep_prediction("abc", 3, turn);
  CHECK(turn.prediction == "abc");
  CHECK(turn.prediction_bytes_cut == 0);
  keep_prediction("aé漢", 100, turn);
  CHECK(turn.prediction == "aé漢");
  keep_prediction("aé漢", 5, turn);  // 1 + 2 + 3 bytes
  CHECK(turn.prediction == "aé");
  CHECK(turn.prediction_bytes_cut == 3);
  keep_prediction("aé", 2, turn);
  CHECK(turn.prediction == "a");
  CHECK(turn.prediction_bytes_cut == 2);
  keep_prediction("", 0, turn);
  CHECK(turn.prediction.empty());
  CHECK(turn.prediction_bytes_cut == 0);
}

TEST_CASE("the key of an operator tells shapes apart", "[traces][calibration]") {
  OperatorSample sample = test::some_operator(0);
  CHECK(operator_key(sample) ==
        "attention_decode [cpu avx2, float32] new=2x1 cached=512,1024 query_heads=4 kv_heads=2 "
        "head_dim=16 block_tokens=16");
  std::set<std::string> keys{operator_key(sample)};
  const auto differs = [&](auto change) {
    OperatorSample changed = sample;
    change(changed);
    CHECK(keys.insert(operator_key(changed)).second);
  };
  differs([](OperatorSample& s) { s.cached_tokens = {1024, 512}; });
  differs([](OperatorSample& s) { s.new_tokens = {1}; });
  differs([](OperatorSample& s) { s.implementation = "plain"; });
  differs([](OperatorSample& s) { s.type = "bfloat16"; });
  differs([](OperatorSample& s) { s.kv_heads = 4; });
  differs([](OperatorSample& s) { s.dimensions[0].second = 32; });
  sample.seconds = {1.0};
  CHECK_FALSE(keys.insert(operator_key(sample)).second);  // what was measured is not part of it
}

}  // namespace scsim
