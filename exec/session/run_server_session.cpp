#include "exec/session/run_server_session.h"

#include <utility>

namespace scsim::exec {

Expected<std::vector<RemoteAnswer>> run_server_session(const RemoteEngine& engine,
                                                       const WordedSession& session,
                                                       const ServerSessionOptions& options) {
  const PromptPlan& plan = session.plan;
  const std::string context = options.preface + plan.context;
  const bool grows = session.mode == SessionMode::kMultiTurn;
  std::string text;                                           // so far, where it is continued
  std::vector<std::pair<std::string, std::string>> messages;  // so far, where it is a chat
  std::vector<RemoteAnswer> answers;
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    const TurnPrompt& turn = plan.turns[t];
    const bool first = t == 0 || !grows;
    if (first) {
      text.clear();
      messages.clear();
    }
    std::string asked = first ? context : "";
    asked += turn.prompt;
    RemoteRequest request{
        .messages = {}, .prompt = "", .max_tokens = turn.max_new_tokens, .stop = turn.stops};
    if (plan.chat) {
      messages.emplace_back("user", asked);
      request.messages = messages;
    } else {
      text += asked + turn.lead;
      request.prompt = text;
    }
    Expected<RemoteAnswer> answer = engine.complete(request);
    if (!answer) return answer.error();
    const std::string& said = options.golden_answers ? turn.target : answer->text;
    if (plan.chat) {
      messages.emplace_back("assistant", said);
    } else {
      text += said + turn.closing;
    }
    answers.push_back(*std::move(answer));
  }
  return answers;
}

}  // namespace scsim::exec
