// What a peer may cost: bytes of requests that are not complete, and frames that are no requests.
#pragma once

#include <algorithm>
#include <cstddef>

namespace plainserve {

// Counts bytes against a limit. Not thread-safe.
class ByteBudget {
   public:
    explicit ByteBudget(size_t limit) : limit_(limit) {}

    // Counts bytes, unless that would exceed the limit. The first message may have any size.
    bool take(size_t bytes) {
        if (held_ > 0 && held_ + bytes > limit_) return false;
        held_ += bytes;
        return true;
    }
    void release(size_t bytes) { held_ -= bytes; }
    size_t held() const { return held_; }

   private:
    size_t limit_;
    size_t held_ = 0;
};

// The credit of one connection: a token bucket that everything costs which is not a request that is answered.
//
// Requests give credit back, so that a client pays nothing for the frames that belong to them.
class Credit {
   public:
    // Pays for something; false once there is nothing left. `now` is in seconds.
    bool spend(double cost, double now) {
        left_ -= cost;
        if (left_ > 0) return true;
        left_ = std::min(kMost, left_ + (now - refilled_) * kPerSecond);
        refilled_ = now;
        return left_ > 0;
    }
    void earn(double amount) { left_ = std::min(kMost, left_ + amount); }

   private:
    static constexpr double kMost = 2000;
    static constexpr double kPerSecond = 500;

    double left_ = kMost;
    double refilled_ = 0;
};

}  // namespace plainserve
