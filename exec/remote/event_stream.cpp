#include "exec/remote/event_stream.h"

#include <utility>

namespace scsim::exec {

std::vector<std::string> EventStream::push(std::string_view bytes) {
  std::vector<std::string> events;
  for (const char c : bytes) {
    if (c != '\n') {
      line_ += c;
      continue;
    }
    take_line(events);
    line_.clear();
  }
  return events;
}

void EventStream::take_line(std::vector<std::string>& events) {
  std::string_view line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    if (has_data_) events.push_back(std::exchange(data_, ""));
    has_data_ = false;
    return;
  }
  if (!line.starts_with("data:")) return;
  line.remove_prefix(5);
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += line;
  has_data_ = true;
}

}  // namespace scsim::exec
