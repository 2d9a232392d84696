// Which family a template belongs to, told from its text.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "exec/text/chat_template.h"

namespace scsim::exec {

std::optional<ChatTemplate::Shape> recognise_shape(std::string_view jinja);
std::vector<ChatTemplate::Shape> known_shapes();  // one of each name

}  // namespace scsim::exec
