#include "traces/result.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/traces/some_result.h"
#include "traces/files.h"
#include "traces/proto/result.pb.h"
#include "traces/record_file.h"
#include "traces/trace.h"

namespace scsim {

TEST_CASE("a result reads back with every field it had", "[traces][result]") {
  test::TemporaryFolder folder;
  for (const std::size_t num_requests : {0, 1, 4096, 10'000}) {
    const Result result = some_result(num_requests);
    const std::string path = folder.file("result.pb");
    REQUIRE(write_result(result, path).has_value());
    const Expected<Result> back = read_result(path);
    REQUIRE(back.has_value());
    check_same(*back, result);
    REQUIRE(write_result(*back, folder.file("again.pb")).has_value());
    CHECK(*read_file(path) == *read_file(folder.file("again.pb")));
  }
}

TEST_CASE("a result of a cluster with a store reads back with every field", "[traces][result]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("result.pb");
  for (const std::size_t tiers : {1, 2, 4}) {
    for (const std::size_t num_requests : {0, 1, 4097}) {
      const Result result = with_store(some_result(num_requests), tiers);
      REQUIRE(write_result(result, path).has_value());
      const Expected<Result> back = read_result(path);
      REQUIRE(back.has_value());
      check_same(*back, result);
    }
  }
}

TEST_CASE("a result of pools with roles reads back with every field", "[traces][result]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("result.pb");
  for (const std::size_t num_requests : {0, 1, 4097}) {
    const Result result = with_transfers(some_result(num_requests));
    REQUIRE(write_result(result, path).has_value());
    const Expected<Result> back = read_result(path);
    REQUIRE(back.has_value());
    check_same(*back, result);
  }
}

// What version 1 did not have: tiers, links, fetches, and more than three reasons for an end.
TEST_CASE("a result of version 1 still reads", "[traces][result]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("result.pb"), old_path = folder.file("old.pb");
  Result result = some_result(20);
  for (EngineResult& engine : result.engines) engine.abandoned_loads = 0;
  for (std::size_t reason = 3; reason < kBlockEndNames.size(); ++reason) {
    result.lifetimes.count[reason] = {};
    result.lifetimes.sum_seconds[reason] = 0;
  }
  REQUIRE(write_result(result, path).has_value());

  Expected<RecordReader> reader = RecordReader::open(path);
  Expected<RecordWriter> writer = RecordWriter::create(old_path);
  REQUIRE((reader.has_value() && writer.has_value()));
  proto::ResultRecord record;
  while (!record.has_footer()) {
    const Expected<std::string_view> bytes = reader->next();
    REQUIRE((bytes.has_value() && parse_record(*bytes, record)));
    if (record.has_header()) record.mutable_header()->set_version(1);
    if (record.has_lifetimes()) {
      record.mutable_lifetimes()->mutable_count()->Truncate(3 * LifetimeHistogram::kBins);
      record.mutable_lifetimes()->mutable_sum_seconds()->Truncate(3);
    }
    writer->append(record);
  }
  REQUIRE(writer->finish().has_value());
  const Expected<Result> back = read_result(old_path);
  REQUIRE(back.has_value());
  check_same(*back, result);
}

TEST_CASE("a result with nothing in it reads back", "[traces][result]") {
  test::TemporaryFolder folder;
  REQUIRE(write_result(Result(), folder.file("result.pb")).has_value());
  const Expected<Result> back = read_result(folder.file("result.pb"));
  REQUIRE(back.has_value());
  check_same(*back, Result());
}

TEST_CASE("a result that was cut anywhere is an error", "[traces][result]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("result.pb"), broken = folder.file("broken.pb");
  REQUIRE(write_result(some_result(20), path).has_value());
  const std::string bytes = *read_file(path);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    test::overwrite(broken, bytes.substr(0, cut));
    REQUIRE_FALSE(read_result(broken).has_value());
  }
}

TEST_CASE("a file of another kind or without its end is not a result", "[traces][result]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  Expected<TraceWriter> trace = TraceWriter::create(path, TraceHeader{});
  REQUIRE((trace.has_value() && trace->finish().has_value()));
  CHECK(read_result(path).error().message ==
        path + ": is a file of format \"scsim.trace\"; expected \"scsim.result\"");

  Expected<RecordWriter> writer = RecordWriter::create(path);
  REQUIRE(writer.has_value());
  proto::ResultRecord record;
  record.mutable_header()->set_format("scsim.result");
  record.mutable_header()->set_version(1);
  writer->append(record);
  REQUIRE(writer->finish().has_value());
  CHECK(read_result(path).error().message == path + ": ends at offset " +
                                                 std::to_string(read_file(path)->size()) +
                                                 " without a footer; the file was cut");
}

TEST_CASE("a result whose requests refer to nothing is refused", "[traces][result]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  Result result = some_result(3);
  result.requests[1].engine = 2;
  REQUIRE(write_result(result, path).has_value());
  CHECK(read_result(path).error().message ==
        path + ": frame at offset 0: request " + std::to_string(result.requests[1].request) +
            " refers to a tenant, SLO class, task, engine or outcome that is not there");
}

}  // namespace scsim
