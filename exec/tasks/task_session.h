// A shared-context session as data: one long context and the questions that are asked about it.
// Readers (published_reader.h) and generators (task.h) make these; prompt.h puts them into words
// for a model; scorers hold answers against them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exec/scorers/scorer.h"

namespace scsim::exec {

struct Turn {
  std::string question;  // as the data have it (the field `input`)
  // vt: all variables, in the order of their chain. Others: what is right, the golden one first.
  std::vector<std::string> answers;
  std::vector<std::string> options;  // choice_eng: four texts; many_shot: their texts, if known
  std::string sub_task;              // of a mixed task: "repoqa", "kv", "summary", "passkey"
  std::string function_name;         // repoqa
  std::string opening;  // how a record would begin the answer: "Mary is in the"; may be empty
  // Texts of the context without which the question cannot be answered. Empty: the answers
  // themselves are looked for, where the task says that they stand in the context.
  std::vector<std::string> evidence;
  std::int64_t max_new_tokens = 1;
};

struct TaskSession {
  std::string task;  // a name of task_table()
  std::string id;    // of the row, or "seed 7, session 3"
  // "published: FILE:LINE", or "generated: ..." with what it is made of.
  std::string provenance;
  std::string context;
  std::vector<Turn> turns;
  std::string language;         // repoqa: python, java, typescript, rust, cpp, go
  std::string repository;       // repoqa
  std::vector<Needle> needles;  // repoqa: the functions that are asked for, in the order of turns
  // The preprocessed form: context and questions already are the prompts, instructions included.
  bool is_prompt = false;
  bool in_symbols = false;  // of symbols.h: for prompts of that style, and of no other
};

}  // namespace scsim::exec
