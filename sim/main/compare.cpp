#include "analysis/compare.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "sim/main/commands.h"

namespace scsim::program {
namespace {

struct CompareArguments {
  std::string a, b;
};

// `path` is a result, or the folder that --out wrote one to.
Expected<Result> read(const std::string& path) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  return read_result(is_folder ? (std::filesystem::path(path) / "result.pb").string() : path);
}

ExitCode compare(const CompareArguments& arguments) {
  const auto a = read(arguments.a);
  if (!a) return fail(a.error());
  const auto b = read(arguments.b);
  if (!b) return fail(b.error());
  const analysis::Comparison comparison = analysis::compare(*a, *b, {}, arguments.a, arguments.b);
  std::fputs(analysis::comparison_text(comparison).c_str(), stdout);
  return ExitCode::kOk;
}

}  // namespace

Command compare_command() {
  auto arguments = std::make_shared<CompareArguments>();
  return {.name = "compare",
          .sentence = "set two results side by side, paired by request",
          .arguments = {{.name = "A",
                         .into = &arguments->a,
                         .sentence = "a folder that --out wrote, or its result.pb",
                         .required = true,
                         .completes = Completes::kFile},
                        {.name = "B",
                         .into = &arguments->b,
                         .sentence = "the other",
                         .required = true,
                         .completes = Completes::kFile}},
          .run = [arguments] { return compare(*arguments); }};
}

}  // namespace scsim::program
