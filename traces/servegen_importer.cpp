// ServeGen: not a log but what production logs were like, client by client. The requests are drawn
// from it, the same ones for the same seed; each client is a tenant.
//
// Gaps between a client's requests are a renewal process in operational time, which runs at the
// client's rate: the expected number of requests in every bin is exactly rate times length, and the
// gaps are as bursty as the bin's shape says. (The published scale is not used: it is that of the
// bin's gaps, which do not fill the bin where the client fell silent.) The first gap is what is
// left of one that had begun before. ServeGen itself stretches each bin's gaps to fill the bin.
#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "traces/hash.h"
#include "traces/log_import.h"
#include "traces/math.h"
#include "traces/rng.h"
#include "traces/servegen_clients.h"
#include "traces/text.h"

namespace scsim {
namespace {

using Bin = ServeGenClient::Bin;
using Window = ServeGenClient::Window;

// Gaps of mean 1.
double draw_gap(const Bin& bin, Rng& rng) {
  if (!bin.weibull) return rng.gamma(bin.shape, 1 / bin.shape);
  return rng.weibull(bin.shape, stable_exp(-stable_lgamma(1 + 1 / bin.shape)));
}

// What is left of the gap that holds a random instant: a uniform part of a gap that is drawn with a
// weight of its length (for Gamma that is Gamma of shape + 1; for Weibull a power of a Gamma).
double draw_rest_of_gap(const Bin& bin, Rng& rng) {
  const double inverse = 1 / bin.shape;
  const double gap = bin.weibull ? stable_exp(-stable_lgamma(1 + inverse)) *
                                       stable_pow(rng.gamma(1 + inverse, 1), inverse)
                                 : rng.gamma(bin.shape + 1, inverse);
  return rng.uniform() * gap;
}

// The arrivals of one client, one after another.
class Arrivals {
 public:
  Arrivals(const ServeGenClient& client, double start_s, double end_s, double scale, Rng rng)
      : client_(client), end_s_(end_s), scale_(scale), rng_(rng), now_s_(start_s) {}

  // Goes to the next arrival; false if there is none before the end.
  bool next() {
    bool drawn = false;
    double gap = 0;  // left, in operational time
    for (; bin_ < client_.bins.size(); ++bin_) {
      const Bin& bin = client_.bins[bin_];
      if (bin.end_s <= now_s_ || bin.rate == 0) continue;
      now_s_ = std::max(now_s_, bin.start_s);
      if (!drawn) gap = first_ ? draw_rest_of_gap(bin, rng_) : draw_gap(bin, rng_);
      drawn = true;
      first_ = false;
      const double rate = bin.rate * scale_;
      const double until_end = (bin.end_s - now_s_) * rate;
      if (gap < until_end) {
        now_s_ += gap / rate;
        return now_s_ < end_s_;
      }
      gap -= until_end;
      now_s_ = bin.end_s;
    }
    return false;
  }
  double now_s() const { return now_s_; }

 private:
  const ServeGenClient& client_;
  double end_s_, scale_;
  Rng rng_;
  double now_s_;
  std::size_t bin_ = 0;
  bool first_ = true;
};

struct Lengths {
  Tokens prompt, output;
};

Expected<Lengths> draw_lengths(const ServeGenClient& client, double time_s, Rng& rng) {
  auto after = std::ranges::upper_bound(client.windows, time_s, {}, &Window::start_s);
  const Window& window = after == client.windows.begin() ? *after : *std::prev(after);
  if (window.prompt.empty() || window.output.empty()) {
    return Error{client.name + ": requests at " + format_shortest(time_s) +
                 " s, but no lengths for them"};
  }
  std::int64_t prompt = window.prompt.draw(rng);
  for (const ServeGenClient::Parts& parts : window.parts) {
    for (std::int64_t left = parts.count.draw(rng); left > 0; --left)
      prompt += parts.tokens.draw(rng);
  }
  const std::int64_t output = window.output.draw(rng);
  return Lengths{Tokens(std::clamp<std::int64_t>(prompt, 1, kMostTokens.value())),
                 Tokens(std::max<std::int64_t>(1, output))};
}

Tokens longest_answer(const std::vector<ServeGenClient>& clients) {
  std::int64_t longest = 1;
  for (const ServeGenClient& client : clients) {
    for (const Window& window : client.windows)
      longest = std::max(longest, window.output.largest());
  }
  return Tokens(longest);
}

struct Settings {
  double start_s = 0, end_s = 0, scale = 1;
  std::uint64_t seed = 0;
};

// Requests of all clients in the order of their times.
Expected<std::uint64_t> write_requests(const std::vector<ServeGenClient>& clients,
                                       const Settings& settings, Tokens max_tokens,
                                       TraceWriter& writer) {
  struct Source {
    TenantId tenant;
    ModelId model;
    Arrivals arrivals;
    Rng lengths;
  };
  std::vector<Source> sources;
  std::map<std::string, ModelId> models;
  using Next = std::pair<double, std::size_t>;  // time, index of the source
  std::priority_queue<Next, std::vector<Next>, std::greater<>> queue;
  for (const ServeGenClient& client : clients) {
    const std::uint64_t number =
        hash_text(client.name);  // so that a client does not depend on the others
    if (!models.contains(client.model)) models[client.model] = writer.add_model(client.model);
    sources.push_back({writer.add_tenant(client.name), models[client.model],
                       Arrivals(client, settings.start_s, settings.end_s, settings.scale,
                                Rng(settings.seed, "import.servegen.arrivals", number)),
                       Rng(settings.seed, "import.servegen.lengths", number)});
    if (sources.back().arrivals.next())
      queue.emplace(sources.back().arrivals.now_s(), sources.size() - 1);
  }

  std::uint64_t requests = 0;
  while (!queue.empty()) {
    const auto [time_s, index] = queue.top();
    queue.pop();
    Source& source = sources[index];
    Expected<Lengths> lengths = draw_lengths(clients[index], time_s, source.lengths);
    if (!lengths) return lengths.error();
    Request request;
    request.tenant = source.tenant;
    request.model = source.model;
    request.session = SessionId(requests++);
    request.arrival = TimePoint(to_duration(Seconds(time_s - settings.start_s)).ns());
    request.earliest = *request.arrival;
    request.prompt = {Span{writer.add_content(lengths->prompt), Tokens(0), lengths->prompt}};
    request.output = writer.add_content(lengths->output);
    request.output_tokens = lengths->output;
    request.max_tokens = std::max(max_tokens, lengths->output);
    writer.add(request);
    if (source.arrivals.next()) queue.emplace(source.arrivals.now_s(), index);
  }
  return requests;
}

// Those of the pool that was asked for, and of them the busiest.
Expected<void> choose_clients(const std::string& pool, std::int64_t most, const Settings& settings,
                              std::vector<ServeGenClient>& clients) {
  std::vector<std::string> pools;
  for (const ServeGenClient& client : clients) {
    if (std::ranges::find(pools, client.model) == pools.end()) pools.push_back(client.model);
  }
  if (!pool.empty()) {
    if (std::ranges::find(pools, pool) == pools.end())
      return Error{"option pool: " + unknown_name("pool", pool, pools)};
    std::erase_if(clients, [&](const ServeGenClient& client) { return client.model != pool; });
  }
  if (most == 0 || most >= std::ssize(clients)) return {};
  std::vector<std::pair<double, std::string>> order;  // busiest first, then by place
  for (const ServeGenClient& client : clients) {
    order.emplace_back(-client.requests_in(settings.start_s, settings.end_s), client.name);
  }
  std::ranges::stable_sort(order, {}, &std::pair<double, std::string>::first);
  order.resize(static_cast<std::size_t>(most));
  std::erase_if(clients, [&](const ServeGenClient& client) {
    return std::ranges::find(order, client.name, &std::pair<double, std::string>::second) ==
           order.end();
  });
  return {};
}

Expected<double> time_option(const ImportOptions& options, const std::string& name, double min) {
  Expected<double> seconds = parse_seconds(options.text(name));
  if (seconds && *seconds >= min) return *seconds;
  return Error{"option " + name + ": expected a time such as \"2 h\", found \"" +
               options.text(name) + "\""};
}

Expected<ImportReport> import_servegen(const ImportInputs& inputs, const ImportOptions& options,
                                       const OpenTrace& open) {
  if (inputs.paths.size() > 1) return Error{inputs.paths[1] + ": one folder or archive at a time"};
  const std::string& path = inputs.paths.front();
  Expected<double> start = time_option(options, "start", 0);
  if (!start) return start.error();
  Expected<double> duration = time_option(options, "duration", 1e-3);
  if (!duration) return duration.error();
  Expected<double> scale = options.number("rate_scale", 0);
  if (!scale) return scale.error();
  Expected<std::int64_t> seed = options.integer("seed", 0);
  if (!seed) return seed.error();
  Expected<std::int64_t> most = options.integer("clients", 0);
  if (!most) return most.error();
  const Settings settings{*start, *start + *duration, *scale, static_cast<std::uint64_t>(*seed)};

  ImportReport report;
  Expected<std::vector<ServeGenClient>> clients =
      read_servegen_clients(path, inputs.strict, report);
  if (!clients) return clients.error();
  Expected<void> chosen = choose_clients(options.text("pool"), *most, settings, *clients);
  if (!chosen) return chosen.error();
  double last_s = 0;
  for (const ServeGenClient& client : *clients) {
    if (!client.bins.empty()) last_s = std::max(last_s, client.bins.back().end_s);
  }
  if (settings.end_s > last_s) {
    return Error{path + ": its rates end at " + format_seconds(last_s) +
                 ", before start + duration = " + format_seconds(settings.end_s)};
  }

  report.assumptions = {
      "drawn from the rates and lengths of " + std::to_string(clients->size()) +
          " clients, each a tenant; lengths of prompt and answer are independent of each other",
      "no two prompts have anything in common: what they have is not published"};
  if (std::ranges::any_of(*clients, [](const ServeGenClient& client) {
        return !client.windows.front().parts.empty();
      })) {
    report.assumptions.push_back(
        "tokens of images, audio and video are tokens of the prompt like others");
  }
  Expected<Tokens> max_tokens =
      max_tokens_of_all(options, longest_answer(*clients), report.assumptions);
  if (!max_tokens) return max_tokens.error();
  Expected<TraceWriter> writer = open(report.assumptions);
  if (!writer) return writer.error();
  Expected<std::uint64_t> requests = write_requests(*clients, settings, *max_tokens, *writer);
  if (!requests) return requests.error();
  if (*requests == 0)
    return Error{path + ": no request from " + format_seconds(settings.start_s) + " to " +
                 format_seconds(settings.end_s)};
  report.requests = *requests;
  if (Expected<void> ok = writer->finish(); !ok) return ok.error();
  return report;
}

}  // namespace

TraceFormat servegen_format() {
  TraceFormat format;
  format.name = "servegen";
  format.sentence =
      "ServeGen's clients, a folder or a .tar.zst of chunk-N-trace.csv and chunk-N-dataset.json: "
      "requests are drawn from them";
  format.source = "github.com/alibaba/ServeGen; Xiang et al., NSDI 2026";
  format.options = {{"start", "0 s", "time of the day at which the trace begins"},
                    {"duration", "1 h", "how long the trace is"},
                    {"rate_scale", "1", "factor on every client's rate"},
                    {"pool", "", "only the clients of this model; default: of all"},
                    {"clients", "0", "only so many clients, the busiest; 0: all"},
                    {"seed", "1", "of times and lengths"},
                    default_max_tokens_option()};
  format.import = import_servegen;
  return format;
}

}  // namespace scsim
