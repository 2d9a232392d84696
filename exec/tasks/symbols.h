// Sessions in few symbols of a small vocabulary, for models that know no language: letters, digits
// and a little punctuation, a character each. What is asked is the task's own; what is said around
// it is left out. One turn after the other, as prompts of style `symbols` put them:
//
//   task           context                question and answer  what it means
//   kv             Qa47Bx03...            ?Qa47                a key, then its value of two digits
//   prefix_suffix  kdtwa;qpmzx;...        ?q_zx=qpmzx          the one string that begins and ends
//   so vt             ..AB=17;..CD=AB;..     ?17=AB CD EF         who has the value, along the
//   chain mf             217,904,...            ?1>904  ?2<305       the largest, the second
//   smallest many_shot      badC;fcaA;...          ?hacC                one letter of each input
//   decides
//
// Keys of kv have two characters, and more where a context has over 1,352 tokens; strings of
// prefix_suffix have five, variables of vt two, numbers of mf three. The noise of vt is small
// letters. In many_shot each session draws which of the three places decides and what each of the
// eight letters there stands for: A, B, C or D. An answer ends at its own length; a "?" ends it
// earlier.
#pragma once

#include <string>

#include "exec/tasks/task.h"
#include "traces/expected.h"

namespace scsim::exec {

Expected<TaskSession> kv_in_symbols(const GenerateRequest& request, const CountTokens& count);
Expected<TaskSession> prefix_suffix_in_symbols(const GenerateRequest& request,
                                               const CountTokens& count);
Expected<TaskSession> vt_in_symbols(const GenerateRequest& request, const CountTokens& count);
Expected<TaskSession> mf_in_symbols(const GenerateRequest& request, const CountTokens& count);
Expected<TaskSession> many_shot_in_symbols(const GenerateRequest& request,
                                           const CountTokens& count);

// A turn of such a session; an answer may have a token for each of its characters.
Turn turn_in_symbols(std::string question, std::vector<std::string> answers);

// How such a turn is put to a model.
PlainText symbols_text(const TaskEntry& task, const Turn& turn);

// All characters that these sessions are made of, each once.
std::string symbol_characters();

}  // namespace scsim::exec
