#include "exec/engine/trace_arrivals.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::exec {

Expected<TraceArrivals> TraceArrivals::read(const std::string& path, const Encode& encode,
                                            ContentTokens& contents) {
  Expected<TraceReader> reader = TraceReader::open(path);
  if (!reader) return reader.error();
  TraceArrivals all;
  std::vector<std::int64_t> lengths;
  reader->on_content([&](ContentId, Tokens length) { lengths.push_back(length.value()); });
  reader->on_text([&](ContentId content, std::string_view, std::string_view text) {
    all.any_text_ = true;
    std::vector<std::int32_t> tokens = encode(text);
    const auto length = static_cast<std::size_t>(lengths.at(content.value()));
    if (tokens.size() > length) tokens.resize(length);
    contents.set(content, tokens);
  });
  Request request;
  while (true) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    const std::uint64_t number = request.id.value();
    SCSIM_CHECK_EQ(number, all.requests_.size());
    if (request.arrival) {
      all.due_.emplace(*request.arrival, number);
    } else if (request.parents.empty()) {
      all.due_.emplace(std::max(TimePoint() + request.think, request.earliest), number);
    } else {
      for (const RequestId parent : request.parents)
        all.children_[parent.value()].push_back(number);
    }
    all.waiting_.push_back({request.parents.size(), {}});
    all.children_.emplace_back();
    all.requests_.push_back(request);
  }
  all.header_ = reader->header();
  all.tables_ = reader->tables();
  return all;
}

std::optional<TimePoint> TraceArrivals::next() const {
  if (due_.empty()) return std::nullopt;
  return due_.top().first;
}

std::pair<const Request*, TimePoint> TraceArrivals::take() {
  const auto [when, number] = due_.top();
  due_.pop();
  return {&requests_[number], when};
}

void TraceArrivals::ended(RequestId request, TimePoint end) {
  for (const std::uint64_t child : children_[request.value()]) {
    Waiting& waiting = waiting_[child];
    waiting.last_end = std::max(waiting.last_end, end);
    if (--waiting.parents_left > 0) continue;
    const Request& of = requests_[child];
    due_.emplace(std::max(waiting.last_end + of.think, of.earliest), child);
  }
}

}  // namespace scsim::exec
