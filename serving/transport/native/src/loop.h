// Waits for sockets, and moves bytes between them and the sessions.
//
// Everything is called on one thread. wait() alone needs nothing but the system, so that the interpreter may be
// released around it.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <unordered_set>
#include <vector>

#include "connection.h"

namespace plainserve {

class Loop {
   public:
    // `tls` is null for connections without encryption; it outlives the loop.
    Loop(Context& context, TlsMaker* tls);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Owns `fd`, a socket that listens and does not block.
    void listen(int fd);
    void stop_listening();

    // Have wait() end when a foreign file is readable.
    void watch(int fd);

    // A file that is readable when there is work.
    int fd() const { return epoll_; }

    // Waits until something can be done; -1 milliseconds for ever. The number of events for work().
    int wait(int milliseconds);

    // Reads, accepts, looks at the clock. True: the foreign file is readable.
    bool work(int events);

    // Sends what has been answered since the last time.
    void flush();

    // The session has something to send. Sent by flush().
    void touch(const Session& session);

    // Milliseconds after which work() is to be called although nothing happened; -1 for never.
    int patience() const { return connections_.empty() ? -1 : kSweepMilliseconds; }

    void shut_down();
    void abandon_all();
    size_t connections() const { return connections_.size(); }

   private:
    static constexpr int kSweepMilliseconds = 100;

    // True: more may wait.
    bool accept(int listener);
    void forget(int fd);
    void destroy(Connection* connection);
    void read(Connection& connection);
    void mark(Connection& connection);
    void watch_room(Connection& connection, bool wanted);
    void sweep();
    void pause_listeners(bool paused);

    Context& context_;
    TlsMaker* tls_;
    int epoll_;
    std::vector<int> listeners_;
    bool listeners_paused_ = false;  // no file descriptors were left
    int foreign_ = -1;
    std::unordered_set<Connection*> connections_;
    std::vector<Connection*> dirty_;  // those that may have something to send, or to be destroyed
    std::vector<Connection*> dead_;
    std::array<epoll_event, 256> events_{};
    std::vector<uint8_t> buffer_;
    Output output_;
    double swept_ = 0;
    int handshakes_ = 0;  // in this turn
};

}  // namespace plainserve
