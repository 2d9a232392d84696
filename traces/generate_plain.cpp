// Recipe section `plain`: sessions of one request, prompts of stated lengths behind an optional
// shared prefix.
#include <algorithm>
#include <utility>

#include "traces/generate_draws.h"
#include "traces/generate_sessions.h"
#include "traces/proto/recipe.pb.h"

namespace scsim {
namespace {

class Plain : public SessionMaker {
 public:
  Plain(const proto::PlainRecipe& recipe, const MakerContext& context)
      : writer_(context.writer),
        prompt_(recipe.prompt()),
        output_(recipe.output()),
        max_tokens_(static_cast<std::int64_t>(recipe.max_tokens())),
        prefix_tokens_(static_cast<std::int64_t>(recipe.prefix_tokens())),
        prefixes_(prefix_tokens_.value() > 0 ? recipe.prefixes() : 0),
        popularity_(recipe.prefixes(), recipe.zipf()),
        task_(writer_.add_task(recipe.task())),
        prompt_lengths_(context.stream("prompt")),
        output_lengths_(context.stream("output")),
        prefix_choice_(context.stream("prefix")) {}

  void plan(std::uint64_t /*number*/, TimePoint start, std::vector<Request>& plan) override {
    plan.resize(1);
    Request& request = plan.front();
    request = Request{};
    request.arrival = request.earliest = start;
    request.task = task_;
    if (!prefixes_.empty()) {
      ContentId& prefix = prefixes_[popularity_.draw(prefix_choice_)];
      if (!prefix.valid()) prefix = writer_.add_content(prefix_tokens_);
      request.prompt.push_back({prefix, Tokens(0), prefix_tokens_});
    }
    const Tokens own = std::max(prompt_.tokens(prompt_lengths_), Tokens(prefixes_.empty() ? 1 : 0));
    if (own > Tokens(0)) request.prompt.push_back({writer_.add_content(own), Tokens(0), own});
    request.output_tokens = std::max(output_.tokens(output_lengths_), Tokens(1));
    if (max_tokens_ > Tokens(0))
      request.output_tokens = std::min(request.output_tokens, max_tokens_);
    request.max_tokens = max_tokens_ > Tokens(0) ? max_tokens_ : request.output_tokens;
    request.output = writer_.add_content(request.output_tokens);
  }

 private:
  TraceWriter& writer_;
  Draw prompt_, output_;
  Tokens max_tokens_, prefix_tokens_;
  std::vector<ContentId> prefixes_;  // none until it is used
  Zipf popularity_;
  TaskId task_;
  Rng prompt_lengths_, output_lengths_, prefix_choice_;
};

}  // namespace

std::unique_ptr<SessionMaker> make_plain(const proto::TenantRecipe& tenant,
                                         const MakerContext& context) {
  return std::make_unique<Plain>(tenant.plain(), context);
}

}  // namespace scsim
