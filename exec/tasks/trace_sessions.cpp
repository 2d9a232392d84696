// A span may be a part of a content: a prompt that begins like an earlier one shares the pieces up
// to where they differ (traces/text_contents.h). Where in the text such a part lies is worked out
// from its share of the tokens, and moved to the nearest border of a piece.
#include "exec/tasks/trace_sessions.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace scsim::exec {
namespace {

constexpr std::size_t kPieceBytes = 32;  // as the importers cut texts

struct Known {
  Tokens tokens{0};
  std::string role, text;
};

bool begins_character(char c) { return (c & 0xC0) != 0x80; }

// Where the text's part behind `tokens` of its tokens begins.
std::size_t place_of(const Known& content, Tokens tokens) {
  if (tokens <= Tokens(0)) return 0;
  if (tokens >= content.tokens) return content.text.size();
  const auto wanted = static_cast<std::size_t>(static_cast<double>(content.text.size()) *
                                               static_cast<double>(tokens.value()) /
                                               static_cast<double>(content.tokens.value()));
  std::size_t border = 0, before = 0;
  while (border < wanted) {
    before = border;
    border = std::min(border + kPieceBytes, content.text.size());
    while (border < content.text.size() && !begins_character(content.text[border])) ++border;
  }
  return border - wanted < wanted - before ? border : before;
}

using Contents = std::unordered_map<ContentId, Known>;

std::vector<TraceMessage> messages_of(const Request& request, const Contents& contents) {
  std::vector<TraceMessage> messages;
  for (const Span& span : request.prompt) {
    const auto found = contents.find(span.content);
    if (found == contents.end() || found->second.text.empty()) continue;  // counted, not shown
    const Known& content = found->second;
    const std::size_t begin = place_of(content, span.first);
    const std::size_t end = place_of(content, span.first + span.count);
    if (end <= begin) continue;
    if (messages.empty() || messages.back().role != content.role) {
      messages.push_back({content.role, ""});
    }
    messages.back().text.append(content.text, begin, end - begin);
  }
  return messages;
}

}  // namespace

Expected<std::vector<TraceSession>> read_trace_sessions(const std::string& path, std::size_t most) {
  Expected<TraceReader> reader = TraceReader::open(path);
  if (!reader) return reader.error();
  Contents contents;
  reader->on_content([&](ContentId content, Tokens tokens) { contents[content].tokens = tokens; });
  reader->on_text([&](ContentId content, std::string_view role, std::string_view text) {
    Known& known = contents[content];
    known.role = role;
    known.text = text;
  });

  std::vector<TraceSession> sessions;
  std::map<SessionId, std::size_t> session_at;
  std::map<RequestId, std::pair<std::size_t, std::size_t>> request_at;  // session, position
  Request request;
  while (true) {
    Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    auto at = session_at.find(request.session);
    if (at == session_at.end()) {
      if (most > 0 && sessions.size() >= most) continue;
      at = session_at.emplace(request.session, sessions.size()).first;
      sessions.push_back({request.session, {}});
    }
    TraceSession& session = sessions[at->second];
    TracePrompt prompt;
    prompt.request = request.id;
    prompt.turn = request.turn;
    for (const RequestId parent : request.parents) {
      const auto known = request_at.find(parent);
      if (known != request_at.end() && known->second.first == at->second) {
        prompt.parents.push_back(known->second.second);
      }
    }
    prompt.messages = messages_of(request, contents);
    if (prompt.messages.empty()) {
      return Error{path + ": request " + std::to_string(request.id.value()) +
                   " has no text; a trace carries texts if it was imported from a log that has "
                   "them, with keep_text"};
    }
    if (const auto answer = contents.find(request.output); answer != contents.end()) {
      prompt.answer = answer->second.text;
    }
    prompt.prompt_tokens = request.prompt_tokens();
    prompt.output_tokens = request.output_tokens;
    prompt.max_tokens = request.max_tokens;
    request_at[request.id] = {at->second, session.requests.size()};
    session.requests.push_back(std::move(prompt));
  }
  if (sessions.empty()) return Error{path + ": no requests"};
  return sessions;
}

}  // namespace scsim::exec
