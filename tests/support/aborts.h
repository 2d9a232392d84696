// Whether a call ends the process by a failed check, as our own mistakes must (traces/check.h).
//
//   CHECK(aborts([&] { queue.schedule_at(past, phase, event); }));
//
// The call is made in a forked child, so what it does to the test's objects is not seen here.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace scsim::test {

template <class F>
bool aborts(F call) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Catch2 would report the child's end as ours
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    call();
    _exit(0);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace scsim::test
