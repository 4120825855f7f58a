#include "loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace plainserve {

namespace {

constexpr size_t kBufferBytes = 256 << 10;

// What new clients may cost those that are being served, in each turn: a TLS handshake takes a millisecond.
constexpr int kAcceptedAtOnce = 64;
constexpr int kHandshakesAtOnce = 2;

double monotonic_seconds() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void add(int epoll, int fd, void* what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = what;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
}

// An address as gRPC writes it: "ipv4:127.0.0.1:4711", "ipv6:%5B::1%5D:4711".
std::string name_of(const sockaddr_storage& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(address);
        inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
        return std::string("ipv4:") + text.data() + ":" + std::to_string(ntohs(four.sin_port));
    }
    if (address.ss_family != AF_INET6) return "unix:";
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    const std::string port = std::to_string(ntohs(six.sin6_port));
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
        inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], text.data(), text.size());
        return std::string("ipv4:") + text.data() + ":" + port;
    }
    inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
    return std::string("ipv6:%5B") + text.data() + "%5D:" + port;
}

}  // namespace

Loop::Loop(Context& context, TlsMaker* tls)
    : context_(context), tls_(tls), epoll_(epoll_create1(EPOLL_CLOEXEC)), buffer_(kBufferBytes) {
    if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    context_.now = monotonic_seconds();
}

Loop::~Loop() {
    abandon_all();
    for (const int fd : listeners_) ::close(fd);
    ::close(epoll_);
}

void Loop::listen(int fd) {
    listeners_.push_back(fd);
    add(epoll_, fd, &listeners_);
}

void Loop::stop_listening() {
    for (const int fd : listeners_) {
        // A client that is connected by the system's word, and was not accepted, would be cut off.
        while (accept(fd)) {
        }
        forget(fd);
        ::close(fd);
    }
    listeners_.clear();
}

void Loop::watch(int fd) {
    foreign_ = fd;
    add(epoll_, fd, &foreign_);
}

int Loop::wait(int milliseconds) {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), milliseconds);
    return count < 0 ? 0 : count;
}

bool Loop::work(int events) {
    context_.now = monotonic_seconds();
    handshakes_ = 0;
    bool foreign = false;
    for (int i = 0; i < events; i++) {
        const epoll_event& event = events_[static_cast<size_t>(i)];
        if (event.data.ptr == &foreign_) {
            foreign = true;
        } else if (event.data.ptr == &listeners_) {
            for (const int fd : listeners_) accept(fd);
        } else {
            auto& connection = *static_cast<Connection*>(event.data.ptr);
            if ((event.events & EPOLLOUT) != 0) {
                connection.send_blocked(output_);
                mark(connection);
            }
            if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(connection);
        }
    }
    if (context_.now - swept_ >= kSweepMilliseconds * 1e-3) sweep();
    // Acknowledgements and refusals. Answers follow when they are known.
    flush();
    return foreign;
}

void Loop::read(Connection& connection) {
    // Waits for the next turn, which is told again that there is something to read.
    if (connection.in_handshake() && handshakes_++ >= kHandshakesAtOnce) return;
    connection.read(buffer_.data(), buffer_.size());
    mark(connection);
}

bool Loop::accept(int listener) {
    for (int i = 0; i < kAcceptedAtOnce; i++) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        const int fd =
            accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (exhausted) pause_listeners(true);
            return false;
        }
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::unique_ptr<Tls> tls = tls_ != nullptr ? tls_->make() : nullptr;
        if (tls_ != nullptr && !tls) {
            ::close(fd);
            continue;
        }
        auto connection = std::make_unique<Connection>(fd, context_, name_of(address), std::move(tls));
        add(epoll_, fd, connection.get());
        connections_.insert(connection.get());
        (void)connection.release();
    }
    return true;
}

void Loop::forget(int fd) {
    // Closing it is not enough while a process that was forked has it too.
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::destroy(Connection* connection) {
    forget(connection->fd());
    delete connection;
}

void Loop::pause_listeners(bool paused) {
    // They would be told of again at once, and again, as long as no file descriptor is free.
    if (paused == listeners_paused_) return;
    listeners_paused_ = paused;
    for (const int fd : listeners_) {
        epoll_event event{};
        event.events = paused ? 0U : uint32_t{EPOLLIN};
        event.data.ptr = &listeners_;
        epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
    }
}

void Loop::touch(const Session& session) { mark(*static_cast<Connection*>(session.owner)); }

void Loop::mark(Connection& connection) {
    if (connection.queued) return;
    connection.queued = true;
    dirty_.push_back(&connection);
}

void Loop::flush() {
    // By index: TLS calls Python, which may drop a Batch that was not answered, which marks connections.
    for (size_t i = 0; i < dirty_.size(); i++) {
        Connection* connection = dirty_[i];
        connection->queued = false;
        connection->flush(output_);
        if (!connection->dead()) {
            watch_room(*connection, connection->blocked());
        } else if (!connection->queued) {
            connection->queued = true;  // so that it is not marked any more
            dead_.push_back(connection);
        }
    }
    dirty_.clear();
    for (Connection* connection : dead_) {
        connections_.erase(connection);
        destroy(connection);
    }
    dead_.clear();
}

void Loop::watch_room(Connection& connection, bool wanted) {
    if (connection.waits_to_send == wanted) return;
    connection.waits_to_send = wanted;
    epoll_event event{};
    event.events = wanted ? uint32_t{EPOLLIN} | uint32_t{EPOLLOUT} : uint32_t{EPOLLIN};
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd(), &event);
}

void Loop::sweep() {
    swept_ = context_.now;
    pause_listeners(false);
    for (Connection* connection : connections_) {
        if (connection->check_time()) mark(*connection);
    }
}

void Loop::shut_down() {
    for (Connection* connection : connections_) {
        connection->shut_down();
        mark(*connection);
    }
    flush();
}

void Loop::abandon_all() {
    for (Connection* connection : connections_) destroy(connection);
    connections_.clear();
    dirty_.clear();
}

}  // namespace plainserve
