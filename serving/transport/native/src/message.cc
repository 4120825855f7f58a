#include "message.h"

#include <algorithm>
#include <new>

namespace plainserve {

namespace {

constexpr size_t kFirstReservation = 64 << 10;

}  // namespace

std::string prefix_of(size_t size) {
    const char bytes[kPrefixBytes] = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                      static_cast<char>(size >> 8), static_cast<char>(size)};
    return {bytes, sizeof bytes};
}

MessageReader::Result MessageReader::read(View& from, uint32_t limit) {
    while (from.size > 0 && prefix_filled_ < kPrefixBytes) {
        prefix_[prefix_filled_++] = *from.data;
        from = from.from(1);
        if (prefix_filled_ < kPrefixBytes) continue;
        if (prefix_[0] > 1) return Result::kMalformed;
        message_.compressed = prefix_[0] == 1;
        message_.size = uint32_t{prefix_[1]} << 24 | uint32_t{prefix_[2]} << 16 | uint32_t{prefix_[3]} << 8 |
                        uint32_t{prefix_[4]};
        if (message_.size > limit) return Result::kTooLarge;
    }
    if (prefix_filled_ < kPrefixBytes) return Result::kIncomplete;
    const size_t count = std::min<size_t>(from.size, message_.size - filled_);
    if (count > 0) {
        reserve(filled_ + count);
        std::memcpy(message_.memory.get() + filled_, from.data, count);
        filled_ += count;
        from = from.from(count);
    }
    return filled_ == message_.size ? Result::kComplete : Result::kIncomplete;
}

Message MessageReader::take() {
    Message taken = std::move(message_);
    message_ = Message();
    prefix_filled_ = 0;
    filled_ = capacity_ = 0;
    return taken;
}

void MessageReader::reserve(size_t bytes) {
    if (bytes <= capacity_) return;
    const size_t wanted =
        std::min<size_t>(message_.size, std::max({bytes, 2 * capacity_, kFirstReservation}));
    auto* grown = static_cast<uint8_t*>(std::realloc(message_.memory.get(), wanted));
    if (grown == nullptr) throw std::bad_alloc();
    (void)message_.memory.release();
    message_.memory.reset(grown);
    capacity_ = wanted;
}

}  // namespace plainserve
