// One HTTP/2 stream, which carries one call.
//
// Owned by its session, which destroys it once the stream is closed and what was sent of it has left. Those who look
// at it from elsewhere, a Call or a Batch of the Python module, are told by Host::closed when it goes.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headers.h"
#include "message.h"
#include "status.h"

namespace plainserve {

class Session;
struct Method;

// A part of a response: bytes of its own, or a view of bytes that `keep` keeps where they are.
struct Piece {
    std::string own;
    View view;
    std::shared_ptr<void> keep;

    explicit Piece(std::string bytes) : own(std::move(bytes)) {}
    Piece(View bytes, std::shared_ptr<void> owner) : view(bytes), keep(std::move(owner)) {}
    View bytes() const { return keep ? view : View(own); }
};

struct Stream {
    Session* session = nullptr;
    int32_t id = 0;
    const Method* method = nullptr;  // null if there is no such method

    // The request.
    RequestHeaders headers;
    double deadline = kNever;  // on the monotonic clock
    double received = 0;       // when something of it last arrived
    MessageReader reader;
    std::optional<Message> message;                 // of a unary call
    std::unique_ptr<std::deque<Message>> messages;  // of a stream: those that were not taken yet
    size_t counted = 0;                             // bytes that it has of the budget
    size_t unconsumed = 0;                          // bytes by which its window is not open again
    bool remote_ended = false;                      // the client has sent all
    bool refused = false;                           // what still arrives is dropped

    // The response.
    bool responding = false;  // its headers are queued
    bool ended = false;       // nothing is added to it any more
    bool deferred = false;    // the session waits for more of it
    Status status;
    std::vector<Piece> pieces;
    size_t next_piece = 0;
    size_t piece_sent = 0;  // bytes of the next piece that have left
    size_t unsent = 0;      // bytes of all pieces that have not

    // What looks at it.
    void* call = nullptr;     // a Call of the Python module
    Stream** slot = nullptr;  // its place in a batch
    bool handed_over = true;  // false while it is ready and in nobody's hands

    // The streams of its session.
    Stream* before = nullptr;
    Stream* after = nullptr;
};

}  // namespace plainserve
