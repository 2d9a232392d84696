// The KV cache of one sequence: per layer a typed LayerCache, on pages that forks share.
//
//   PagePool pool({.head_dim = 64, .page_tokens = 64, .device = at::kCPU, .type = at::kFloat});
//   KvCache cache(pool, shape);                   // empty
//   cache.append(layer, k, v, measure);           // k, v [tokens, kv_heads, head_dim], after RoPE
//   KvCache other = cache.fork();                 // copies nothing; whoever appends first copies
//   the last page cache.keep(layer, head, positions, measure);  // gather-compact: what is dropped
//   is freed CacheView view = cache.view(layer);           // what exec/operators read
//
// Lengths are ragged: every kv head of every layer has its own. Pages are counted by reference and
// freed with their last owner; bytes are those of allocated pages, never computed from lengths.
// (Types of layers: full or compressed (pages), quantised, recurrent state, host-resident pages.)
