#include "traces/generate.h"

#include <algorithm>
#include <memory>
#include <queue>
#include <tuple>
#include <utility>

#include "traces/generate_draws.h"
#include "traces/generate_recipe.h"
#include "traces/generate_sessions.h"
#include "traces/proto/recipe.pb.h"
#include "traces/text.h"
#include "traces/trace.h"
#include "traces/yaml_message.h"

namespace scsim {
namespace {

struct LiveSession {
  SessionId id;
  std::size_t tenant = 0;
  std::vector<Request> plan;
  std::vector<RequestId> written;  // ids of those of the plan that are in the file
};

// The next start of a session, and the next request of each session alive, in order of time.
// Session starts of one instant go in the order of tenants; requests in the order of sessions.
using NextStart = std::pair<TimePoint, std::size_t>;                // tenant
using NextRequest = std::tuple<TimePoint, SessionId, std::size_t>;  // place in the pool of sessions
template <class T>
using Soonest = std::priority_queue<T, std::vector<T>, std::greater<>>;

class Generator {
 public:
  Generator(const ResolvedRecipe& recipe, TraceWriter& writer, const GenerateProgress& progress)
      : recipe_(recipe.common), writer_(writer), progress_(progress) {
    for (const proto::SloConfig& slo : recipe_.slos()) add_slo(slo);
    if (recipe_.duration() > 0) end_s_ = std::min(end_s_, recipe_.duration());
    for (const auto& [tenant, section] : recipe.tenants) {
      if (tenant.arrivals().rate() <= 0) continue;
      add_tenant(tenant, *section);
      schedule_start(tenants_.size() - 1);
    }
  }

  GenerateReport run() {
    while (!starts_.empty() || !requests_.empty()) {
      const bool start = requests_.empty() ||
                         (!starts_.empty() && starts_.top().first < std::get<0>(requests_.top()));
      if (start) {
        start_session();
      } else {
        write_request();
        if (report_.requests == recipe_.requests()) break;
      }
    }
    return report_;
  }

 private:
  struct TenantState {
    TenantId id;
    ModelId model;
    SloId slo;
    int priority = 0;
    std::unique_ptr<SessionMaker> maker;
    ArrivalProcess arrivals;
    std::uint64_t sessions = 0;
  };

  static std::optional<Duration> target(std::uint64_t ns) {
    if (ns == 0) return std::nullopt;
    return Duration(static_cast<std::int64_t>(ns));
  }

  void add_slo(const proto::SloConfig& slo) {
    slos_.emplace_back(slo.name(), writer_.add_slo({.id = SloId(),
                                                    .name = slo.name(),
                                                    .ttft = target(slo.ttft_ns()),
                                                    .tpot = target(slo.tpot_ns()),
                                                    .e2e = target(slo.e2e_ns())}));
  }

  SloId find_slo(const std::string& name) {
    const auto found = std::ranges::find(slos_, name, &std::pair<std::string, SloId>::first);
    if (found != slos_.end()) return found->second;
    add_slo([&] {
      proto::SloConfig none;  // resolve_recipe() has refused every name but "default"
      none.set_name(name);
      return none;
    }());
    return slos_.back().second;
  }

  void add_tenant(const proto::TenantRecipe& tenant, const RecipeSection& section) {
    const MakerContext context{writer_, recipe_.seed(), tenant.name()};
    tenants_.push_back({.id = writer_.add_tenant(tenant.name(), tenant.price_class()),
                        .model = writer_.add_model(tenant.model()),
                        .slo = find_slo(tenant.slo()),
                        .priority = tenant.priority(),
                        .maker = section.make(tenant, context),
                        .arrivals = ArrivalProcess(tenant.arrivals(), tenant.arrivals().rate(),
                                                   context.stream("arrivals"))});
  }

  void schedule_start(std::size_t tenant) {
    const double start_s = tenants_[tenant].arrivals.next_seconds();
    if (start_s < end_s_) starts_.emplace(TimePoint() + to_duration(Seconds(start_s)), tenant);
  }

  void start_session() {
    const auto [start, tenant] = starts_.top();
    starts_.pop();
    if (free_.empty()) {
      free_.push_back(sessions_.size());
      sessions_.emplace_back();
    }
    LiveSession& session = sessions_[free_.back()];
    tenants_[tenant].maker->plan(tenants_[tenant].sessions++, start, session.plan);
    schedule_start(tenant);
    if (session.plan.empty()) return;  // its context leaves no room for a question
    session.id = SessionId(report_.sessions++);
    session.tenant = tenant;
    session.written.clear();
    requests_.emplace(session.plan.front().earliest, session.id, free_.back());
    free_.pop_back();
  }

  void write_request() {
    const std::size_t place = std::get<2>(requests_.top());
    requests_.pop();
    LiveSession& session = sessions_[place];
    const TenantState& tenant = tenants_[session.tenant];
    Request& request = session.plan[session.written.size()];
    request.tenant = tenant.id;
    request.session = session.id;
    request.model = tenant.model;
    request.slo = tenant.slo;
    request.priority = tenant.priority;
    for (RequestId& parent : request.parents) parent = session.written[parent.value()];
    session.written.push_back(writer_.add(request));
    report_.last = request.earliest;
    if (session.written.size() < session.plan.size()) {
      requests_.emplace(session.plan[session.written.size()].earliest, session.id, place);
    } else {
      free_.push_back(place);
    }
    if (progress_ && report_.requests % 1024 == 0) progress_(part_done());
    ++report_.requests;
  }

  double part_done() const {
    double part = 0;
    if (recipe_.duration() > 0) part = report_.last.seconds().value() / recipe_.duration();
    if (recipe_.requests() > 0)
      part = std::max(
          part, static_cast<double>(report_.requests) / static_cast<double>(recipe_.requests()));
    return std::min(part, 1.0);
  }

  const proto::Recipe& recipe_;
  TraceWriter& writer_;
  const GenerateProgress& progress_;
  double end_s_ = 4e9;  // 127 years: what times in nanoseconds leave room for
  std::vector<std::pair<std::string, SloId>> slos_;
  std::vector<TenantState> tenants_;
  std::vector<LiveSession> sessions_;
  std::vector<std::size_t> free_;  // places in sessions_
  Soonest<NextStart> starts_;
  Soonest<NextRequest> requests_;
  GenerateReport report_;
};

}  // namespace

Expected<GenerateReport> generate_trace(const RecipeInput& recipe, const std::string& out,
                                        const std::string& made_by,
                                        const GenerateProgress& progress) {
  proto::Recipe message;
  if (const Expected<void> read = read_yaml_file(recipe.path, message); !read) return read.error();
  for (const std::string& setting : recipe.settings)
    if (const Expected<void> set = set_yaml_key(setting, message); !set) return set.error();
  if (recipe.seed) message.set_seed(*recipe.seed);
  return generate_trace(message, recipe.path, out, made_by, progress);
}

Expected<GenerateReport> generate_trace(const proto::Recipe& recipe, const std::string& name,
                                        const std::string& out, const std::string& made_by,
                                        const GenerateProgress& progress) {
  const Expected<ResolvedRecipe> resolved = resolve_recipe(recipe, name);
  if (!resolved) return resolved.error();
  TraceHeader header;
  header.made_by = made_by;
  header.name = resolved->common.name();
  header.seed = resolved->common.seed();
  Expected<TraceWriter> writer = TraceWriter::create(out, header);
  if (!writer) return writer.error();
  const GenerateReport report = Generator(*resolved, *writer, progress).run();
  if (report.requests == 0)
    return Error{name +
                 ": makes no request; a longer duration, a higher rate or a larger "
                 "context_limit would"};
  if (const Expected<void> finished = writer->finish(); !finished) return finished.error();
  return report;
}

const google::protobuf::Descriptor& recipe_keys() { return *proto::Recipe::descriptor(); }

}  // namespace scsim
