// Which of several lettered options an answer means.
//
//   const std::vector<std::string> options = {"London", "Paris", "Rome", "Oslo"};
//   meant_option("The answer is (C), since ...", options)   ->  'C'
//   meant_option("Rome.", options)                          ->  'C'
//   meant_option("A train took him there", options)         ->  none
//
// A careful reader's order, first that applies:
//   1. the prediction is an option's text;
//   2. it begins with a letter set off from what follows: "C", "(c)", "C. Rome", "**C**", "C is";
//      a bare "A" before another word is an article;
//   3. after "answer is", "answer:", "option is" and the like comes an option, by 1, 2 or its text;
//   4. exactly one letter stands in parentheses;
//   5. exactly one option's text occurs as whole words (a text inside another's that occurs, "Ann"
//      in "Ann Lee", is not counted);
//   6. exactly one capital letter of an option stands alone, A and I not counted.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace scsim::exec {

// `options` may be empty: then the letters are A to Z and rules on texts have nothing to say.
std::optional<char> meant_option(std::string_view prediction, std::span<const std::string> options);

// What SCBench makes of a multiple choice, right or wrong, its defects included: `text` is the
// right option's text, `letter` its letter.
bool scbench_choice_is_right(std::string_view prediction, std::string_view text, char letter);

}  // namespace scsim::exec
