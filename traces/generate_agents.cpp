// Recipe section `agents`: a user's instructions to an agent that works in steps, with tools and
// sub-agents.
//
// An agent is a recursive walk: each step is a request that sees the whole context so far; then
// either a tool runs (think time) and its result joins the context, or sub-agents fork from the
// context and the next step, whose parents are their last requests, sees what each said last.
#include <algorithm>
#include <numeric>
#include <utility>

#include "traces/generate_draws.h"
#include "traces/generate_sessions.h"
#include "traces/proto/recipe.pb.h"

namespace scsim {
namespace {

class Agents : public SessionMaker {
 public:
  Agents(const proto::AgentsRecipe& recipe, const MakerContext& context)
      : context_(context),
        popularity_(recipe.kinds(), recipe.zipf()),
        kinds_(recipe.kinds()),
        system_length_(recipe.system_prompt()),
        instructions_(recipe.instructions()),
        instruction_(recipe.instruction()),
        think_(recipe.think()),
        steps_(recipe.steps()),
        output_(recipe.output()),
        max_tokens_(static_cast<std::int64_t>(recipe.max_tokens())),
        tool_result_(recipe.tool_result()),
        tool_time_(recipe.tool_time()),
        fork_(recipe.fork()),
        sub_agents_(recipe.sub_agents()),
        sub_agent_steps_(recipe.sub_agent_steps()),
        fork_depth_(recipe.fork_depth()),
        limit_(recipe.context_limit() > 0
                   ? Tokens(static_cast<std::int64_t>(recipe.context_limit()))
                   : kLargestContext),
        task_(context_.writer.add_task(recipe.task())) {}

  void plan(std::uint64_t number, TimePoint start, std::vector<Request>& plan) override {
    plan.clear();
    session_ = number;
    agents_started_ = 0;
    planned_spans_ = 0;
    Rng kinds = context_.stream("kind", number), counts = context_.stream("instructions", number);
    Rng thinks = context_.stream("think", number);
    const Span system = system_prompt(popularity_.draw(kinds));

    Agent main = new_agent({system}, system.count);
    main.start = start;
    const std::int64_t instructions = std::max<std::int64_t>(instructions_.whole(counts), 1);
    for (std::int64_t i = 0; i < instructions; ++i) {
      if (i > 0) main.think = think_.duration(thinks);
      const bool whole = work(main, steps_, 0, plan);
      if (!whole) break;
    }
    order(plan);
  }

 private:
  // The streams of one agent of a session, its context, and what its next request waits for.
  struct Agent {
    std::vector<Span> context;
    Tokens context_tokens;
    Rng instruction, steps, output, tool_result, tool_time, fork, sub_agents;
    TimePoint start{};  // of its first request, if that waits for nobody
    std::vector<RequestId> parents{};
    Duration think{};
    Span last_output{};
  };

  Agent new_agent(std::vector<Span> context, Tokens tokens) {
    constexpr std::uint64_t kAgentsPerSession = 1 << 20;
    const std::uint64_t id = session_ * kAgentsPerSession + agents_started_++ % kAgentsPerSession;
    return Agent{std::move(context),
                 tokens,
                 context_.stream("instruction", id),
                 context_.stream("steps", id),
                 context_.stream("output", id),
                 context_.stream("tool_result", id),
                 context_.stream("tool_time", id),
                 context_.stream("fork", id),
                 context_.stream("sub_agents", id)};
  }

  Span system_prompt(std::uint64_t kind) {
    Span& prompt = kinds_[kind];
    if (!prompt.content.valid()) {
      Rng lengths = context_.stream("system_prompt", kind);
      prompt.count = std::max(system_length_.tokens(lengths), Tokens(1));
      prompt.content = context_.writer.add_content(prompt.count);
    }
    return prompt;
  }

  void hear(Agent& agent, Span span) const {
    agent.context.push_back(span);
    agent.context_tokens += span.count;
  }

  Span new_span(Tokens tokens) const {
    tokens = std::max(tokens, Tokens(1));
    return {context_.writer.add_content(tokens), Tokens(0), tokens};
  }

  // One instruction, from its being given to the last step. False if a limit ended it.
  bool work(Agent& agent, const Draw& step_count, std::uint64_t depth, std::vector<Request>& plan) {
    hear(agent, new_span(instruction_.tokens(agent.instruction)));
    const std::int64_t steps = std::max<std::int64_t>(step_count.whole(agent.steps), 1);
    for (std::int64_t step = 0; step < steps; ++step) {
      const Tokens output =
          std::min(std::max(output_.tokens(agent.output), Tokens(1)), max_tokens_);
      if (agent.context_tokens + max_tokens_ > limit_) return false;
      if (earliest(agent, plan) > kLatestArrival) return false;
      planned_spans_ += agent.context.size();
      if (planned_spans_ > kMostPlannedSpans) return false;
      request(agent, output, plan);
      if (step + 1 == steps) break;
      if (depth < fork_depth_ && agent.fork.chance(fork_) && fork(agent, depth, plan)) continue;
      agent.think = tool_time_.duration(agent.tool_time);
      hear(agent, new_span(tool_result_.tokens(agent.tool_result)));
    }
    return true;
  }

  TimePoint earliest(const Agent& agent, const std::vector<Request>& plan) const {
    TimePoint time = agent.start;
    for (const RequestId parent : agent.parents)
      time = std::max(time, plan[parent.value()].earliest + agent.think);
    return time;
  }

  void request(Agent& agent, Tokens output, std::vector<Request>& plan) {
    Request request;
    request.earliest = earliest(agent, plan);
    if (agent.parents.empty()) request.arrival = request.earliest;
    request.parents = agent.parents;
    request.think = agent.think;
    request.prompt = agent.context;
    request.output = context_.writer.add_content(output);
    request.output_tokens = output;
    request.max_tokens = max_tokens_;
    request.task = task_;
    plan.push_back(std::move(request));
    agent.parents.assign(1, RequestId(plan.size() - 1));
    agent.think = Duration();
    agent.last_output = {plan.back().output, Tokens(0), output};
    hear(agent, agent.last_output);
  }

  // False if no sub-agent had room to work.
  bool fork(Agent& agent, std::uint64_t depth, std::vector<Request>& plan) {
    const std::int64_t count = std::max<std::int64_t>(sub_agents_.whole(agent.sub_agents), 1);
    std::vector<RequestId> last;
    std::vector<Span> said;
    for (std::int64_t i = 0; i < count; ++i) {
      Agent sub = new_agent(agent.context, agent.context_tokens);
      sub.parents = agent.parents;
      work(sub, sub_agent_steps_, depth + 1, plan);
      if (sub.parents == agent.parents) continue;
      last.insert(last.end(), sub.parents.begin(), sub.parents.end());
      said.push_back(sub.last_output);
    }
    if (last.empty()) return false;
    agent.parents = std::move(last);
    for (const Span& span : said) hear(agent, span);
    return true;
  }

  // By `earliest`; the walk put parents before children, and a stable sort leaves them there.
  static void order(std::vector<Request>& plan) {
    std::vector<std::size_t> old_place(plan.size()), new_place(plan.size());
    std::iota(old_place.begin(), old_place.end(), std::size_t{0});
    std::ranges::stable_sort(old_place, {}, [&](std::size_t i) { return plan[i].earliest; });
    std::vector<Request> ordered;
    ordered.reserve(plan.size());
    for (std::size_t i = 0; i < plan.size(); ++i) {
      new_place[old_place[i]] = i;
      ordered.push_back(std::move(plan[old_place[i]]));
      ordered.back().turn = static_cast<int>(i);
      for (RequestId& parent : ordered.back().parents)
        parent = RequestId(new_place[parent.value()]);
    }
    plan.swap(ordered);
  }

  MakerContext context_;
  Zipf popularity_;
  std::vector<Span> kinds_;  // their system prompts; without content until used
  Draw system_length_, instructions_, instruction_, think_, steps_, output_;
  Tokens max_tokens_;
  Draw tool_result_, tool_time_;
  double fork_;
  Draw sub_agents_, sub_agent_steps_;
  std::uint64_t fork_depth_;
  Tokens limit_;
  TaskId task_;

  // Of the plan being made.
  std::uint64_t session_ = 0, agents_started_ = 0;
  std::size_t planned_spans_ = 0;
};

}  // namespace

std::unique_ptr<SessionMaker> make_agents(const proto::TenantRecipe& tenant,
                                          const MakerContext& context) {
  return std::make_unique<Agents>(tenant.agents(), context);
}

}  // namespace scsim
