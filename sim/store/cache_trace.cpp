#include "sim/store/cache_trace.h"

namespace scsim::sim {

Expected<CacheTrace> CacheTrace::open(const std::string& path, const CacheKeeping& keeping,
                                      TokenPaths& paths) {
  auto reader = TraceReader::open(path);
  if (!reader) return reader.error();
  return CacheTrace(*std::move(reader), keeping, paths);
}

Expected<bool> CacheTrace::next(CacheRequest& request) {
  const Expected<bool> more = reader_.next(request_);
  if (!more || !*more) return more;
  const std::int64_t answer = keeping_.outputs ? request_.output_tokens.value() : 0;
  // One model's KV is of no use to another.
  const std::uint64_t tenant = keeping_.isolate_tenants ? request_.tenant.value() + 1 : 0;
  const std::uint64_t salt = (static_cast<std::uint64_t>(request_.model.value()) << 32) + tenant;
  request.path = paths_->make(request_.prompt, request_.output, answer, salt);
  request.kept_tokens = paths_->tokens(request.path);
  request.prompt_tokens = request.kept_tokens - answer;
  request.use = {request_.earliest, static_cast<std::uint32_t>(request_.tenant.value()),
                 request_.id.value()};
  return true;
}

}  // namespace scsim::sim
