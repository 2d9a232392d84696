#include "traces/stored_trace.h"

#include <utility>

namespace scsim {

Expected<std::shared_ptr<const StoredTrace>> StoredTrace::load(const std::string& path,
                                                               std::uint64_t most_bytes) {
  auto reader = TraceReader::open(path);
  if (!reader) return reader.error();
  auto stored = std::make_shared<StoredTrace>();
  Request request;
  while (true) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    // Copied, so that it takes no more than it needs.
    stored->requests.push_back(request);
    stored->bytes += sizeof(Request) + request.prompt.size() * sizeof(Span) +
                     request.parents.size() * sizeof(RequestId);
    if (stored->bytes > most_bytes) return std::shared_ptr<const StoredTrace>();
  }
  stored->requests.shrink_to_fit();
  stored->header = reader->header();
  stored->tables = reader->tables();
  return std::shared_ptr<const StoredTrace>(std::move(stored));
}

}  // namespace scsim
