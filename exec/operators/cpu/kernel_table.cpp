// The table of one instruction set.
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {

#define SCSIM_TEXT_OF(name) #name
#define SCSIM_TEXT(name) SCSIM_TEXT_OF(name)

const CpuKernels& kernels() {
  static const CpuKernels table = {
      .name = SCSIM_TEXT(SCSIM_ISA),
      .prefill_scratch = prefill_scratch,
      .prefill = prefill,
      .decode_scratch = decode_scratch,
      .decode = decode,
      .packed_scratch = packed_scratch,
      .attend_packed = attend_packed,
      .score_scratch = score_scratch,
      .score_tops = score_tops,
      .score_sums = score_sums,
      .dot_listed = dot_listed,
      .dot_rows = dot_rows,
      .rms_norm = rms_norm,
      .silu_and_multiply = silu_and_multiply,
      .rope = rope,
      .conv_row = conv_row,
      .ssd_share = ssd_share,
      .ssd_scratch = ssd_scratch,
      .ssd_chunk = ssd_chunk,
      .ssd_step = ssd_step,
      .selective_scratch = selective_scratch,
      .selective_scan = selective_scan,
  };
  return table;
}

}  // namespace scsim::exec::SCSIM_ISA
