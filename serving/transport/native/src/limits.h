// What a connection may hold, and for how long; serving/transport/limits.py explains each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "headers.h"

namespace plainserve {

struct Limits {
    uint32_t message_bytes = 64U << 20;
    double handshake_seconds = 10;
    double idle_seconds = 300;
    double keepalive_seconds = 60;
    double keepalive_timeout_seconds = 20;
    double ping_interval_seconds = 10;
    uint32_t streams = 1024;
    double age_seconds = kNever;
};

// Bytes of requests that are not complete, as multiples of the largest message.
constexpr size_t kConnectionShare = 4;
constexpr size_t kTotalShare = 16;

// Bytes of a call's headers. SETTINGS_MAX_HEADER_LIST_SIZE tells clients, and they need not listen.
constexpr size_t kHeaderBytes = 16 << 10;

// Bytes of headers that end the connection: a compressed block of a few bytes can unpack to any number.
constexpr size_t kHeaderBytesOfAttack = 16 * kHeaderBytes;

// What a client may send before it is granted more: for each call, and for all of a connection.
constexpr int32_t kStreamWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 4 << 20;
constexpr uint32_t kFrameSize = 256 << 10;

// Bytes of answers that a client has not read, from which on its further calls are refused.
constexpr size_t kUnreadAnswers = 16 << 20;

// Frames that wait to be sent, from which on a connection is ended: its client makes us answer and does not read.
constexpr size_t kQueuedFrames = 4000;

// Messages of fewer bytes are copied once more, which costs less than keeping what they are views of.
constexpr size_t kViewedFrom = 4096;

// Bytes of a stream's responses that are accepted before the client has read some.
constexpr size_t kStreamRoom = 64 << 10;

}  // namespace plainserve
