#include "traces/file_header.h"

#include "traces/text.h"

namespace scsim {

proto::FileHeader to_file_header(const TraceHeader& header, std::string_view format,
                                 std::uint32_t version) {
  proto::FileHeader message;
  message.set_format(std::string(format));
  message.set_version(version);
  message.set_tool_version(valid_utf8(header.tool_version));
  message.set_made_by(valid_utf8(header.made_by));
  message.set_name(valid_utf8(header.name));
  message.set_seed(header.seed);
  message.set_notes(valid_utf8(header.notes));
  return message;
}

TraceHeader from_file_header(const proto::FileHeader& header) {
  return TraceHeader{header.tool_version(), header.made_by(), header.name(), header.seed(),
                     header.notes()};
}

Expected<void> check_file_header(const proto::FileHeader& header, std::string_view format,
                                 std::uint32_t newest, const std::string& path) {
  if (header.format() != format) {
    return Error{path + ": is a file of format " + json_quote(header.format()) + "; expected " +
                 json_quote(format)};
  }
  if (header.version() > newest) {
    return Error{path + ": made by a newer SCSim (format version " +
                 std::to_string(header.version()) + "; this one reads up to " +
                 std::to_string(newest) + ")"};
  }
  return {};
}

}  // namespace scsim
