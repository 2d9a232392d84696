#include "traces/text.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "traces/rng.h"

namespace scsim {

TEST_CASE("numbers are written for people", "[traces][text]") {
  CHECK(format_integer(0) == "0");
  CHECK(format_integer(999) == "999");
  CHECK(format_integer(12031) == "12,031");
  CHECK(format_integer(-1234567) == "-1,234,567");
  CHECK(format_integer(-123) == "-123");
  CHECK(format_integer(std::numeric_limits<std::int64_t>::min()) == "-9,223,372,036,854,775,808");
  CHECK(format_fixed(0.374, 2) == "0.37");
  CHECK(format_fixed(-0.001, 2) == "0.00");
  CHECK(format_fixed(-0.01, 2) == "-0.01");
  CHECK(format_fixed(1e300, 0).size() == 301);
  CHECK(format_shortest(0.1) == "0.1");
  CHECK(format_percent(0.3731) == "37.3 %");
}

TEST_CASE("a quantity has three digits and the unit that suits it", "[traces][text]") {
  const std::vector<std::pair<double, std::string>> seconds = {{0, "0 s"},
                                                               {12.3e-9, "12.3 ns"},
                                                               {999.9e-9, "1.00 us"},
                                                               {1.5e-6, "1.50 us"},
                                                               {12.34e-3, "12.3 ms"},
                                                               {0.9996, "1.00 s"},
                                                               {1.239, "1.24 s"},
                                                               {59.94, "59.9 s"},
                                                               {59.96, "1 min 00 s"},
                                                               {3599, "59 min 59 s"},
                                                               {3720, "1 h 02 min"},
                                                               {86399, "1 d 00 h"},
                                                               {100 * 3600, "4 d 04 h"},
                                                               {-2, "-2.00 s"}};
  for (const auto& [value, text] : seconds) CHECK(format_seconds(value) == text);
  const std::vector<std::pair<double, std::string>> bytes = {{0, "0 B"},
                                                             {17, "17 B"},
                                                             {1024, "1 KiB"},
                                                             {1.5 * 0x1p30, "1.5 GiB"},
                                                             {80 * 0x1p30, "80 GiB"},
                                                             {1000, "0.98 KiB"},
                                                             {0x1p62, "4096 PiB"},
                                                             {100 * 1024, "100 KiB"}};
  for (const auto& [value, text] : bytes) CHECK(format_bytes(value) == text);
  CHECK(format_rate(12345) == "12.3 k/s");
  CHECK(format_rate(0.5) == "0.50 /s");
  CHECK(format_rate(2.5e6) == "2.50 M/s");
}

TEST_CASE("quantities with units are read", "[traces][text]") {
  CHECK(*parse_integer(" 42 ") == 42);
  CHECK(*parse_double("1e3") == 1000);
  CHECK(*parse_bytes("80 GiB") == 80 * 0x1p30);
  CHECK(*parse_bytes("512MB") == 512e6);
  CHECK(*parse_bytes("4096") == 4096);
  CHECK(*parse_seconds("50 ms") == 0.05);
  CHECK(*parse_seconds("3 us") == 3e-6);
  CHECK(*parse_seconds("1.5 h") == 5400);
  CHECK(*parse_seconds("3 d") == 259200);
  CHECK(*parse_bytes_per_second("3.35 TB/s") == 3.35e12);
  CHECK(*parse_bytes_per_second("400 Gbit/s") == 50e9);
  CHECK(*parse_flops("989 TFLOP/s") == 989e12);
  CHECK(*parse_fraction("90 %") == 0.9);
  CHECK(*parse_fraction("0.9") == 0.9);
}

TEST_CASE("what is not a quantity is refused with what was expected", "[traces][text]") {
  CHECK(parse_integer("12x").error().message ==
        "expected a whole number such as 42, found \"12x\"");
  CHECK(parse_integer("99999999999999999999").error().message ==
        "expected a whole number of at most 64 bits, found \"99999999999999999999\"");
  CHECK(parse_double("").error().message == "expected a number such as 0.5, found \"\"");
  CHECK_FALSE(parse_double("inf").has_value());
  CHECK_FALSE(parse_double("nan").has_value());
  CHECK(parse_bytes("80 Q").error().message ==
        "unknown unit in \"80 Q\"; known: B, KiB, MiB, GiB, TiB, PiB, KB, kB, MB, GB, TB, PB");
  CHECK(parse_seconds("fast").error().message ==
        "expected a time such as \"50 ms\", found \"fast\"");
  CHECK_FALSE(parse_seconds("5 m").has_value());
}

TEST_CASE("the shortest text of a number reads back the same", "[traces][text]") {
  Rng rng(1, "tests.text");
  for (int i = 0; i < 20000; ++i) {
    const double value = rng.normal() * rng.lognormal(1, 50);
    CHECK(*parse_double(format_shortest(value)) == value);
  }
}

TEST_CASE("a mistyped name finds the one that was meant", "[traces][text]") {
  const std::vector<std::string> known = {"replicas", "ttft", "tpot", "model", "max_sequences"};
  CHECK(nearest_name("replicsa", known) == "replicas");
  CHECK(nearest_name("TTFT", known) == "ttft");
  CHECK(nearest_name("max_sequence", known) == "max_sequences");
  CHECK(nearest_name("gpsu", std::vector<std::string>{"gpu", "gpus"}) == "gpus");
  CHECK(nearest_name("gpu", known) == std::nullopt);
  CHECK(nearest_name("", known) == std::nullopt);
  CHECK(unknown_name("policy", "modle", known) ==
        "unknown policy \"modle\"; did you mean \"model\"? known: replicas, ttft, tpot, model, "
        "max_sequences");
  CHECK(unknown_name("policy", "x", {}) == "unknown policy \"x\"; none is known");
}

TEST_CASE("quoted text is valid whatever the bytes", "[traces][text]") {
  CHECK(json_quote("a\"b\\c\n\t\x01") == "\"a\\\"b\\\\c\\n\\t\\u0001\"");
  CHECK(json_quote("h\xC3\xA9") == "\"h\xC3\xA9\"");
  const std::string replacement = "\xEF\xBF\xBD";
  CHECK(valid_utf8("a\xFFz") == "a" + replacement + "z");
  CHECK(valid_utf8("\xE2\x82") == replacement + replacement);  // cut in the middle
  CHECK(valid_utf8("\xED\xA0\x80") == replacement + replacement + replacement);  // a surrogate
  CHECK(valid_utf8("\xF0\x9F\x98\x80") == "\xF0\x9F\x98\x80");
  CHECK(csv_field("plain") == "plain");
  CHECK(csv_field("a,\"b\"") == "\"a,\"\"b\"\"\"");
}

TEST_CASE("split keeps empty parts and trim takes white space off both ends", "[traces][text]") {
  CHECK(split("a,,b,", ',') == std::vector<std::string>{"a", "", "b", ""});
  CHECK(split("", ',') == std::vector<std::string>{""});
  CHECK(trim(" \ta b\r\n") == "a b");
  CHECK(trim(" \n").empty());
}

}  // namespace scsim
