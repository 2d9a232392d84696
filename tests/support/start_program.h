// A program of ours as a process of its own, to be killed at some moment.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace scsim::test {

// Starts `program` with these words behind its name; what it prints goes nowhere.
inline pid_t start_silently(const char* program, std::vector<std::string> words) {
  words.insert(words.begin(), program);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int nowhere = open("/dev/null", O_WRONLY);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execv(program, arguments.data());
    _exit(127);
  }
  close(nowhere);
  return child;
}

}  // namespace scsim::test
