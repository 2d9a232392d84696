// ShareGPT's conversations: who said what, but not when. Conversations begin at random times of a
// stated rate; within one, a question comes some time of thinking after the answer before it
// (closed loop), and its prompt is all that was said before.
#include <algorithm>
#include <functional>
#include <optional>
#include <span>

#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/rng.h"
#include "traces/text.h"
#include "traces/text_contents.h"

namespace scsim {
namespace {

constexpr std::string_view kAnswer = "assistant";

// Messages in order; the answers among `turns` (indices into them) are what the model was asked
// for.
struct Conversation {
  std::vector<LoggedMessage> messages;
  std::vector<std::size_t> turns;
};

std::string role_of(std::string_view from) {
  for (std::string_view name : {"gpt", "chatgpt", "bing", "bard", "model", "assistant"}) {
    if (from == name) return std::string(kAnswer);
  }
  if (from == "human" || from == "user") return "user";
  return std::string(from);
}

Expected<Conversation> read_conversation(const JsonValue& row, const TextContents& ratio) {
  std::optional<JsonValue> list = row.find("conversations");
  std::string_view name = "conversations", who = "from", what = "value";
  if (!list && row.find("messages")) {
    list = row.find("messages");
    name = "messages", who = "role", what = "content";
  }
  if (!list) return required_field(row, "conversations").error();
  if (!list->is_array()) {
    return Error{std::string(name) + ": expected a list, found " + std::string(list->describe())};
  }

  Conversation conversation;
  bool asked = false;  // since the last answer
  for (const JsonValue& item : list->items()) {
    const std::string where =
        std::string(name) + "[" + std::to_string(conversation.messages.size()) + "]";
    Expected<std::string> from = string_field(item, who);
    if (!from) return Error{where + ": " + from.error().message};
    Expected<std::string> value = string_field(item, what);
    if (!value) return Error{where + ": " + value.error().message};
    LoggedMessage message{role_of(*from), std::move(*value)};
    const bool has_text = ratio.estimate(message.text) > Tokens(0);
    if (message.role == kAnswer) {
      if (asked && has_text) conversation.turns.push_back(conversation.messages.size());
      asked = false;
    } else {
      asked = asked || has_text;
    }
    conversation.messages.push_back(std::move(message));
  }
  return conversation;
}

// Gives each conversation that has a turn to `hear`, in the order of the files, until it says stop.
Expected<void> read_conversations(const std::vector<std::string>& paths, const TextContents& ratio,
                                  bool strict, ImportReport& report,
                                  const std::function<bool(Conversation)>& hear) {
  for (const std::string& path : paths) {
    Expected<JsonRows> rows = JsonRows::open(path);
    if (!rows) return rows.error();
    while (true) {
      Expected<bool> more = rows->next();
      if (!more) return more.error();
      if (!*more) break;
      ++report.rows;
      Expected<Conversation> conversation = rows->row()
                                                ? read_conversation(*rows->row(), ratio)
                                                : Expected<Conversation>(rows->row().error());
      if (!conversation) {
        Expected<void> ok =
            reject_row(report, strict, path, rows->line(), conversation.error().message);
        if (!ok) return ok;
      } else if (conversation->turns.empty()) {
        ++report.left_out;
      } else if (!hear(std::move(*conversation))) {
        return {};
      }
    }
  }
  return {};
}

// Writes the turns of all conversations in the order of the earliest time each can begin.
class Emitter {
 public:
  Emitter(TextContents& texts, std::uint64_t seed, double rate, Seconds think, Tokens max_tokens,
          TraceWriter& writer)
      : texts_(texts),
        seed_(seed),
        arrivals_(seed, "import.sharegpt.arrivals"),
        mean_gap_(1 / rate),
        think_(think),
        max_tokens_(max_tokens),
        writer_(writer) {}

  void add(Conversation conversation) {
    const std::uint64_t number = num_conversations_++;
    Live live{.earliest = next_start_,
              .number = number,
              .conversation = std::move(conversation),
              .thinking = Rng(seed_, "import.sharegpt.think", number)};
    next_start_ = next_start_ + to_duration(Seconds(arrivals_.exponential(mean_gap_)));
    advance(live.earliest);
    push(std::move(live));
  }

  void finish() { advance(TimePoint::never()); }

 private:
  struct Live {
    TimePoint earliest;  // of the next turn
    std::uint64_t number;
    Conversation conversation;
    Rng thinking;
    std::size_t turn = 0;
    RequestId last{};
    Duration think{};
    bool operator>(const Live& other) const {
      return std::pair(earliest, number) > std::pair(other.earliest, other.number);
    }
  };

  // Writes every turn that can begin before `time`; no later conversation begins before it.
  void advance(TimePoint time) {
    while (!live_.empty() && live_.front().earliest < time) {
      std::ranges::pop_heap(live_, std::greater<>());
      Live live = std::move(live_.back());
      live_.pop_back();
      write(live);
      if (++live.turn == live.conversation.turns.size()) continue;
      live.think = to_duration(Seconds(live.thinking.exponential(think_.value())));
      live.earliest = live.earliest + live.think;
      push(std::move(live));
    }
  }

  void push(Live live) {
    live_.push_back(std::move(live));
    std::ranges::push_heap(live_, std::greater<>());
  }

  void write(Live& live) {
    const std::size_t answer = live.conversation.turns[live.turn];
    const std::span<const LoggedMessage> messages = live.conversation.messages;
    Request request;
    request.session = SessionId(live.number);
    request.turn = static_cast<int>(live.turn);
    request.earliest = live.earliest;
    if (live.turn == 0) {
      request.arrival = live.earliest;
    } else {
      request.think = live.think;
      request.parents = {live.last};
    }
    texts_.append_prompt(messages.first(answer), std::nullopt, writer_, request.prompt);
    request.output_tokens = texts_.estimate(messages[answer].text);
    request.output = texts_.add_answer(messages[answer], request.output_tokens, writer_);
    request.max_tokens = std::max(max_tokens_, request.output_tokens);
    live.last = writer_.add(request);
  }

  TextContents& texts_;
  std::uint64_t seed_;
  Rng arrivals_;
  double mean_gap_;
  Seconds think_;
  Tokens max_tokens_;
  TraceWriter& writer_;
  TimePoint next_start_{};
  std::uint64_t num_conversations_ = 0;
  std::vector<Live> live_;  // a heap with the earliest in front
};

Expected<ImportReport> import_sharegpt(const ImportInputs& inputs, const ImportOptions& options,
                                       const OpenTrace& open) {
  Expected<TextContents> texts = TextContents::make(options);
  if (!texts) return texts.error();
  Expected<double> rate = options.number("rate", 0);
  if (!rate) return rate.error();
  Expected<double> think = parse_seconds(options.text("think"));
  if (!think || *think < 0) {
    return Error{"option think: expected a time such as \"10 s\", found \"" +
                 options.text("think") + "\""};
  }
  Expected<std::int64_t> seed = options.integer("seed", 0);
  if (!seed) return seed.error();
  Expected<std::int64_t> limit = options.integer("conversations", 0);
  if (!limit) return limit.error();

  // The first reading: what is wrong, how long the longest answer is.
  ImportReport report;
  Tokens longest{0};
  std::int64_t taken = 0;
  const auto survey = [&](const Conversation& conversation) {
    for (std::size_t turn : conversation.turns) {
      longest = std::max(longest, texts->estimate(conversation.messages[turn].text));
    }
    report.requests += conversation.turns.size();
    ++taken;
    return taken != *limit;
  };
  Expected<void> read = read_conversations(inputs.paths, *texts, inputs.strict, report, survey);
  if (!read) return read.error();
  if (taken == 0) return no_requests(report, inputs.paths.front());

  report.assumptions = {options.text("chars_per_token") + " characters per token",
                        "conversations begin at random, " + options.text("rate") +
                            " a second (Poisson), and a question comes " + options.text("think") +
                            " after the answer before it, in the mean (exponential)"};
  if (report.left_out > 0) {
    report.assumptions.push_back(format_integer(static_cast<std::int64_t>(report.left_out)) +
                                 " rows left out: conversations without a question and its answer");
  }
  Expected<Tokens> max_tokens = max_tokens_of_all(options, longest, report.assumptions);
  if (!max_tokens) return max_tokens.error();

  Expected<TraceWriter> writer = open(report.assumptions);
  if (!writer) return writer.error();
  Emitter emitter(*texts, static_cast<std::uint64_t>(*seed), *rate, Seconds(*think), *max_tokens,
                  *writer);
  ImportReport ignored;
  read = read_conversations(inputs.paths, *texts, false, ignored, [&](Conversation conversation) {
    emitter.add(std::move(conversation));
    return --taken > 0;
  });
  if (!read) return read.error();
  emitter.finish();
  if (Expected<void> ok = writer->finish(); !ok) return ok.error();
  return report;
}

}  // namespace

TraceFormat sharegpt_format() {
  TraceFormat format;
  format.name = "sharegpt";
  format.sentence =
      "ShareGPT's conversations, a JSON array or JSON lines: conversations of from and value";
  format.source = "huggingface.co/datasets/anon8231489123/ShareGPT_Vicuna_unfiltered";
  format.options = text_options();
  format.options.push_back({"rate", "1", "conversations that begin per second"});
  format.options.push_back({"think", "10 s", "from an answer to the next question, in the mean"});
  format.options.push_back({"conversations", "0", "take only so many; 0: all"});
  format.options.push_back({"seed", "1", "of the times"});
  format.options.push_back(default_max_tokens_option());
  format.import = import_sharegpt;
  return format;
}

}  // namespace scsim
