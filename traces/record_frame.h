// One frame being filled with records: what the writers of traces/record_file.h and
// traces/record_append.h share.
#pragma once

#include <zstd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace google::protobuf {
class MessageLite;
}

namespace scsim {

inline constexpr std::uint64_t kLargestFrameContent = 256ull << 20;  // also limits one record
inline constexpr std::size_t kLongestVarint = 10;

class FrameEncoder {
 public:
  FrameEncoder();
  std::size_t size() const { return content_.size(); }  // of what is in it, uncompressed
  // REQUIRES: size() + bytes + kLongestVarint <= kLargestFrameContent; `bytes` is what
  // record.ByteSizeLong() gave just now.
  void append(const google::protobuf::MessageLite& record, std::size_t bytes);
  // The frame, valid until the next call; the encoder is empty again. REQUIRES: size() > 0.
  std::string_view compress();

 private:
  struct FreeEncoder {
    void operator()(ZSTD_CCtx* encoder) const { ZSTD_freeCCtx(encoder); }
  };
  std::unique_ptr<ZSTD_CCtx, FreeEncoder> encoder_;
  std::string content_, compressed_;
};

}  // namespace scsim
