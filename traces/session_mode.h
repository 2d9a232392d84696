// How the requests of a session share its context.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace scsim {

enum class SessionMode : std::uint8_t {
  kMultiTurn,     // turn t sees the context and all earlier turns
  kMultiRequest,  // each request sees the context and its own question only
};
inline constexpr std::array<std::string_view, 2> kSessionModeNames = {"multi_turn",
                                                                      "multi_request"};

}  // namespace scsim
