// One run of a study, wherever it is run: a cluster and a workload in, the metrics out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/study/design.h"
#include "analysis/study/workloads.h"

namespace scsim::analysis {

struct Job {
  PointInputs inputs;
  double warm_up = 0.1;
  std::optional<std::uint64_t> requests{};  // of the trace, the first so many; absent: all
};

// A function of the job alone, but for `wall_s`.
struct JobResult {
  std::vector<double> metrics;  // as in metric_table(), NaN: none; empty where there is an error
  std::string verdict, bottleneck;
  std::string honesty;  // the summary's lines
  std::string error;    // why there is no result: what the cluster or the run said
  double wall_s = 0;
};

JobResult run_job(const Job& job, Workloads& workloads);

// As bytes, between processes.
std::string to_bytes(std::uint64_t number, const Job& job);
std::string to_bytes(std::uint64_t number, const JobResult& result);
struct NumberedJob {
  std::uint64_t number = 0;
  Job job;
};
struct NumberedResult {
  std::uint64_t number = 0;
  JobResult result;
};
// The error: its profile cannot be read here.
Expected<NumberedJob> job_from(const std::string& bytes, Profiles& profiles);
std::uint64_t number_of_job(const std::string& bytes);
NumberedResult result_from(const std::string& bytes);

}  // namespace scsim::analysis
