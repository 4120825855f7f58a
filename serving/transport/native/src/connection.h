// One accepted socket with its session, and TLS if there is any.
//
// Owned by the loop. All functions are called on the loop's thread.
#pragma once

#include <memory>
#include <string>

#include "session.h"
#include "tls.h"

namespace plainserve {

class Connection {
   public:
    // Owns `fd`. `tls` is null for a connection without encryption.
    Connection(int fd, Context& context, std::string peer, std::unique_ptr<Tls> tls);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Reads once into `buffer`, and takes what was read.
    void read(uint8_t* buffer, size_t size);

    // Sends what there is to send, until the socket takes no more.
    void flush(Output& output);

    // Sends what the socket did not take before; called when it has room.
    void send_blocked(Output& output);

    // Looks at the clock; true if there is something to send, or it is dead.
    bool check_time();

    // Tells the client that no more calls are taken.
    void shut_down() { session_.shut_down(); }

    int fd() const { return fd_; }
    bool dead() const { return dead_; }                // the loop is to destroy it
    bool blocked() const { return !unsent_.empty(); }  // the socket takes no more
    bool in_handshake() const { return tls_ && !tls_->established(); }

    // The loop's marks: it is among those to be flushed; it is watched for room.
    bool queued = false;
    bool waits_to_send = false;

   private:
    void take(View bytes);
    bool write(Output& output);
    bool write_sealed(Output& output);
    void finish();

    int fd_;
    Context& context_;
    Session session_;
    std::unique_ptr<Tls> tls_;
    std::string unsent_;
    bool failed_ = false;  // ends once all is sent
    bool dead_ = false;
    double failed_since_ = 0;  // by check_time()
    double half_closed_ = 0;   // when our half was closed; what still arrives is dropped
};

}  // namespace plainserve
