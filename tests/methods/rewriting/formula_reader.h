// The language model of tests/data/llmlingua/make_llmlingua.py: a formula over all tokens read.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "exec/api/prompt_tools.h"

namespace scsim::test {

class FormulaReader final : public exec::TokenReader {
 public:
  explicit FormulaReader(int vocabulary) : vocabulary_(vocabulary) {}

  Expected<std::vector<float>> read(std::span<const std::int32_t> tokens,
                                    exec::Measure& measure) override {
    std::vector<float> found;
    for (const std::int32_t token : tokens) {
      found.push_back(read_.empty() ? -std::numeric_limits<float>::infinity()
                                    : static_cast<float>(known(token)));
      read_.push_back(token);
    }
    measure.now().tokens += std::ssize(tokens);
    return found;
  }
  std::unique_ptr<exec::TokenReader> fork() const override {
    return std::make_unique<FormulaReader>(*this);
  }

 private:
  double known(std::int32_t token) const {
    const std::int64_t last = read_.back();
    const std::int64_t second = read_.size() > 1 ? read_[read_.size() - 2] : 0;
    std::int64_t state = 0;
    for (std::size_t i = 0; i < read_.size(); ++i) {
      state = (state + static_cast<std::int64_t>(i + 1) * read_[i]) % 53;
    }
    const auto logit = [&](std::int64_t v) {
      const std::int64_t sum =
          v * 37 + last * 101 + second * 17 + state * 13 + v * last * 7 + v * state * 5;
      return static_cast<double>(sum % 97) / 20;
    };
    double all = 0;
    for (int v = 0; v < vocabulary_; ++v) all += std::exp(logit(v));
    return logit(token) - std::log(all);
  }

  int vocabulary_;
  std::vector<std::int32_t> read_;
};

}  // namespace scsim::test
