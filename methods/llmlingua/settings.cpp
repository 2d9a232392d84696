#include "methods/llmlingua/settings.h"

namespace scsim::methods {

std::vector<MethodParameter> lingua_parameters() {
  return {
      {.name = "rate",
       .default_value = 0.5,
       .min = 0.01,
       .max = 1,
       .sentence = "tokens that stay, of those of all documents; 1: every one"},
      {.name = "segment",
       .default_value = 100,
       .min = 2,
       .max = 1e6,
       .sentence = "tokens of a segment, compressed with the compressed ones before it in view"},
      {.name = "budget_factor",
       .default_value = 2,
       .min = 0,
       .max = 100,
       .sentence =
           "whole documents, the least predictable first, until they have more than this times "
           "rate times all tokens; 0: every document"},
      {.name = "budget_extra",
       .default_value = 0,
       .min = 0,
       .max = 1e9,
       .sentence = "and so many tokens more"},
      {.name = "rule",
       .default_value = 0,
       .min = 0,
       .max = 1,
       .sentence = "which tokens of a segment stay: the paper's rule, or what llmlingua 0.2.2 "
                   "does",
       .choices = {"paper", "released"}},
      {.name = "model",
       .sentence = "another model's folder or file, which scores in place of the model itself",
       .is_text = true}};
}

LinguaSettings lingua_settings(const MethodParameters& parameters) {
  return {.rule = static_cast<LinguaRule>(static_cast<int>(parameters.at("rule"))),
          .rate = parameters.at("rate"),
          .segment = static_cast<std::int64_t>(parameters.at("segment")),
          .budget_factor = parameters.at("budget_factor"),
          .budget_extra = parameters.at("budget_extra"),
          .model = parameters.text("model")};
}

}  // namespace scsim::methods
