// Those who run jobs: the threads of this process, and under mpirun one on every other rank.
//
//   auto ranks = Ranks::join();
//   Crew crew(**ranks, threads, workloads);
//   if (crew.helps()) return crew.help();          // another rank: until rank 0 is done
//   crew.run(jobs.size(), [&](std::size_t i) { return jobs[i]; },
//            [&](std::size_t i, const JobResult& result) { return database.add(i, result); });
//
// Jobs are handed out one by one to whoever is free, so that long ones hold nobody up. What a job
// gives does not depend on who runs it, nor on the order.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/study/job.h"
#include "analysis/study/ranks.h"

namespace scsim::analysis {

class Crew {
 public:
  // `threads` of this process; with other ranks, one thread on each.
  Crew(Ranks& ranks, int threads, Workloads& workloads);
  ~Crew();  // rank 0: the others stop
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  bool helps() const { return ranks_.rank() > 0; }
  // Runs what rank 0 sends, until it sends no more.
  void help();

  // Runs jobs 0 to count - 1 and hands in every result, in the order they finish, one at a time;
  // the first error that `done` gives ends the run. Cost per job beside its own: some microseconds.
  // REQUIRES: !helps(); called by the thread that made `ranks`.
  Expected<void> run(std::size_t count, const std::function<Job(std::size_t)>& job,
                     const std::function<Expected<void>(std::size_t, const JobResult&)>& done);

 private:
  Ranks& ranks_;
  int threads_;
  Workloads& workloads_;
  std::vector<int> idle_;  // ranks that wait for a job
};

}  // namespace scsim::analysis
