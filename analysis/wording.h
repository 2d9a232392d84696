// Phrases that more than one report uses.
#pragma once

#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

std::string estimate_text(const Estimate& estimate);  // "1.24 s ±4.1 %"; no ± without an interval
std::string targets_text(const SloSummary& slo);      // "TTFT 1 s, TPOT 50 ms", or "none"
std::string dollars_text(double dollars);             // $1,234 · $12.34 · $0.0123
std::string energy_text(double joules);               // 12.3 kJ, 4.56 MJ
std::string power_text(double watts);                 // 5.61 kW
std::string grams_text(double grams);                 // 3.21 g, 1.20 kg
std::string count_text(double count);                 // 12.3 M
std::string flops_text(double per_second);            // 212 TFLOP/s
std::string bandwidth_text(double bytes_per_second);  // 1.24 TB/s, as data sheets write it
std::string slo_text(const Summary& summary);         // "met: ...", the answer in one sentence
std::string verdict_text(const Summary& summary);
std::string bottleneck_text(const Summary& summary);
std::string cache_worth_text(const Summary& summary);
std::string rates_text(const Summary& summary);
std::string money_text(const Money& money);
std::string outcomes_text(const GroupSummary& group);
std::string engines_on_gpus_text(const ClusterSummary& cluster);  // "8 engines on 8 GPUs"
std::string models_text(const Summary& summary);  // "llama-3.1-8b", several joined by ", "
std::string title_text(const Result& result);     // the trace's name, or its path

}  // namespace scsim::analysis
