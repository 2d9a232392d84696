// Recipe section `enterprise_docs`: people of a tenant ask about its documents.
//
// A collection's documents get new versions as time goes; a version is the old one's prefix up to
// the edit point and new content behind it, so a list of spans. A session opens what is newest when
// it starts and stays with it. Contents are declared when a session first needs them, so that the
// trace holds nothing that nobody reads.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "traces/generate_draws.h"
#include "traces/generate_sessions.h"
#include "traces/math.h"
#include "traces/proto/recipe.pb.h"
#include "traces/yaml_defaults.h"

namespace scsim {
namespace {

class Collection {
 public:
  Collection(const proto::DocumentsRecipe& recipe, const MakerContext& context)
      : context_(context),
        popularity_(recipe.count(), recipe.zipf()),
        length_(recipe.length()),
        mean_gap_s_(recipe.new_versions_per_hour() > 0 ? 3600 / recipe.new_versions_per_hour() : 0),
        edit_from_(recipe.edit_from()),
        edit_cv_(recipe.edit_cv()),
        shortest_(static_cast<std::int64_t>(recipe.length().min())),
        longest_(static_cast<std::int64_t>(recipe.length().max())),
        documents_(recipe.count()) {}

  std::uint64_t count() const { return documents_.size(); }
  std::uint64_t draw(Rng& rng) const { return popularity_.draw(rng); }

  Tokens length(std::uint64_t document, TimePoint now) {
    Tokens sum{0};
    for (const Span& piece : newest(document, now).pieces) sum += piece.count;
    return sum;
  }

  void append(std::uint64_t document, TimePoint now, std::vector<Span>& prompt) {
    for (Span& piece : newest(document, now).pieces) {
      if (!piece.content.valid()) piece.content = context_.writer.add_content(piece.count);
      prompt.push_back(piece);
    }
  }

 private:
  struct Document {
    std::vector<Span> pieces;  // a piece that no session has read yet has no content
    TimePoint next_version;
    std::optional<Rng> version_times, edits;
  };

  Document& newest(std::uint64_t id, TimePoint now) {
    Document& document = documents_[id];
    if (document.pieces.empty()) {
      Rng lengths = context_.stream("document_length", id);
      const Tokens tokens = std::max(length_.tokens(lengths), Tokens(1));
      document.pieces.push_back({ContentId(), Tokens(0), tokens});
      document.version_times = context_.stream("version_times", id);
      document.edits = context_.stream("edits", id);
      document.next_version = after(TimePoint(), document);
    }
    while (document.next_version <= now) {
      edit(document);
      document.next_version = after(document.next_version, document);
    }
    return document;
  }

  TimePoint after(TimePoint version, Document& document) const {
    if (mean_gap_s_ <= 0) return TimePoint::never();
    const double gap_s = std::min(document.version_times->exponential(mean_gap_s_), 1e9);
    return version + to_duration(Seconds(gap_s)) + Duration(1);
  }

  void edit(Document& document) const {
    Tokens total{0};
    for (const Span& piece : document.pieces) total += piece.count;
    const double part = document.edits->uniform(edit_from_, 1);
    // Lognormal around the length of the part replaced; drawn also where it is not needed, so that
    // the stream does not depend on the parameters.
    const double normal = document.edits->normal();
    const double sigma = std::sqrt(stable_log(1 + edit_cv_ * edit_cv_));
    const double scale = stable_exp(sigma * normal - sigma * sigma / 2);
    const Tokens kept(static_cast<std::int64_t>(part * static_cast<double>(total.value())));
    Tokens fresh(static_cast<std::int64_t>(scale * static_cast<double>((total - kept).value())) +
                 1);
    fresh = std::max(fresh, Tokens(shortest_) - kept);
    if (longest_ > 0) fresh = std::max(std::min(fresh, Tokens(longest_) - kept), Tokens(1));

    Tokens left = kept;
    auto piece = document.pieces.begin();
    while (piece != document.pieces.end() && left > Tokens(0)) {
      // What was read keeps its content; what nobody read is just shorter.
      piece->count = std::min(piece->count, left);
      left -= piece->count;
      ++piece;
    }
    document.pieces.erase(piece, document.pieces.end());
    document.pieces.push_back({ContentId(), Tokens(0), fresh});
  }

  MakerContext context_;
  Zipf popularity_;
  Draw length_;
  double mean_gap_s_, edit_from_, edit_cv_;
  std::int64_t shortest_, longest_;
  std::vector<Document> documents_;
};

// A kind of question: the sessions' lengths with what the task changes.
struct Task {
  TaskId id;
  Draw question, answer;
  Tokens max_tokens;

  Task(const proto::TaskRecipe& task, const proto::SessionsRecipe& sessions, TraceWriter& writer)
      : id(writer.add_task(task.name())),
        question(merged(sessions.question(), task.question())),
        answer(merged(sessions.answer(), task.answer())),
        max_tokens(static_cast<std::int64_t>(task.has_max_tokens() ? task.max_tokens()
                                                                   : sessions.max_tokens())) {}

  static Draw merged(proto::LengthRecipe base, const proto::LengthRecipe& over) {
    overlay(over, base);
    return Draw(base);
  }
};

class EnterpriseDocs : public SessionMaker {
 public:
  EnterpriseDocs(const proto::EnterpriseDocsRecipe& recipe, const MakerContext& context)
      : context_(context),
        collection_(recipe.documents(), context_),
        system_length_(recipe.system_prompt()),
        multi_request_(recipe.sessions().multi_request()),
        documents_(recipe.sessions().documents()),
        turns_(recipe.sessions().turns()),
        think_(recipe.sessions().think()),
        cancelled_(recipe.sessions().cancelled()),
        cancel_after_(recipe.sessions().cancel_after()),
        open_loop_(recipe.sessions().loop() == "open"),
        token_time_s_(recipe.sessions().open_loop_token_time()),
        limit_(recipe.sessions().context_limit() > 0
                   ? Tokens(static_cast<std::int64_t>(recipe.sessions().context_limit()))
                   : kLargestContext) {
    for (const proto::TaskRecipe& task : recipe.sessions().tasks()) {
      tasks_.emplace_back(task, recipe.sessions(), context_.writer);
      task_shares_.push_back(task.share());
    }
  }

  void plan(std::uint64_t number, TimePoint start, std::vector<Request>& plan) override {
    plan.clear();
    std::vector<Span> seen = open_documents(number, start);
    const bool multi_request = context_.stream("mode", number).chance(multi_request_);
    Rng turn_count = context_.stream("turns", number);
    Rng tasks = context_.stream("task", number), questions = context_.stream("question", number);
    Rng answers = context_.stream("answer", number), thinks = context_.stream("think", number);
    Rng cancels = context_.stream("cancelled", number);
    Rng patience = context_.stream("cancel_after", number);
    const std::int64_t turns = std::max<std::int64_t>(turns_.whole(turn_count), 1);

    std::size_t planned_spans = 0;
    Tokens seen_tokens{0};
    for (const Span& span : seen) seen_tokens += span.count;
    for (std::int64_t turn = 0; turn < turns; ++turn) {
      const Task& task = tasks_[tasks.weighted(task_shares_)];
      const Tokens question = std::max(task.question.tokens(questions), Tokens(1));
      const Tokens answer =
          std::min(std::max(task.answer.tokens(answers), Tokens(1)), task.max_tokens);
      const Duration think = think_.duration(thinks);
      const bool cancelled = cancels.chance(cancelled_);
      const Duration cancel_after = cancel_after_.duration(patience);
      planned_spans += seen.size() + 1;
      if (planned_spans > kMostPlannedSpans) break;
      if (!fits(seen_tokens + question + task.max_tokens)) break;

      Request& request = plan.emplace_back();
      request.turn = static_cast<int>(turn);
      request.prompt = seen;
      request.prompt.push_back({context_.writer.add_content(question), Tokens(0), question});
      request.output = context_.writer.add_content(answer);
      request.output_tokens = answer;
      request.max_tokens = task.max_tokens;
      request.task = task.id;
      if (cancelled) request.cancel_after = std::max(cancel_after, Duration(1));
      if (turn == 0) {
        request.arrival = request.earliest = start;
      } else if (open_loop_) {
        const Request& before = plan[plan.size() - 2];
        const Seconds served(
            std::min(static_cast<double>(before.output_tokens.value()) * token_time_s_, 1e7));
        request.arrival = request.earliest = before.earliest + to_duration(served) + think;
      } else {
        request.parents.push_back(RequestId(plan.size() - 2));
        request.think = think;
        request.earliest = plan[plan.size() - 2].earliest + think;
      }
      if (request.earliest > kLatestArrival) {
        plan.pop_back();
        break;
      }
      if (!multi_request) {
        seen = request.prompt;
        seen.push_back({request.output, Tokens(0), answer});
        seen_tokens += question + answer;
      }
    }
  }

 private:
  bool fits(Tokens tokens) const { return tokens <= limit_; }

  // The context of a session: the tenant's system prompt and distinct documents that fit behind it.
  // What room is left for questions does not decide here: their lengths must not change the
  // context.
  std::vector<Span> open_documents(std::uint64_t number, TimePoint now) {
    std::vector<Span> context;
    if (!system_tokens_) {
      Rng lengths = context_.stream("system_prompt");
      system_tokens_ = system_length_.tokens(lengths);
      if (*system_tokens_ > Tokens(0)) system_ = context_.writer.add_content(*system_tokens_);
    }
    if (system_.valid()) context.push_back({system_, Tokens(0), *system_tokens_});

    Rng counts = context_.stream("document_count", number);
    Rng choices = context_.stream("documents", number);
    const std::uint64_t wanted = std::min<std::uint64_t>(
        static_cast<std::uint64_t>(documents_.whole(counts)), collection_.count());
    Tokens used = *system_tokens_;
    std::vector<std::uint64_t> opened;
    // A skewed collection may need many draws for the last distinct document; what 64 tries for
    // each do not find is left out.
    for (std::uint64_t tries = 0; opened.size() < wanted && tries < 64 * wanted; ++tries) {
      const std::uint64_t document = collection_.draw(choices);
      if (std::ranges::find(opened, document) != opened.end()) continue;
      opened.push_back(document);
      const Tokens length = collection_.length(document, now);
      if (!fits(used + length + tasks_.front().max_tokens)) continue;
      collection_.append(document, now, context);
      used += length;
    }
    return context;
  }

  MakerContext context_;
  Collection collection_;
  Draw system_length_;
  std::optional<Tokens> system_tokens_;
  ContentId system_;
  double multi_request_;
  Draw documents_, turns_, think_;
  double cancelled_;
  Draw cancel_after_;
  bool open_loop_;
  double token_time_s_;
  Tokens limit_;
  std::vector<Task> tasks_;
  std::vector<double> task_shares_;
};

}  // namespace

std::unique_ptr<SessionMaker> make_enterprise_docs(const proto::TenantRecipe& tenant,
                                                   const MakerContext& context) {
  return std::make_unique<EnterpriseDocs>(tenant.enterprise_docs(), context);
}

}  // namespace scsim
