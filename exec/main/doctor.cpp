// scexec doctor: what this machine has of what we use, and what is missing.
#include <ATen/Parallel.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "exec/main/commands.h"
#include "exec/session/commit.h"
#include "exec/session/device.h"
#include "exec/session/loaded_model.h"
#include "exec/tasks/material.h"
#include "traces/report/text_table.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;

void line(const std::string& head, const std::string& text) {
  std::fputs(
      wrapped(head + std::string(head.size() < 10 ? 10 - head.size() : 1, ' '), text).c_str(),
      stdout);
}

std::string or_missing(const std::string& path, const std::string& remedy) {
  return path.empty() ? "missing: " + remedy : path;
}

ExitCode doctor() {
  const Expected<c10::Device> cpu = open_device("cpu");
  const CalibrationDevice device = describe_device(*cpu);
  line("program",
       "scexec " + std::string(tool_version()) + ", commit " + std::string(source_commit()));
  line("libtorch", device.library + ", " + std::to_string(device.threads) + " threads");
  line("cpu", device.name + ", " + format_bytes(static_cast<double>(device.memory_bytes)) +
                  " of memory; " +
                  (__builtin_cpu_supports("avx2") != 0 ? "AVX2 kernels"
                                                       : "portable kernels: this CPU has no AVX2"));
  const Expected<c10::Device> cuda = open_device("cuda");
  line("cuda", cuda ? "a device is there: --device cuda" : cuda.error().message);
  const Expected<std::string> model = default_model_path();
  line("model", model ? *model : model.error().message);
  const Material material = Material::find();
  line("material", "of generated tasks:");
  line("  data", or_missing(material.data,
                            "set SCSIM_DATA to the folder of evaluation data, for "
                            "many_shot, qa_eng, choice_eng"));
  line("  python", or_missing(material.python, "install the package python3, for repoqa"));
  line("  manual", or_missing(material.manual, "install the package manpages, for summary"));
  line("  chinese", or_missing(material.manual_chn, "install the package manpages-zh, for qa_chn"));
  return ExitCode::kOk;
}

}  // namespace

Command doctor_command() {
  return {.name = "doctor",
          .sentence = "print what this machine has of what is used, and what is missing",
          .arguments = {},
          .run = doctor};
}

}  // namespace scsim::exec
