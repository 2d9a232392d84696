# A log whose prompts come from the engine's blocks, from RAM and from disk by turns: eight documents of so many tokens,
# each time with a question of 16. The first eight requests meet them; then come, by turns, the document asked about
# last, the one with three others asked about since, and the one with seven.
#   awk -v tokens=1024 -f examples/validation/paths.awk
BEGIN {
  print "time,prompt_tokens,output_tokens,blocks"
  for (i = 0; i < 200; ++i) {
    document = i < 8 ? i : recent[i % 3 == 0 ? 0 : i % 3 == 1 ? 3 : 7]
    for (at = 0; at < 7 && recent[at] != document; ++at);
    for (; at > 0; --at) recent[at] = recent[at - 1]
    recent[0] = document
    printf "%d,%d,2,\"[%d,%d]\"\n", 30 * i, tokens + 16, document + 1, 1000 + i
  }
}
