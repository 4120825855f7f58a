#include "output.h"

namespace plainserve {

namespace {

// Copying fewer bytes costs less than one more vector for the system.
constexpr size_t kCopiedBelow = 4096;

// A block that a burst has made larger is given back.
constexpr size_t kKeptBlock = 1 << 20;

}  // namespace

void Output::copy(View bytes) {
    if (bytes.size == 0) return;
    block_.insert(block_.end(), bytes.data, bytes.data + bytes.size);
    size_ += bytes.size;
    if (!pieces_.empty() && pieces_.back().data == nullptr) {
        pieces_.back().size += bytes.size;
    } else {
        pieces_.push_back({nullptr, bytes.size});
    }
}

void Output::refer(View bytes) {
    if (bytes.size < kCopiedBelow) {
        copy(bytes);
        return;
    }
    pieces_.push_back({bytes.data, bytes.size});
    size_ += bytes.size;
}

std::vector<iovec>& Output::vectors() {
    vectors_.clear();
    size_t copied = 0;
    for (const Piece& piece : pieces_) {
        const uint8_t* data = piece.data;
        if (data == nullptr) {
            data = block_.data() + copied;
            copied += piece.size;
        }
        vectors_.push_back({const_cast<uint8_t*>(data), piece.size});
    }
    return vectors_;
}

void Output::clear() {
    if (block_.capacity() > kKeptBlock) std::vector<uint8_t>().swap(block_);
    block_.clear();
    pieces_.clear();
    size_ = 0;
}

}  // namespace plainserve
