// Bytes on their way to a socket: small ones copied into one block, large ones left where they are.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "bytes.h"

namespace plainserve {

class Output {
   public:
    // Appends a copy.
    void copy(View bytes);

    // Appends bytes that stay where they are until clear() is called. Few bytes are copied all the same.
    void refer(View bytes);

    // All that was appended, in order; valid until something else is appended.
    std::vector<iovec>& vectors();

    size_t size() const { return size_; }
    void clear();

   private:
    struct Piece {
        const uint8_t* data;  // null for the next bytes of block_
        size_t size;
    };

    std::vector<uint8_t> block_;
    std::vector<Piece> pieces_;
    std::vector<iovec> vectors_;
    size_t size_ = 0;
};

}  // namespace plainserve
