// Server-sent events, as far as OpenAI's streams use them: lines "data: ...", in pieces that end
// anywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

class EventStream {
 public:
  // The data of the events that are complete now. Comments and other fields are left out; the data
  // lines of one event are joined by newlines.
  std::vector<std::string> push(std::string_view bytes);
  // Whether something stands behind the last complete event.
  bool pending() const { return !line_.empty() || has_data_; }

 private:
  void take_line(std::vector<std::string>& events);

  std::string line_, data_;
  bool has_data_ = false;
};

}  // namespace scsim::exec
