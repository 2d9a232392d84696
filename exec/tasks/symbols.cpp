#include "exec/tasks/symbols.h"

#include "traces/text.h"

namespace scsim::exec {

Turn turn_in_symbols(std::string question, std::vector<std::string> answers) {
  Turn turn;
  turn.question = std::move(question);
  turn.max_new_tokens = -1;  // the spaces between answers
  for (const std::string& answer : answers) turn.max_new_tokens += std::ssize(answer) + 1;
  turn.answers = std::move(answers);
  return turn;
}

PlainText symbols_text(const TaskEntry& task, const Turn& turn) {
  std::string answer = turn.answers.front();
  if (task.released.answers_are_a_list) {
    for (std::size_t i = 1; i < turn.answers.size(); ++i) answer += " " + turn.answers[i];
  }
  return {turn.question, std::move(answer), "", {"?"}};
}

std::string symbol_characters() {
  std::string all = " ,;<=>?_";
  for (char c = '0'; c <= '9'; ++c) all += c;
  for (char c = 'A'; c <= 'Z'; ++c) all += c;
  for (char c = 'a'; c <= 'z'; ++c) all += c;
  return all;
}

}  // namespace scsim::exec
