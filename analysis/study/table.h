// What a study found: its points over their replicates, as text, CSV and HTML.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/study/design.h"
#include "analysis/study/job.h"
#include "analysis/study/metrics.h"

namespace scsim::analysis {

// A metric over the replicates of a point.
struct Replicated {
  double mean = 0;                   // NaN unless every replicate has the metric
  std::optional<double> half_width;  // of its 95 % interval (Student's t); absent for one replicate
};

struct StudyRow {
  Point point;                         // of replicate 0
  std::vector<JobResult> results;      // by replicate
  std::vector<Replicated> metrics;     // as in metric_table(); empty where a replicate has an error
  std::vector<Replicated> difference;  // from the first row, replicate by replicate
};

struct StudyTable {
  Study study;
  std::vector<StudyRow> rows;  // in the order of the points
  std::vector<std::size_t> shown;
  std::optional<std::pair<std::size_t, std::size_t>> pareto;  // metrics
  std::vector<std::size_t> front;                             // rows, by the first of these metrics
  // Of all runs; of lines that differ in their numbers alone (by what stands before the colon) the
  // first, with how many runs say the like.
  std::vector<std::string> honesty;
};

// REQUIRES: `results` has one for each of study.points(), in their order.
StudyTable make_table(const Study& study, std::vector<JobResult> results);

// Rows that no other row beats: as good in both metrics and better in one. By the first metric,
// best last. Rows that lack one are left out. Cost O(rows log rows).
std::vector<std::size_t> pareto_front(const std::vector<StudyRow>& rows, std::size_t a,
                                      std::size_t b);

// Mean and Student's interval. REQUIRES: not empty.
Replicated replicated(const std::vector<double>& values);

std::string study_text(const StudyTable& table);
std::string study_csv(const StudyTable& table);   // a line for each run
std::string study_html(const StudyTable& table);  // as analysis/html_report.h

// The level's number, where its name is one ("64 GiB", "50 ms", "4"), for axes of charts.
std::optional<double> level_number(const std::string& name);

}  // namespace scsim::analysis
