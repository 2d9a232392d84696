// The points of a study in one SQLite file, a transaction each, so that a study killed at any
// moment goes on where it was, is extended by more levels and replicates, and is asked with SQL.
//
//   points  the levels by name (numbers as numbers), replicate, every metric, verdict, bottleneck,
//           honesty, error
//   wall    the seconds that points took: alone apart from what is the same whoever ran it
//   levels, files, study   what the points rest on; a study that does not fit them is refused
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/study/design.h"
#include "analysis/study/job.h"
#include "traces/expected.h"

struct sqlite3;

namespace scsim::analysis {

class StudyDatabase {
 public:
  static constexpr const char* kFormat = "1";
  static constexpr const char* kTexts[] = {"verdict", "bottleneck", "honesty", "error"};

  // Makes the file, or takes the one that is there if the study fits it: the same axes, common keys
  // and files, and levels that mean what they meant. ":memory:" is kept nowhere.
  static Expected<StudyDatabase> open(const std::string& path, const Study& study);
  StudyDatabase(StudyDatabase&&) noexcept = default;
  StudyDatabase& operator=(StudyDatabase&&) noexcept = default;
  ~StudyDatabase() = default;

  // Of the points given, those that are there, by their place in `points`.
  Expected<std::map<std::size_t, JobResult>> read(const Study& study,
                                                  const std::vector<Point>& points) const;
  // On the disk when it returns, as far as a killed process is concerned.
  Expected<void> add(const Study& study, const Point& point, const JobResult& result);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  StudyDatabase(std::string path, std::unique_ptr<sqlite3, Close> database)
      : path_(std::move(path)), database_(std::move(database)) {}
  Expected<void> create(const Study& study);
  Expected<void> check(const Study& study);
  Expected<void> note(const Study& study);  // levels and files that are new

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace scsim::analysis
