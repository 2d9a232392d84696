#include <zstd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "tests/support/some_trace.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/proto/trace.pb.h"
#include "traces/record_file.h"
#include "traces/rng.h"
#include "traces/trace.h"

namespace scsim {
namespace {

using test::TemporaryFolder;

std::string error_of(const std::string& path) {
  const Expected<std::string> read = test::read_all_text(path);
  return read ? "no error" : read.error().message;
}

// Writes these records behind a header and in front of a footer that counts them.
void write_records(const std::string& path,
                   const std::vector<std::function<void(proto::TraceRecord&)>>& records,
                   std::uint32_t version = 1) {
  Expected<RecordWriter> writer = RecordWriter::create(path);
  REQUIRE(writer.has_value());
  proto::TraceRecord record;
  record.mutable_header()->set_format("scsim.trace");
  record.mutable_header()->set_version(version);
  writer->append(record);
  std::uint64_t requests = 0;
  for (const auto& fill : records) {
    record.Clear();
    fill(record);
    requests += record.has_request() ? 1 : 0;
    writer->append(record);
  }
  record.mutable_footer()->set_records(writer->records());
  record.mutable_footer()->set_requests(requests);
  writer->append(record);
  REQUIRE(writer->finish().has_value());
}

}  // namespace

TEST_CASE("a trace cut at any byte is an error with an offset", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb"), broken = folder.file("broken.pb");
  test::write_some_trace(path, 8);
  const std::string bytes = *read_file(path);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    test::overwrite(broken, bytes.substr(0, cut));
    const std::string error = error_of(broken);
    INFO("cut at " << cut << ": " << error);
    CHECK(error.starts_with(broken + ": "));
    CHECK((cut == 0 || error.find("ends at offset " + std::to_string(cut)) != std::string::npos));
  }
}

TEST_CASE("a trace with any bit flipped is an error, or the same trace", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb"), broken = folder.file("broken.pb");
  test::write_some_trace(path, 8);
  const std::string bytes = *read_file(path), whole = *test::read_all_text(path);
  std::size_t harmless = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    test::overwrite(broken, changed);
    const Expected<std::string> read = test::read_all_text(broken);
    INFO("bit " << bit);
    if (read) {
      ++harmless;
      REQUIRE(*read == whole);
    } else {
      REQUIRE(read.error().message.find("offset") != std::string::npos);
    }
  }
  CHECK(harmless <= 8);  // bits that zstd leaves unused
}

TEST_CASE("frames that were lost, doubled or swapped are noticed", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb"), broken = folder.file("broken.pb");
  Expected<TraceWriter> writer = TraceWriter::create(path, TraceHeader{});
  const ContentId content = writer->add_content(Tokens(1));
  std::vector<std::uint64_t> ends;  // of frames, each of which holds one long text
  for (int i = 0; i < 4; ++i) writer->add_text(content, "", std::string(1 << 20, 'a'));
  REQUIRE(writer->finish().has_value());
  const std::string bytes = *read_file(path);
  for (std::size_t at = bytes.find("\x28\xB5\x2F\xFD", 1); at != std::string::npos;
       at = bytes.find("\x28\xB5\x2F\xFD", at + 1)) {
    ends.push_back(at);
  }
  REQUIRE(ends.size() == 4);  // and the last frame, which holds the footer
  std::vector<std::string> frames = {bytes.substr(0, ends[0])};
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    frames.push_back(bytes.substr(ends[i], ends[i + 1] - ends[i]));
  }
  frames.push_back(bytes.substr(ends.back()));

  const auto error_of_frames = [&](const std::vector<std::size_t>& order) {
    std::string joined;
    for (const std::size_t i : order) joined += frames[i];
    test::overwrite(broken, joined);
    return error_of(broken);
  };
  CHECK(error_of_frames({0, 1, 2, 3, 4}) == "no error");
  CHECK(error_of_frames({0, 1, 2, 3}).find("without a footer; the file was cut") !=
        std::string::npos);
  CHECK(error_of_frames({0, 1, 3, 4}).find("the footer counts") != std::string::npos);
  CHECK(error_of_frames({0, 1, 1, 2, 3, 4}).find("the footer counts") != std::string::npos);
  CHECK(error_of_frames({1, 2, 3, 4}).find("does not begin with a header") != std::string::npos);
  CHECK(error_of_frames({0, 1, 2, 3, 4, 1}).find("something follows the footer") !=
        std::string::npos);
  CHECK(error_of_frames({0, 1, 2, 4, 3}).find("the footer counts") != std::string::npos);
}

TEST_CASE("files of other formats and newer versions are refused by name", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  write_records(path, {}, 7);
  CHECK(error_of(path) ==
        path + ": made by a newer SCSim (format version 7; this one reads up to 1)");
  Expected<RecordWriter> writer = RecordWriter::create(path);
  proto::TraceRecord record;
  record.mutable_header()->set_format("scsim.result");
  record.mutable_header()->set_version(1);
  writer->append(record);
  REQUIRE(writer->finish().has_value());
  CHECK(error_of(path) ==
        path + ": is a file of format \"scsim.result\"; expected \"scsim.trace\"");
}

TEST_CASE("a trace that would mislead whoever simulates it is refused", "[traces][trace]") {
  using Fill = std::function<void(proto::TraceRecord&)>;
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  const std::vector<Fill> tables = {
      [](auto& record) { record.mutable_tenant()->set_name("t"); },
      [](auto& record) { record.mutable_slo()->set_name("s"); },
      [](auto& record) { record.mutable_model()->set_name("m"); },
      [](auto& record) { record.mutable_task()->set_name("k"); },
      [](auto& record) { record.mutable_contents()->add_tokens(100); }};
  // What is wrong with a request that is right but for one change.
  const auto error_with = [&](const std::function<void(proto::Request&)>& change) {
    std::vector<Fill> records = tables;
    records.push_back([&](proto::TraceRecord& record) {
      proto::Request& request = *record.mutable_request();
      request.set_arrival_ns(10);
      request.add_prompt()->set_count(100);
      change(request);
    });
    write_records(path, records);
    const std::string error = error_of(path), where = path + ": frame at offset 0: request 0: ";
    return error.starts_with(where) ? error.substr(where.size()) : error;
  };
  CHECK(error_with([](auto&) {}) == "no error");
  CHECK(error_with([](auto& r) { r.set_tenant(1); }) == "tenant 1 was not declared");
  CHECK(error_with([](auto& r) { r.set_model(2); }) == "model 2 was not declared");
  CHECK(error_with([](auto& r) { r.set_task(3); }) == "task 3 was not declared");
  CHECK(error_with([](auto& r) { r.set_slo(1); }) == "SLO 1 was not declared");
  CHECK(error_with([](auto& r) { r.set_session(~0ull); }) == "it has no session");
  CHECK(error_with([](auto& r) { r.set_turn(1u << 31); }) == "its turn is 2^31 or more");
  CHECK(error_with([](auto& r) { r.add_parents(1); }) == "a parent 1 requests back");
  CHECK(error_with([](auto& r) { r.add_parents(0); }) == "a parent 0 requests back");
  CHECK(error_with([](auto& r) { r.clear_start(); }) ==
        "it has neither an arrival nor a think time");
  CHECK(error_with([](auto& r) { r.set_arrival_ns(1ull << 62); }) == "a time is too late");
  CHECK(error_with([](auto& r) { r.set_think_ns(~0ull); }) == "a time is too late");
  CHECK(error_with([](auto& r) { r.set_cancel_after_ns(~0ull); }) == "a time is too late");
  CHECK(error_with([](auto& r) { r.clear_prompt(); }) == "its prompt is empty");
  CHECK(error_with([](auto& r) { r.add_prompt(); }) == "an empty span");
  CHECK(error_with([](auto& r) { r.mutable_prompt(0)->set_content(1); }) ==
        "content 1 was not declared");
  CHECK(error_with([](auto& r) { r.mutable_prompt(0)->set_first(1); }) ==
        "tokens [1, 1 + 100) are not within content 0");
  CHECK(error_with([](auto& r) { r.mutable_prompt(0)->set_count(~0ull); }).find("not within") !=
        std::string::npos);
  CHECK(error_with([](auto& r) { r.set_output_content(1); }) == "content 1 was not declared");
  CHECK(error_with([](auto& r) {
          r.set_output_content(0);
          r.set_output_tokens(101);
        }) == "tokens [0, 0 + 101) are not within content 0");
  CHECK(error_with([](auto& r) { r.set_max_tokens(1ull << 31); }) ==
        "its output has 2^31 tokens or more");

  std::vector<Fill> records = tables;
  for (const std::uint64_t arrival : {10, 9}) {
    records.push_back([arrival](proto::TraceRecord& record) {
      record.mutable_request()->set_arrival_ns(arrival);
      record.mutable_request()->add_prompt()->set_count(1);
    });
  }
  write_records(path, records);
  CHECK(error_of(path) ==
        path +
            ": frame at offset 0: request 1: it is earlier (9 ns) than the request before it "
            "(10 ns)");

  const auto error_with_entry = [&](const Fill& entry) {
    write_records(path, {entry});
    return error_of(path).substr((path + ": frame at offset 0: ").size());
  };
  CHECK(error_with_entry([](auto& r) { r.mutable_tenant()->set_id(1); }) ==
        "tenant 1 where 0 was expected");
  CHECK(error_with_entry([](auto& r) { r.mutable_contents()->set_first_id(3); }) ==
        "content 3 where 0 was expected");
  CHECK(error_with_entry([](auto& r) { r.mutable_contents()->add_tokens(1ull << 31); }) ==
        "content 0 has 2^31 tokens or more");
  CHECK(error_with_entry([](auto& r) { r.mutable_text()->set_content(5); }) ==
        "text of content 5, which was not declared");
  CHECK(error_with_entry([](auto& r) { r.mutable_header(); }) == "a second header");
  CHECK(error_with_entry([](auto&) {}) == "a record of a kind this version does not know");
}

TEST_CASE("whatever a frame with a right checksum holds, it is a trace or an error",
          "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb"), changed_path = folder.file("changed.pb");
  test::write_some_trace(path, 8);
  const std::string bytes = *read_file(path);
  std::string content(ZSTD_getFrameContentSize(bytes.data(), bytes.size()), '\0');
  REQUIRE(ZSTD_decompress(content.data(), content.size(), bytes.data(), bytes.size()) ==
          content.size());
  ZSTD_CCtx* encoder = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(encoder, ZSTD_c_checksumFlag, 1);
  Rng rng(1, "tests.trace.changed");
  std::size_t errors = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string changed = content;
    for (std::uint64_t count = 1 + rng.below(3); count > 0; --count) {
      changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
    }
    std::string frame(ZSTD_compressBound(changed.size()), '\0');
    frame.resize(
        ZSTD_compress2(encoder, frame.data(), frame.size(), changed.data(), changed.size()));
    test::overwrite(changed_path, frame);
    const Expected<std::string> read = test::read_all_text(changed_path);
    if (read) continue;
    ++errors;
    REQUIRE(read.error().message.starts_with(changed_path + ": "));
  }
  ZSTD_freeCCtx(encoder);
  CHECK(errors > 1000);
}

TEST_CASE("the total of a prompt is limited, not only its spans", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  write_records(
      path,
      {[](auto& record) { record.mutable_tenant(); }, [](auto& record) { record.mutable_slo(); },
       [](auto& record) { record.mutable_model(); }, [](auto& record) { record.mutable_task(); },
       [](auto& record) { record.mutable_contents()->add_tokens(1 << 30); },
       [](auto& record) {
         record.mutable_request()->set_arrival_ns(0);
         for (int i = 0; i < 2; ++i) {
           record.mutable_request()->add_prompt()->set_count(1 << 30);
         }
       }});
  CHECK(error_of(path) ==
        path + ": frame at offset 0: request 0: its prompt has 2^31 tokens or more");
}

}  // namespace scsim
