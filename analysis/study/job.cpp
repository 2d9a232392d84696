#include "analysis/study/job.h"

#include <chrono>

#include "analysis/study/metrics.h"
#include "analysis/summary.h"
#include "sim/simulation.h"
#include "traces/proto/cluster.pb.h"
#include "traces/proto/study.pb.h"

namespace scsim::analysis {
namespace {

Expected<Result> simulate(const Job& job, const sim::Cluster& cluster, Workloads& workloads) {
  auto reader = workloads.open(job.inputs.workload, job.requests);
  if (!reader) return reader.error();
  return sim::simulate(*reader, cluster, {});
}

void fill(const Job& job, Workloads& workloads, JobResult& into) {
  const auto cluster = job.inputs.resolve();
  if (!cluster) {
    into.error = cluster.error().message;
    return;
  }
  const auto result = simulate(job, *cluster, workloads);
  if (!result) {
    into.error = result.error().message;
    return;
  }
  SummaryOptions options;
  options.warm_up = job.warm_up;
  const Summary summary = summarise(*result, options);
  for (const Metric& metric : metric_table())
    into.metrics.push_back(metric.value({*result, summary, *cluster}));
  into.verdict = kLoadNames[static_cast<std::size_t>(summary.verdict.load)];
  into.bottleneck = kBottleneckNames[static_cast<std::size_t>(summary.bottleneck.what)];
  for (const std::string& line : summary.honesty)
    into.honesty += (into.honesty.empty() ? "" : "\n") + line;
}

}  // namespace

JobResult run_job(const Job& job, Workloads& workloads) {
  const auto start = std::chrono::steady_clock::now();
  JobResult result;
  fill(job, workloads, result);
  result.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::string to_bytes(std::uint64_t number, const Job& job) {
  proto::StudyJob message;
  message.set_number(number);
  message.set_cluster(job.inputs.cluster->SerializeAsString());
  const Workload& workload = job.inputs.workload;
  message.set_trace(workload.trace);
  if (workload.seed) message.set_seed(*workload.seed);
  message.set_load(workload.load);
  message.set_replicate(workload.replicate);
  message.set_warm_up(job.warm_up);
  if (job.inputs.profile) message.set_profile(job.inputs.profile->path);
  if (job.requests) message.set_requests(*job.requests);
  return message.SerializeAsString();
}

std::uint64_t number_of_job(const std::string& bytes) {
  proto::StudyJob message;
  SCSIM_CHECK(message.ParseFromString(bytes));
  return message.number();
}

Expected<NumberedJob> job_from(const std::string& bytes, Profiles& profiles) {
  proto::StudyJob message;
  SCSIM_CHECK(message.ParseFromString(bytes));
  auto cluster = std::make_shared<proto::ClusterConfig>();
  SCSIM_CHECK(cluster->ParseFromString(message.cluster()));
  NumberedJob job;
  job.number = message.number();
  job.job.inputs.cluster = std::move(cluster);
  auto profile = profiles.read(message.profile());
  if (!profile) return profile.error();
  job.job.inputs.profile = *std::move(profile);
  Workload& workload = job.job.inputs.workload;
  workload.trace = message.trace();
  if (message.has_seed()) workload.seed = message.seed();
  workload.load = message.load();
  workload.replicate = message.replicate();
  job.job.warm_up = message.warm_up();
  if (message.has_requests()) job.job.requests = message.requests();
  return job;
}

std::string to_bytes(std::uint64_t number, const JobResult& result) {
  proto::StudyJobResult message;
  message.set_number(number);
  for (const double value : result.metrics) message.add_metrics(value);
  message.set_verdict(result.verdict);
  message.set_bottleneck(result.bottleneck);
  message.set_honesty(result.honesty);
  message.set_error(result.error);
  message.set_wall_s(result.wall_s);
  return message.SerializeAsString();
}

NumberedResult result_from(const std::string& bytes) {
  proto::StudyJobResult message;
  SCSIM_CHECK(message.ParseFromString(bytes));
  NumberedResult result;
  result.number = message.number();
  result.result.metrics.assign(message.metrics().begin(), message.metrics().end());
  result.result.verdict = message.verdict();
  result.result.bottleneck = message.bottleneck();
  result.result.honesty = message.honesty();
  result.result.error = message.error();
  result.result.wall_s = message.wall_s();
  return result;
}

}  // namespace scsim::analysis
