// What ServeGen publishes of each client of a service: how often it asks (bins of ten minutes, each
// with a rate and a distribution of the gaps), and how long its prompts and answers are (tables for
// windows of six hours).
//
// Files: DIR/chunk-7-trace.csv, lines of `start_s, requests_per_s, cv, Gamma|Weibull|, shape,
// scale`; DIR/chunk-7-dataset.json, {window_start_s: {"input_tokens": "{45: 0.01, ...}", ...}}. The
// last part of DIR is the model. A pool of several kinds of input has text_tokens and, for images,
// audio and video each, a count per request and tokens of one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/quantity.h"
#include "traces/rng.h"
#include "traces/trace_format.h"

namespace scsim {

// A table of values with their probabilities.
class LengthTable {
 public:
  // "{45: 0.0097, 46: 0.0117}".
  static Expected<LengthTable> parse(std::string_view text);
  bool empty() const { return values_.empty(); }
  std::int64_t draw(Rng& rng) const;  // REQUIRES: !empty()
  std::int64_t largest() const { return values_.empty() ? 0 : values_.back(); }

 private:
  std::vector<std::int64_t> values_;  // ascending, those that can be drawn
  std::vector<double> cumulative_;
};

struct ServeGenClient {
  struct Bin {
    double start_s = 0, end_s = 0;
    double rate = 0;       // requests per second
    bool weibull = false;  // otherwise gamma
    double shape = 1;
  };
  struct Parts {  // of a prompt: so many, each so long
    LengthTable count, tokens;
  };
  struct Window {
    double start_s = 0;
    LengthTable prompt, output;
    std::vector<Parts> parts;
  };

  std::string name;             // "deepseek-r1/chunk-7"
  std::string model;            // "deepseek-r1"
  std::vector<Bin> bins;        // in order of time
  std::vector<Window> windows;  // in order of time, at least one

  double requests_in(double start_s, double end_s) const;  // expected
};

// All clients below `path` (a folder or an archive), by model and number. Bins that are wrong are
// rejected rows of `report` and count as silent; anything else that is wrong ends the import.
Expected<std::vector<ServeGenClient>> read_servegen_clients(const std::string& path, bool strict,
                                                            ImportReport& report);

}  // namespace scsim
