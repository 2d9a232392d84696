// The numbers a text names.
//
//   numbers_in("The 2nd is -1,204.50")  ->  "-1204.5"      (2nd is a word, not a number)
//   leading_integer("about 12.7")       ->  12             (what SCBench makes of a number)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

// Every whole number in decimal, in order: a minus sign that touches no word, digits (with commas
// between groups of three), a fraction. A number that touches a letter is part of a word. Written
// the one way: no "+", no leading zeros, no zeros at the end of the fraction, no "-0".
std::vector<std::string> numbers_in(std::string_view text);

// As SCBench reads the answer of mf: the first run of digits, with its fraction, no sign, cut
// towards zero. None where there is no digit, or where the number is too large for an answer
// (2^63).
std::optional<std::int64_t> leading_integer(std::string_view text);

// As SCBench reads a passkey: the first run of the digits 0-9; empty where there is none.
std::string_view first_digit_run(std::string_view text);

}  // namespace scsim::exec
