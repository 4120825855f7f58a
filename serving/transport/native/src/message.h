// One gRPC message as it arrives: a flag, a length of four bytes, and as many bytes as that says.
//
// A reader owns the memory of its message. It grows with what arrives, not with what a client says will arrive.
// Source: "Length-Prefixed-Message" in gRPC's PROTOCOL-HTTP2 document.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "bytes.h"

namespace plainserve {

constexpr size_t kPrefixBytes = 5;

// The prefix of a message that is not compressed.
std::string prefix_of(size_t size);

struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
};

using Memory = std::unique_ptr<uint8_t, Free>;

// A message that is complete, without its prefix.
struct Message {
    Memory memory;
    uint32_t size = 0;
    bool compressed = false;

    View view() const { return {memory.get(), size}; }
};

class MessageReader {
   public:
    enum class Result { kIncomplete, kComplete, kTooLarge, kMalformed };

    // Takes bytes from the front of `from`, up to the end of the message.
    //
    // `limit` is the largest message. After kTooLarge and kMalformed nothing more may be read.
    // Throws std::bad_alloc.
    Result read(View& from, uint32_t limit);

    // The message, after kComplete; the reader then begins another.
    Message take();

    // Whether some bytes of a message have arrived, and not all.
    bool begun() const { return prefix_filled_ > 0; }

    // Bytes of the message that have arrived.
    size_t arrived() const { return filled_; }

   private:
    void reserve(size_t bytes);

    std::array<uint8_t, kPrefixBytes> prefix_{};
    uint8_t prefix_filled_ = 0;
    Message message_;
    size_t filled_ = 0;
    size_t capacity_ = 0;
};

}  // namespace plainserve
