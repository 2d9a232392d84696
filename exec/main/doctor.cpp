// scexec doctor: what this machine has of what we use; what is missing, and what to do about it.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "exec/main/commands.h"
#include "exec/operators/operators.h"
#include "exec/session/commit.h"
#include "exec/session/device.h"
#include "exec/session/loaded_model.h"
#include "exec/session/nvml.h"
#include "exec/session/rapl.h"
#include "exec/tasks/material.h"
#include "traces/files.h"
#include "traces/report/text_table.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;

void line(const std::string& head, const std::string& text) {
  std::fputs(
      wrapped(head + std::string(head.size() < 11 ? 11 - head.size() : 1, ' '), text).c_str(),
      stdout);
}

std::string or_missing(const std::string& path, const std::string& remedy) {
  return path.empty() ? "missing: " + remedy : path;
}

// The file that a function was loaded from.
template <class Function>
std::string file_of(Function* function) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(function), &info) == 0 || info.dli_fname == nullptr)
    return "unknown";
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, error);
  return error ? info.dli_fname : file.string();
}

// The words behind `name` in /proc/cpuinfo or a file like it.
std::string value_in(const std::string& file, const std::string& name) {
  const Expected<std::string> text = read_file(file);
  if (!text) return "";
  for (const std::string& each : split(*text, '\n')) {
    const std::size_t colon = each.find(':');
    if (colon != std::string::npos && trim(std::string_view(each).substr(0, colon)) == name)
      return std::string(trim(std::string_view(each).substr(colon + 1)));
  }
  return "";
}

std::string instruction_sets() {
  const std::vector<std::string> flags = split(value_in("/proc/cpuinfo", "flags"), ' ');
  std::string text;
  for (const auto& [name, flag] :
       {std::pair("AVX2", "avx2"), std::pair("FMA", "fma"), std::pair("AVX-512", "avx512f"),
        std::pair("AVX-512 VNNI", "avx512_vnni"), std::pair("AVX-512 BF16", "avx512_bf16"),
        std::pair("AMX", "amx_tile")}) {
    text += text.empty() ? "" : ", ";
    text += std::ranges::find(flags, flag) != flags.end() ? "" : "no ";
    text += name;
  }
  return text;
}

// Which of our kernels run, as exec/operators/cpu/pick_kernels.cpp decides.
std::string kernels() {
  const char* wanted = std::getenv("SCSIM_CPU_KERNELS");
  if (wanted != nullptr && std::string_view(wanted) == "portable")
    return "portable kernels (SCSIM_CPU_KERNELS asks for them)";
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0)
    return "AVX2 kernels";
#endif
  return "portable kernels: this CPU has no AVX2 and FMA";
}

std::string memory() {
  const double page = static_cast<double>(sysconf(_SC_PAGE_SIZE));
  std::string text = format_bytes(static_cast<double>(sysconf(_SC_PHYS_PAGES)) * page);
  const std::vector<std::string> words =
      split(value_in("/proc/meminfo", "MemAvailable"), ' ');  // "23456 kB"
  if (const Expected<std::int64_t> kib = parse_integer(words.front()); kib)
    text += ", " + format_bytes(static_cast<double>(*kib) * 1024) + " of it free";
  return text;
}

std::string sources(const std::vector<EnergyCounter>& counters) {
  std::string text;
  for (const EnergyCounter& counter : counters) text += (text.empty() ? "" : ", ") + counter.source;
  return text;
}

void gpu_lines() {
  const Expected<Nvml> nvml = Nvml::open();
  if (!nvml) {
    line("gpu", nvml.error().message);
  } else {
    line("gpu", "driver " + nvml->driver() + ", " + std::to_string(nvml->gpus().size()) +
                    (nvml->gpus().size() == 1 ? " GPU" : " GPUs"));
    for (const Gpu& gpu : nvml->gpus()) {
      line("", gpu.name + ", " + format_bytes(static_cast<double>(gpu.memory_bytes)) +
                   "; energy: " + (gpu.energy ? gpu.energy->source : "it has no counter"));
    }
  }
  const Expected<c10::Device> cuda = open_device("cuda");
  if (cuda) {
    line("cuda", "--device cuda is " + describe_device(*cuda).name);
  } else {
    line("cuda",
         cuda.error().message +
             (nvml ? "; SCSIM_LIBTORCH may name the folder `torch` of a wheel that has it" : ""));
  }
}

ExitCode doctor() {
  const CalibrationDevice device = describe_device(c10::Device(c10::kCPU));
  line("program",
       "scexec " + std::string(tool_version()) + ", commit " + std::string(source_commit()));
  line("cpu", device.name + "; " + instruction_sets());
  line("threads", std::to_string(device.threads) + " compute, of " +
                      std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " CPUs; --threads sets them");
  line("memory", memory());
  line("libtorch", device.library + " of " + file_of(&at::get_num_threads) + "; it uses " +
                       at::get_cpu_capability());
  line("operators", file_of(&merge_state) + "; " + kernels());
  const EnergyCounters rapl = rapl_counters();
  line("energy", rapl.counters.empty() ? rapl.why_none : sources(rapl.counters));
  gpu_lines();
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
