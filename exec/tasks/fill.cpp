// The number of records is searched between one that fits and one that does not, by the slope
// between the two ends; where records differ too much for that, by halves.
#include "exec/tasks/fill.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {

Expected<std::int64_t> fill(const Fill& what, const GenerateRequest& request,
                            const CountTokens& count) {
  constexpr std::int64_t kEndless = std::int64_t{1} << 40;
  const std::int64_t available = what.available > 0 ? what.available : kEndless;
  if (available < what.least) {
    return Error{what.task + " needs at least " + format_integer(what.least) + " " + what.records +
                 ", and its material has " + format_integer(available)};
  }
  std::int64_t fits = what.least;
  std::int64_t fits_tokens = count(what.build(fits));
  if (fits_tokens > request.tokens) {
    return Error{what.task + " with " + format_integer(request.turns) +
                 " turns needs a context of at least " + format_integer(fits_tokens) + " tokens; " +
                 format_integer(request.tokens) + " were asked for"};
  }
  // The context of `too_many` records is known to be too long, or there are not so many.
  std::int64_t too_many = available + 1, too_many_tokens = 0;
  double per_record = std::max(1.0, static_cast<double>(fits_tokens) / static_cast<double>(fits));
  for (int step = 0; too_many - fits > 1; ++step) {
    const double room = static_cast<double>(request.tokens - fits_tokens);
    std::int64_t guess =
        fits + std::max<std::int64_t>(1, static_cast<std::int64_t>(room / per_record + 0.5));
    if (too_many_tokens > 0 && step > 6) guess = fits + (too_many - fits) / 2;
    guess = std::clamp(guess, fits + 1, too_many - 1);
    const std::int64_t tokens = count(what.build(guess));
    const double slope =
        static_cast<double>(tokens - fits_tokens) / static_cast<double>(guess - fits);
    if (slope > 0) per_record = slope;
    if (tokens <= request.tokens) {
      fits = guess;
      fits_tokens = tokens;
    } else {
      too_many = guess;
      too_many_tokens = tokens;
    }
  }
  if (fits == available &&
      static_cast<double>(fits_tokens) < 0.98 * static_cast<double>(request.tokens)) {
    return Error{what.task + ": all " + format_integer(available) + " " + what.records +
                 " of its material make a context of " + format_integer(fits_tokens) + " tokens; " +
                 format_integer(request.tokens) + " were asked for"};
  }
  return fits;
}

std::vector<std::size_t> packed_order(std::span<const std::int64_t> sizes, std::int64_t room) {
  std::vector<std::size_t> order, others;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] <= room) {
      order.push_back(i);
      room -= sizes[i];
    } else {
      others.push_back(i);
    }
  }
  order.insert(order.end(), others.begin(), others.end());
  return order;
}

Expected<TaskSession> begin_session(std::string_view task, const GenerateRequest& request) {
  if (request.turns < 1 || request.tokens < 1) {
    return Error{std::string(task) + ": turns and tokens must be at least 1, not " +
                 format_integer(request.turns) + " and " + format_integer(request.tokens)};
  }
  TaskSession session;
  session.task = task;
  session.id =
      "seed " + std::to_string(request.seed) + ", session " + std::to_string(request.session);
  return session;
}

Error missing_material(std::string_view task, std::string_view what, std::string_view remedy) {
  return Error{std::string(task) + " is made of " + std::string(what) +
               ", which is not on this machine: " + std::string(remedy)};
}

}  // namespace scsim::exec
