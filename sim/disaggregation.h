// Pools with roles: which prompts prefill pools compute for decode pools, and how the KV gets
// there.
//
// What engines do, and where it is said:
//   pull     vLLM's NixlConnector: the prefill engine computes the prompt and keeps its blocks; the
//            decode engine, when it has room for the whole prompt, reads what its own cache lacks,
//            then tells the other to free them (docs/features/disagg_prefill.md)
//   push     SGLang: the decode engine makes room first, then the prompt may be computed, then the
//            KV is written (disaggregation/decode.py: DecodePreallocQueue; prefill.py)
//   layered  the same, each layer written while the next is computed (Splitwise, Patel et al., ISCA
//            2024, 4.3)
// and where the first token comes from:
//   decode   vLLM computes the prompt's last token again where it decodes, to sample from it
//            (v1/core/sched/scheduler.py: _update_waiting_for_remote_kv)
//   with_kv  SGLang sends the token that the prefill engine sampled with the KV; the decode
//   engine's
//            server hands it to the client
//   prefill  TensorRT-LLM's server streams the context server's answer before the generation
//            server's (serve/openai_disagg_server.py: merge_streaming_responses)
// The decider by threshold is TensorRT-LLM's and Dynamo's max_local_prefill_length (1,000 tokens in
// Dynamo): prompt tokens that the decode engine does not hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/time.h"

namespace scsim::proto {
class ClusterConfig;
}

namespace scsim::sim {

struct Pool;

enum class Role : std::uint8_t { kBoth, kPrefill, kDecode };

struct Disaggregation {
  enum class Decider : std::uint8_t { kAlways, kThreshold, kNever };
  enum class Transfer : std::uint8_t { kPull, kPush, kLayered };
  enum class FirstToken : std::uint8_t { kDecode, kWithKv, kPrefill };
  bool on = false;  // some pool has a role
  Decider decider = Decider::kAlways;
  std::int64_t threshold = 0;    // tokens that the decode engine lacks
  std::int64_t max_waiting = 0;  // at every prefill engine; 0: no limit
  Transfer transfer = Transfer::kPull;
  FirstToken first_token = FirstToken::kDecode;
  Duration overhead{};
};

// Fills what the configuration leaves open, in it too. Errors name the key: a role without its
// counterpart, pools that could not use each other's KV, what is not modelled with roles.
Expected<Disaggregation> resolve_disaggregation(proto::ClusterConfig& config,
                                                const std::vector<Pool>& pools);

// Whether the pool computes prompts for the other one.
bool prefills_for(const Pool& prefill, const Pool& decode);

}  // namespace scsim::sim
