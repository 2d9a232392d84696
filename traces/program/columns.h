// Text in two columns, the second wrapped at 100 characters.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace scsim::program {

using Row = std::pair<std::string, std::string>;

std::string two_columns(const std::vector<Row>& rows);

// "a, b, c"
std::string comma_separated(const std::vector<std::string>& words);

}  // namespace scsim::program
