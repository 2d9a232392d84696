#include "exec/engine/block_key.h"

#include <openssl/evp.h>

#include "traces/check.h"

namespace scsim::exec {
namespace {

BlockKey digest_of(std::span<const unsigned char> a, std::span<const unsigned char> b) {
  thread_local EVP_MD_CTX* const context = EVP_MD_CTX_new();
  BlockKey key;
  unsigned int size = 0;
  const bool done = EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1 &&
                    EVP_DigestUpdate(context, a.data(), a.size()) == 1 &&
                    EVP_DigestUpdate(context, b.data(), b.size()) == 1 &&
                    EVP_DigestFinal_ex(context, key.digest.data(), &size) == 1;
  SCSIM_CHECK(done && size == key.digest.size());
  return key;
}

std::span<const unsigned char> bytes(const void* data, std::size_t size) {
  return {static_cast<const unsigned char*>(data), size};
}

}  // namespace

std::string BlockKey::hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

BlockKey root_key(std::string_view model, std::string_view salt) {
  const std::uint64_t length = model.size();  // so that no two pairs run into one text
  const BlockKey of_model =
      digest_of(bytes(&length, sizeof(length)), bytes(model.data(), model.size()));
  return digest_of(of_model.digest, bytes(salt.data(), salt.size()));
}

BlockKey next_key(const BlockKey& before, std::span<const std::int32_t> tokens) {
  return digest_of(before.digest, bytes(tokens.data(), tokens.size_bytes()));
}

}  // namespace scsim::exec
