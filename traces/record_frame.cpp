#include "traces/record_frame.h"

#include <google/protobuf/message_lite.h>

#include "traces/check.h"

namespace scsim {
namespace {

constexpr int kCompressionLevel = 3;

void append_varint(std::uint64_t value, std::string& to) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

}  // namespace

FrameEncoder::FrameEncoder() : encoder_(ZSTD_createCCtx()) {
  SCSIM_CHECK(encoder_ != nullptr);
  ZSTD_CCtx_setParameter(encoder_.get(), ZSTD_c_compressionLevel, kCompressionLevel);
  ZSTD_CCtx_setParameter(encoder_.get(), ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(encoder_.get(), ZSTD_c_contentSizeFlag, 1);
}

void FrameEncoder::append(const google::protobuf::MessageLite& record, std::size_t bytes) {
  append_varint(bytes, content_);
  const std::size_t at = content_.size();
  content_.resize(at + bytes);
  record.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(content_.data() + at));
}

std::string_view FrameEncoder::compress() {
  SCSIM_CHECK(!content_.empty());
  compressed_.resize(ZSTD_compressBound(content_.size()));
  const std::size_t size = ZSTD_compress2(encoder_.get(), compressed_.data(), compressed_.size(),
                                          content_.data(), content_.size());
  SCSIM_CHECK(!ZSTD_isError(size));
  content_.clear();
  return std::string_view(compressed_).substr(0, size);
}

}  // namespace scsim
