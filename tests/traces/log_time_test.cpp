#include "traces/log_time.h"

#include <catch2/catch.hpp>

namespace scsim {
namespace {

std::int64_t time_of(std::string_view text, TimeUnit unit = TimeUnit::kSeconds) {
  Expected<std::int64_t> time = parse_log_time(text, unit);
  INFO(text);
  REQUIRE(time.has_value());
  return *time;
}

TEST_CASE("times that are numbers keep every digit", "[traces][import]") {
  CHECK(time_of("0") == 0);
  CHECK(time_of("61.114") == 61'114'000'000);
  CHECK(time_of("1700000000.123456789") == 1'700'000'000'123'456'789);
  CHECK(time_of("1700000000.1234567894") == 1'700'000'000'123'456'789);
  CHECK(time_of("-2.5") == -2'500'000'000);
  CHECK(time_of("3.") == 3'000'000'000);
  CHECK(time_of("27000", TimeUnit::kMilliseconds) == 27'000'000'000);
  CHECK(time_of("1760428436442742", TimeUnit::kMicroseconds) == 1'760'428'436'442'742'000);
  CHECK(time_of("5", TimeUnit::kNanoseconds) == 5);
  CHECK(time_of("1.5e3", TimeUnit::kMilliseconds) == 1'500'000'000);
}

TEST_CASE("times in iso 8601 are utc unless they say otherwise", "[traces][import]") {
  CHECK(time_of("1970-01-01T00:00:00Z") == 0);
  CHECK(time_of("1970-01-02 00:00") == 86'400'000'000'000);
  CHECK(time_of("2024-02-29T12:00:00.5Z") - time_of("2024-02-28T12:00:00Z") == 86'400'500'000'000);
  CHECK(time_of("2023-11-16 18:17:03.9799600") == 1'700'158'623'979'960'000);
  CHECK(time_of("2024-05-10T02:00:00+02:00") == time_of("2024-05-10T00:00:00Z"));
  CHECK(time_of("2024-05-09T19:30:00-0430") == time_of("2024-05-10T00:00:00Z"));
  CHECK(time_of("1969-12-31T23:59:59Z") == -1'000'000'000);
}

TEST_CASE("what is no time is refused", "[traces][import]") {
  for (const char* text : {"", " ", "now", "12:30", "1,5", "1.2.3", "--1", "0x10", "1e400", "nan",
                           "99999999999999999999", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z",
                           "2024-01-01", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00ZZ",
                           "2024-01-01T00:00:00+1", "9999-01-01T00:00:00Z"}) {
    INFO(text);
    CHECK_FALSE(parse_log_time(text, TimeUnit::kSeconds).has_value());
  }
  CHECK(parse_time_unit("sec").error().message.starts_with("unknown unit of time \"sec\""));
}

}  // namespace
}  // namespace scsim
