// What dropping does to answers of a real model: five needles in a thousand tokens of prose, asked
// for one after the other. The first question is in view when SnapKV chooses; later ones are not.
// Which questions are answered is printed; the test asserts only what a few sessions can show.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "exec/session/loaded_model.h"
#include "methods/runtime.h"
#include "tests/exec/api/measured.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

using Ids = std::vector<std::int32_t>;
constexpr std::size_t kQuestions = 5;
const std::array<std::string, kQuestions> kCities = {"Lisbon", "Vienna", "Oslo", "Madrid",
                                                     "Dublin"};

struct Needles {
  std::string context;
  std::array<std::string, kQuestions> numbers;
};

// About `words` words of the prose, with a needle in each fifth of it.
Needles make_needles(const std::vector<std::string>& prose, std::size_t words, std::uint64_t draw) {
  Rng rng(34, "tests.needles", draw);
  Needles needles;
  std::size_t next = rng.below(prose.size() - words);
  std::array<std::size_t, kQuestions> order = {0, 1, 2, 3, 4};
  for (std::size_t i = kQuestions; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  for (const std::size_t city : order) {
    const std::size_t before = rng.below(words / kQuestions);
    for (std::size_t i = 0; i < words / kQuestions; ++i) {
      needles.context += prose[next++] + " ";
      if (i != before) continue;
      needles.numbers[city] = std::to_string(10000 + rng.below(90000));
      needles.context +=
          "The secret number of " + kCities[city] + " is " + needles.numbers[city] + ". ";
    }
  }
  return needles;
}

std::string question(std::size_t i) {
  return "\n\nQuestion: What is the secret number of " + kCities[i] +
         "?\nAnswer: The secret number of " + kCities[i] + " is";
}

// Which questions of the session are answered; each behind the true answers of those before it.
std::array<int, kQuestions> answered(exec::LoadedModel& loaded, exec::MethodRuntime& method,
                                     const Needles& needles) {
  const auto encode = [&](const std::string& text) {
    return loaded.tokenizer.encode(text, exec::SpecialTokens::kAsText);
  };
  Measured measured;
  exec::KvCache cache = loaded.model->make_cache();
  Ids prompt = encode("Read the text and remember the secret numbers in it.\n\n" + needles.context);
  std::array<int, kQuestions> right = {};
  for (std::size_t i = 0; i < kQuestions; ++i) {
    const Ids asked = encode(question(i));
    prompt.insert(prompt.end(), asked.begin(), asked.end());
    auto logits = loaded.model->prefill(prompt, cache, method, measured.measure);
    REQUIRE(logits.has_value());
    exec::KvCache answer = cache.fork();
    Ids said;
    for (int step = 0; step < 7; ++step) {
      said.push_back(static_cast<std::int32_t>(logits->argmax().item<std::int64_t>()));
      logits = loaded.model->decode(said.back(), answer, method, measured.measure);
      REQUIRE(logits.has_value());
    }
    right[i] = loaded.tokenizer.decode(said, false).find(needles.numbers[i]) != std::string::npos;
    prompt = encode(" " + needles.numbers[i] + ".");
  }
  return right;
}

}  // namespace

TEST_CASE("a quarter of the cache, chosen once, loses later questions that all of it answers",
          "[methods][dropping][slow]") {
  const auto path = exec::default_model_path();
  std::ifstream file("/usr/share/common-licenses/GPL-3");
  const std::vector<std::string> prose{std::istream_iterator<std::string>(file), {}};
  if (!path || !std::filesystem::exists(*path) || prose.size() < 2000) {
    std::cout << "SKIPPED: needs SmolLM2 and Debian's common-licenses" << std::endl;
    return;
  }
  auto loaded = exec::load_model(*path, {});
  REQUIRE(loaded.has_value());
  constexpr int kSessions = 2;
  const std::vector<std::string> methods = {"full", "snapkv:budget=512", "snapkv:budget=256",
                                            "snapkv:budget=512,compress=every_append"};
  std::vector<std::array<int, kQuestions>> totals(methods.size());
  for (std::uint64_t session = 0; session < kSessions; ++session) {
    const Needles needles = make_needles(prose, 700, session);  // about a thousand tokens
    for (std::size_t m = 0; m < methods.size(); ++m) {
      const auto runtime = methods::make_runtime(*methods::parse_method(methods[m]));
      const std::array<int, kQuestions> right = answered(*loaded, *runtime, needles);
      std::cout << "session " << session << ", " << methods[m] << ":";
      for (std::size_t i = 0; i < kQuestions; ++i) {
        std::cout << " " << right[i];
        totals[m][i] += right[i];
      }
      std::cout << std::endl;
    }
  }
  const auto later = [](const std::array<int, kQuestions>& total) {
    return total[1] + total[2] + total[3] + total[4];
  };
  CHECK(totals[0][0] + later(totals[0]) > kSessions * 2);  // of five questions each
  CHECK(later(totals[2]) < later(totals[0]));
}

}  // namespace scsim::test
