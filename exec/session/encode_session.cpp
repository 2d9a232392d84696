// With a chat template, the text of a whole conversation is rendered turn by turn; what a turn adds
// to the text before it is what it adds to the cache. Templates whose text does not grow that way
// (one that drops earlier reasoning, say) are refused rather than approximated.
#include "exec/session/encode_session.h"

#include <algorithm>
#include <utility>

#include "exec/session/cut_prompt.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// What ends the context where a template goes around it: no text has these characters.
constexpr std::string_view kMark = "\x02\x03";

struct TurnWords {
  std::string prompt, golden, closing;
};

// Texts as they follow each other, before they are tokens.
struct Words {
  std::string context;  // multi-request mode; else the first turn begins with it
  std::vector<TurnWords> turns;
};

// A text behind the context, where it begins with that.
std::string behind(const std::string& context, bool begins, const std::string& text) {
  std::string all;
  if (begins) all = context;
  all.append(text);
  return all;
}

Words plain_words(const PromptPlan& plan, SessionMode mode) {
  Words words;
  const bool multi_turn = mode == SessionMode::kMultiTurn;
  if (!multi_turn) words.context = plan.context;
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    const TurnPrompt& turn = plan.turns[t];
    words.turns.push_back(
        {.prompt = behind(plan.context, multi_turn && t == 0, turn.prompt + turn.lead),
         .golden = turn.target,
         .closing = turn.closing});
  }
  return words;
}

Expected<Words> chat_requests(const PromptPlan& plan, const ChatTemplate& chat) {
  const std::vector<Message> messages = {
      {.role = Role::kUser, .text = plan.context + std::string(kMark)}};
  const Expected<std::string> around = chat.render(messages, true);
  if (!around) return around.error();
  const std::size_t mark = around->find(kMark);
  if (mark == std::string::npos) {
    return Error{"chat template " + chat.name() + " changes the text of a message"};
  }
  const std::string after = around->substr(mark + kMark.size());
  Words words{.context = around->substr(0, mark), .turns = {}};
  for (const TurnPrompt& turn : plan.turns) {
    words.turns.push_back(
        {.prompt = turn.prompt + after + turn.lead, .golden = turn.target, .closing = ""});
  }
  return words;
}

Expected<Words> chat_turns(const PromptPlan& plan, const ChatTemplate& chat) {
  Words words;
  std::vector<Message> messages;
  std::string before;  // the text up to and with the last golden answer
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    const TurnPrompt& turn = plan.turns[t];
    messages.push_back({.role = Role::kUser, .text = behind(plan.context, t == 0, turn.prompt)});
    const Expected<std::string> rendered = chat.render(messages, true);
    if (!rendered) return rendered.error();
    if (!rendered->starts_with(before)) {
      return Error{"chat template " + chat.name() +
                   " changes earlier turns; its follow-ups cannot be appended to a cache"};
    }
    words.turns.push_back({.prompt = rendered->substr(before.size()) + turn.lead,
                           .golden = turn.target,
                           .closing = ""});
    before = *rendered + turn.lead + turn.target;
    messages.push_back({.role = Role::kAssistant, .text = turn.lead + turn.target});
  }
  return words;
}

Expected<Words> put_in_order(const PromptPlan& plan, const ChatTemplate* chat, SessionMode mode) {
  if (!plan.chat || chat == nullptr) return plain_words(plan, mode);
  return mode == SessionMode::kMultiTurn ? chat_turns(plan, *chat) : chat_requests(plan, *chat);
}

EncodedSession encode_words(const Words& words, const PromptPlan& plan, const Tokenizer& tokenizer,
                            SessionMode mode) {
  // A rendered template brings its begin token; plain text gets one.
  const Frame frame = plan.chat ? Frame::kNone : Frame::kAdded;
  const auto special = plan.chat ? SpecialTokens::kRecognised : SpecialTokens::kAsText;
  EncodedSession encoded;
  TokenSession& session = encoded.tokens;
  session.mode = mode;
  if (!words.context.empty()) session.context = tokenizer.encode(words.context, special, frame);
  for (std::size_t t = 0; t < words.turns.size(); ++t) {
    const TurnWords& turn = words.turns[t];
    const bool first = t == 0 && words.context.empty();
    session.turns.push_back(
        {.prompt = tokenizer.encode(turn.prompt, special, first ? frame : Frame::kNone),
         .golden = tokenizer.encode(turn.golden, SpecialTokens::kAsText),
         .closing = tokenizer.encode(turn.closing, special),
         .stops = plan.turns[t].stops,
         .max_new_tokens = plan.turns[t].max_new_tokens});
  }
  return encoded;
}

// The part that is cut when it is too long, and its documents.
std::vector<std::int32_t>& first_prompt(TokenSession& session) {
  return session.context.empty() ? session.turns.front().prompt : session.context;
}
std::vector<TokenRange>& first_documents(TokenSession& session) {
  return session.context.empty() ? session.turns.front().documents : session.documents;
}

// Where in the tokens of a text its first characters end: behind the last token that these alone
// would have too.
std::int64_t tokens_before(std::string_view text, std::size_t end,
                           const std::vector<std::int32_t>& tokens, const PromptPlan& plan,
                           const Tokenizer& tokenizer) {
  const std::vector<std::int32_t> begun = tokenizer.encode(
      text.substr(0, end), plan.chat ? SpecialTokens::kRecognised : SpecialTokens::kAsText,
      plan.chat ? Frame::kNone : Frame::kAdded);
  return std::ranges::mismatch(begun, tokens).in1 - begun.begin();
}

// The context is one document, whatever the template puts around it.
void find_document(const Words& words, const PromptPlan& plan, const Tokenizer& tokenizer,
                   TokenSession& session) {
  const std::string& text = words.context.empty() ? words.turns.front().prompt : words.context;
  const std::size_t begin = plan.context.empty() ? std::string::npos : text.find(plan.context);
  if (begin == std::string::npos) return;
  const std::vector<std::int32_t>& tokens = first_prompt(session);
  const auto before = [&](std::size_t end) {
    return tokens_before(text, end, tokens, plan, tokenizer);
  };
  first_documents(session) = {{.begin = before(begin), .end = before(begin + plan.context.size())}};
}

// Documents of what is left of a prompt.
void cut_documents(const CutPrompt& cut, std::vector<TokenRange>& documents) {
  const auto kept = [&](std::int64_t at) {
    return at <= cut.head_tokens ? at : std::max(cut.head_tokens, at - cut.truncated_tokens);
  };
  for (TokenRange& document : documents) {
    document = {.begin = kept(document.begin), .end = kept(document.end)};
  }
  std::erase_if(documents, [](const TokenRange& of) { return of.begin >= of.end; });
}

// Where documents go into what a template puts around them.
constexpr std::string_view kDocuments = "\x02\x04";

PromptPlan questions_plan(const std::string& context, const std::vector<std::string>& questions,
                          bool chat, std::int64_t max_new_tokens) {
  const std::string newline(1, '\n');
  PromptPlan plan{.chat = chat, .context = context, .turns = {}};
  for (const std::string& question : questions) {
    TurnPrompt turn;
    turn.max_new_tokens = max_new_tokens;
    if (chat) {
      turn.prompt = question;
    } else {
      turn.prompt = "Question: " + question + "\nAnswer:";
      turn.closing = newline;
      turn.stops.push_back(newline);
    }
    plan.turns.push_back(std::move(turn));
  }
  return plan;
}

}  // namespace

Expected<EncodedSession> encode_session(const TaskSession& session, const Tokenizer& tokenizer,
                                        const ChatTemplate* chat, const EncodeOptions& options) {
  if (session.turns.empty())
    return Error{"session " + session.id + " of " + session.task + " asks nothing"};
  const PromptPlan plan = plan_prompts(session, {.style = options.style,
                                                 .mode = options.mode,
                                                 .chat = chat != nullptr,
                                                 .golden_answers = options.golden_answers});
  const Expected<Words> words = put_in_order(plan, chat, options.mode);
  if (!words) return words.error();
  EncodedSession encoded = encode_words(*words, plan, tokenizer, options.mode);
  find_document(*words, plan, tokenizer, encoded.tokens);
  std::vector<std::int32_t>& prompt = first_prompt(encoded.tokens);
  Expected<CutPrompt> cut =
      cut_first_prompt(session, options.mode, options.max_sequence, prompt, tokenizer);
  if (!cut) return cut.error();
  encoded.truncated_tokens = cut->truncated_tokens;
  cut_documents(*cut, first_documents(encoded.tokens));
  encoded.answer_survived = std::move(cut->answer_survived);
  prompt = std::move(cut->tokens);
  encoded.context_tokens = static_cast<std::int64_t>(prompt.size());
  return encoded;
}

std::int64_t longest_sequence(const TokenSession& session, bool golden_answers) {
  const bool grows = session.mode == SessionMode::kMultiTurn && !session.whole_prompts;
  const auto context = static_cast<std::int64_t>(session.context.size());
  std::int64_t held = context;
  std::int64_t longest = context;
  for (const TokenTurn& turn : session.turns) {
    const auto prompt = static_cast<std::int64_t>(turn.prompt.size());
    const auto golden = static_cast<std::int64_t>(turn.golden.size());
    longest = std::max(longest, held + prompt + std::max(turn.max_new_tokens, golden));
    if (!grows) continue;
    held += prompt + (golden_answers ? golden : turn.max_new_tokens) +
            static_cast<std::int64_t>(turn.closing.size());
  }
  return longest;
}

Expected<TokenSession> encode_trace_session(const TraceSession& session, const Tokenizer& tokenizer,
                                            const ChatTemplate* chat, std::int64_t max_new_tokens) {
  TokenSession tokens{
      .mode = SessionMode::kMultiTurn, .context = {}, .turns = {}, .whole_prompts = true};
  for (const TracePrompt& request : session.requests) {
    std::vector<Message> messages;
    std::string joined;
    for (const TraceMessage& message : request.messages) {
      joined += message.text;
      const Role role = message.role == "system"      ? Role::kSystem
                        : message.role == "assistant" ? Role::kAssistant
                                                      : Role::kUser;
      messages.push_back({.role = role, .text = message.text});
    }
    TokenTurn turn;
    if (chat != nullptr) {
      const Expected<std::string> rendered = chat->render(messages, true);
      if (!rendered) return rendered.error();
      turn.prompt = tokenizer.encode(*rendered, SpecialTokens::kRecognised);
    } else {
      turn.prompt = tokenizer.encode(joined, SpecialTokens::kAsText, Frame::kAdded);
    }
    turn.golden = tokenizer.encode(request.answer, SpecialTokens::kAsText);
    turn.max_new_tokens = std::max<std::int64_t>(1, request.max_tokens.value());
    if (max_new_tokens > 0) turn.max_new_tokens = std::min(turn.max_new_tokens, max_new_tokens);
    tokens.turns.push_back(std::move(turn));
  }
  return tokens;
}

Expected<TokenSession> encode_questions(const std::string& context,
                                        const std::vector<std::string>& questions,
                                        const Tokenizer& tokenizer, const ChatTemplate* chat,
                                        SessionMode mode, std::int64_t max_new_tokens) {
  const PromptPlan plan =
      questions_plan(context + "\n\n", questions, chat != nullptr, max_new_tokens);
  const Expected<Words> words = put_in_order(plan, chat, mode);
  if (!words) return words.error();
  TokenSession session = encode_words(*words, plan, tokenizer, mode).tokens;
  find_document(*words, plan, tokenizer, session);
  return session;
}

Expected<TokenSession> encode_documents(const std::vector<std::string>& documents,
                                        const std::vector<std::string>& questions,
                                        const Tokenizer& tokenizer, const ChatTemplate* chat,
                                        SessionMode mode, std::int64_t max_new_tokens) {
  const PromptPlan plan =
      questions_plan(std::string(kDocuments), questions, chat != nullptr, max_new_tokens);
  const Expected<Words> words = put_in_order(plan, chat, mode);
  if (!words) return words.error();
  const bool requests = mode == SessionMode::kMultiRequest;
  const std::string& around = requests ? words->context : words->turns.front().prompt;
  const std::size_t mark = around.find(kDocuments);
  if (mark == std::string::npos) {
    return Error{"chat template " + (chat ? chat->name() : std::string()) +
                 " changes the text of a message"};
  }
  const std::string behind_documents = around.substr(mark + kDocuments.size());
  TokenSession session = encode_words(*words, plan, tokenizer, mode).tokens;
  session.context.clear();
  const auto special = plan.chat ? SpecialTokens::kRecognised : SpecialTokens::kAsText;
  std::vector<std::vector<std::int32_t>> pieces;
  for (const std::string& document : documents) {
    pieces.push_back(tokenizer.encode(document + "\n\n", SpecialTokens::kAsText));
  }
  for (std::size_t t = 0; t < (requests ? questions.size() : 1); ++t) {
    TokenTurn& turn = session.turns[t];
    turn.prompt =
        tokenizer.encode(around.substr(0, mark), special, plan.chat ? Frame::kNone : Frame::kAdded);
    for (std::size_t d = 0; d < pieces.size(); ++d) {
      const std::vector<std::int32_t>& piece = pieces[(d + t) % pieces.size()];
      const std::int64_t begin = std::ssize(turn.prompt);
      turn.prompt.insert(turn.prompt.end(), piece.begin(), piece.end());
      turn.documents.push_back({.begin = begin, .end = std::ssize(turn.prompt)});
    }
    const std::string question =
        behind_documents + (requests ? words->turns[t].prompt : std::string());
    const std::vector<std::int32_t> rest = tokenizer.encode(question, special);
    turn.prompt.insert(turn.prompt.end(), rest.begin(), rest.end());
  }
  return session;
}

}  // namespace scsim::exec
