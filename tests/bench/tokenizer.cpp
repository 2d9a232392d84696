// How many tokens a second a tokenizer takes, on one core. Answers are checked first.
//
//   bench_tokenizer [tokenizer.json | tokenizer.model]
//
// Without an argument: the small vocabularies of tests/data/tokenizers. The text is SCSim's own
// sources (code and prose, natural words) and the 20,000 lines of the identity test (every
// language, odd spaces: words seldom repeat). Each encode() is checked to decode to its text, or
// for vocabularies that change texts to give the same ids again. A CSV line per case: medians over
// five runs.
#include "exec/text/tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/exec/text/fixtures.h"
#include "traces/check.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string sources() {
  std::vector<std::string> paths;
  for (const char* folder : {"traces", "sim", "exec/text", "tests/sim", "tests/traces"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(SCSIM_SOURCE_DIR) + "/" + folder)) {
      const std::string extension = entry.path().extension();
      if (extension == ".h" || extension == ".cpp") paths.push_back(entry.path());
    }
  }
  std::ranges::sort(paths);
  std::string text;
  for (const std::string& path : paths) text += *read_file(path);
  return text;
}

std::int64_t encode_all(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::int64_t tokens = 0;
  for (const std::string& text : texts) {
    tokens += std::ssize(tokenizer.encode(text, SpecialTokens::kAsText));
  }
  return tokens;
}

// REQUIRES: `expected` tokens, where that is known.
void measure(const std::string& name, const Tokenizer& tokenizer, const std::string& corpus,
             const std::vector<std::string>& texts, std::optional<std::int64_t> expected) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  const std::int64_t tokens = encode_all(tokenizer, texts);
  if (expected) SCSIM_CHECK_EQ(tokens, *expected);
  std::vector<double> seconds;
  for (int run = 0; run < 5; ++run) {
    const double start = cpu_seconds();
    SCSIM_CHECK_EQ(encode_all(tokenizer, texts), tokens);
    seconds.push_back(cpu_seconds() - start);
  }
  std::ranges::sort(seconds);
  std::printf("%s,%s,%lld,%lld,%s,%s,%s,%s\n", name.c_str(), corpus.c_str(),
              static_cast<long long>(bytes), static_cast<long long>(tokens),
              format_fixed(seconds[2], 4).c_str(), format_fixed(seconds[4] - seconds[0], 4).c_str(),
              format_fixed(static_cast<double>(tokens) / seconds[2] / 1e6, 2).c_str(),
              format_fixed(static_cast<double>(bytes) / seconds[2] / 1e6, 1).c_str());
}

int measure_both(const std::string& name, const Expected<Tokenizer>& tokenizer,
                 std::optional<std::int64_t> expected_of_lines) {
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  static const std::string text = sources();
  SCSIM_CHECK(tokenizer->decode(tokenizer->encode(text, SpecialTokens::kAsText), true) == text);
  measure(name, *tokenizer, "sources", {text}, std::nullopt);
  measure(name, *tokenizer, "lines", test::lines(), expected_of_lines);
  return 0;
}

int run(int argc, char** argv) {
  std::printf("vocabulary,corpus,bytes,tokens,median_s,spread_s,million_tokens_per_s,mb_per_s\n");
  if (argc > 1) {
    const std::string path = argv[1];
    return measure_both(
        path, path.ends_with(".json") ? load_tokenizer_json(path) : load_sentencepiece(path), {});
  }
  const auto expected = nlohmann::json::parse(test::fixture_text("expected.json"));
  for (const char* name : {"smollm2", "llama3", "qwen2", "llama2", "mistral", "sp_bpe"}) {
    const std::int64_t tokens = expected[name]["as_text"]["tokens"];
    const int failed = measure_both(name, test::load_fixture(name), tokens);
    if (failed != 0) return failed;
  }
  return 0;
}

}  // namespace
}  // namespace scsim::exec

int main(int argc, char** argv) { return scsim::exec::run(argc, argv); }
