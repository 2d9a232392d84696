#include "exec/tasks/trace_sessions.h"

#include <map>
#include <utility>

namespace scsim::exec {
namespace {

struct ContentText {
  std::string role, text;
};

// A prompt's messages; the error names the request.
Expected<std::vector<TraceMessage>> messages_of(const Request& request,
                                                const std::map<ContentId, ContentText>& texts,
                                                const std::map<ContentId, Tokens>& lengths,
                                                const std::string& where) {
  std::vector<TraceMessage> messages;
  for (const Span& span : request.prompt) {
    const auto text = texts.find(span.content);
    if (text == texts.end()) {
      return Error{where + " has a prompt without text; import the log with --set keep_text=true"};
    }
    if (span.first != Tokens{0} || span.count != lengths.at(span.content)) {
      return Error{where +
                   " uses a part of a content, and which part of its text that is, is not known"};
    }
    if (!messages.empty() && messages.back().role == text->second.role) {
      messages.back().text += text->second.text;
    } else {
      messages.push_back({.role = text->second.role, .text = text->second.text});
    }
  }
  return messages;
}

}  // namespace

Expected<std::vector<TraceSession>> read_trace_sessions(const std::string& path, std::size_t most) {
  Expected<TraceReader> reader = TraceReader::open(path);
  if (!reader) return reader.error();
  std::map<ContentId, ContentText> texts;
  std::map<ContentId, Tokens> lengths;
  reader->on_content([&](ContentId id, Tokens tokens) { lengths[id] = tokens; });
  reader->on_text([&](ContentId id, std::string_view role, std::string_view text) {
    texts[id] = {.role = std::string(role), .text = std::string(text)};
  });
  std::vector<TraceSession> sessions;
  std::map<SessionId, std::size_t> number_of;
  std::map<RequestId, std::pair<SessionId, std::size_t>> place_of;
  Request request;
  while (true) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    auto known = number_of.find(request.session);
    if (known == number_of.end()) {
      if (most > 0 && sessions.size() == most) continue;
      known = number_of.emplace(request.session, sessions.size()).first;
      sessions.push_back({.session = request.session, .requests = {}});
    }
    TraceSession& session = sessions[known->second];
    const std::string where = path + ": request " + std::to_string(request.id.value());
    Expected<std::vector<TraceMessage>> messages = messages_of(request, texts, lengths, where);
    if (!messages) return messages.error();
    TracePrompt prompt{.request = request.id,
                       .turn = request.turn,
                       .parents = {},
                       .messages = *std::move(messages),
                       .answer = "",
                       .prompt_tokens = request.prompt_tokens(),
                       .output_tokens = request.output_tokens,
                       .max_tokens = request.max_tokens};
    for (const RequestId parent : request.parents) {
      const auto place = place_of.find(parent);
      if (place != place_of.end() && place->second.first == request.session) {
        prompt.parents.push_back(place->second.second);
      }
    }
    if (const auto answer = texts.find(request.output); answer != texts.end())
      prompt.answer = answer->second.text;
    place_of[request.id] = {request.session, session.requests.size()};
    session.requests.push_back(std::move(prompt));
  }
  if (sessions.empty()) return Error{path + ": no request is in it"};
  return sessions;
}

}  // namespace scsim::exec
