// What a study's file keeps, and which studies it takes.
#include "analysis/study/database.h"

#include "analysis/study/metrics.h"
#include "analysis/study/sqlite.h"
#include "tests/analysis/study/small_study.h"

namespace scsim::test {
namespace {

using analysis::JobResult;
using analysis::StudyDatabase;

const std::string kTwoLoads = "vary:\n- {key: load, values: [1, 2]}\n";

TEST_CASE("what was added is read back, bit for bit", "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(kTwoLoads + "- {key: \"pools[0].gpus\", values: [1, 2]}\n");
  const auto points = study.points();
  const auto results = run_all(study, 2);
  const std::string path = small.file("d.sqlite");
  {
    auto database = StudyDatabase::open(path, study);
    REQUIRE(database);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(database->add(study, points[i], results[i]));
  }
  const auto again = StudyDatabase::open(path, study);
  REQUIRE(again);
  const auto read = again->read(study, points);
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  for (const auto& [place, result] : *read) {
    CHECK(same(result, results[place]));
    CHECK(result.wall_s == results[place].wall_s);
  }
}

TEST_CASE("more levels and replicates find what is there; SQL compares levels as numbers",
          "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(kTwoLoads);
  const std::string path = small.file("d.sqlite");
  const auto results = run_all(study, 1);
  {
    auto database = StudyDatabase::open(path, study);
    for (std::size_t i = 0; i < 2; ++i)
      REQUIRE(database->add(study, study.points()[i], results[i]));
  }
  const auto larger = small.study("replicates: 2\nvary:\n- {key: load, values: [10, 2, 1]}\n");
  auto database = StudyDatabase::open(path, larger);
  REQUIRE(database);
  const auto read = database->read(larger, larger.points());
  REQUIRE(read->size() == 2);
  CHECK(same(read->at(2), results[1]));  // load 2, replicate 0
  CHECK(same(read->at(4), results[0]));

  sqlite3* raw = nullptr;
  sqlite3_open(path.c_str(), &raw);
  {
    analysis::Statement select(raw, path,
                               "SELECT count(*), sum(requests) FROM points WHERE load < 10");
    REQUIRE(*select.next());
    CHECK(select.integer(0) == 2);
    CHECK(select.real(1) > 0);
  }
  sqlite3_close(raw);
}

TEST_CASE("a study that does not fit the file is refused, and told what differs",
          "[analysis][study]") {
  const SmallStudies small;
  const std::string path = small.file("d.sqlite");
  REQUIRE(StudyDatabase::open(path, small.study(kTwoLoads)));
  const auto refused = [&](const std::string& text, const std::string& message) {
    const auto opened = StudyDatabase::open(path, small.study(text));
    REQUIRE(!opened);
    CHECK_THAT(opened.error().message, Catch::Contains(message));
  };
  refused("vary: [{key: \"pools[0].gpus\", values: [1]}]\n",
          "it varies load, this one pools[0].gpus");
  refused("set: [\"pools[0].gpus=4\"]\n" + kTwoLoads, "\"gpus: 8\" there, \"gpus: 4\" here");
  refused("warm_up: 20 %\n" + kTwoLoads, "\"warm_up: 0.1\" there");
  refused("vary:\n- name: load\n  cases: [{name: 1, set: [\"load=3\"]}]\n", "sets other keys");
  overwrite(small.file("recipe.yaml"), "requests: 61\narrivals: {rate: 4}\nplain: {}\n");
  refused(kTwoLoads, "recipe.yaml has other bytes");

  overwrite(small.file("note.txt"), "a text of some length that is no database at all");
  const auto text = StudyDatabase::open(small.file("note.txt"), small.study(""));
  REQUIRE(!text);
  CHECK_THAT(text.error().message, Catch::Contains("note.txt"));
}

}  // namespace
}  // namespace scsim::test
