#include "connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace plainserve {

namespace {

constexpr size_t kMostVectors = 64;

// A client has so long to notice that the connection ends. Closed at once, it would lose what was sent last.
constexpr double kFarewellSeconds = 2;

}  // namespace

Connection::Connection(int fd, Context& context, std::string peer, std::unique_ptr<Tls> tls)
    : fd_(fd), context_(context), session_(context, std::move(peer)), tls_(std::move(tls)) {
    session_.owner = this;
}

Connection::~Connection() { ::close(fd_); }

void Connection::read(uint8_t* buffer, size_t size) {
    const ssize_t count = ::recv(fd_, buffer, size, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        dead_ = true;
    } else if (half_closed_ == 0) {
        take(View(buffer, static_cast<size_t>(count)));
    }
}

void Connection::take(View bytes) {
    if (failed_) return;
    if (!tls_) {
        failed_ = !session_.receive(bytes);
        return;
    }
    // What is left of a handshake that failed is an alert, which is sent.
    failed_ = !tls_->open(bytes, [this](View plain) { return session_.receive(plain); });
}

bool Connection::check_time() {
    if (half_closed_ > 0) {
        dead_ = dead_ || context_.now - half_closed_ > kFarewellSeconds;
        return dead_;
    }
    if (!session_.check_time()) failed_ = true;
    if (failed_ && failed_since_ == 0) failed_since_ = context_.now;
    // A client that reads nothing is not told why.
    dead_ = dead_ || (failed_since_ > 0 && context_.now - failed_since_ > kFarewellSeconds);
    return failed_ || session_.wants_to_send();
}

void Connection::flush(Output& output) {
    if (dead_ || half_closed_ > 0) return;
    bool more = true;
    while (more && !blocked()) {
        output.clear();
        more = (!tls_ || tls_->established()) && session_.send(output);
        const bool sent = tls_ ? write_sealed(output) : write(output);
        session_.collect();
        if (!sent) {
            dead_ = true;
            return;
        }
    }
    if (!blocked() && (failed_ || (!session_.alive() && !in_handshake()))) finish();
}

// Writes the output. What the socket does not take is copied. False: it is broken.
bool Connection::write(Output& output) {
    std::vector<iovec>& vectors = output.vectors();
    size_t next = 0;
    while (next < vectors.size()) {
        const size_t count = std::min(vectors.size() - next, kMostVectors);
        msghdr message{};
        message.msg_iov = &vectors[next];
        message.msg_iovlen = count;
        const ssize_t written = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) return false;
            break;
        }
        auto left = static_cast<size_t>(written);
        while (next < vectors.size() && left >= vectors[next].iov_len) left -= vectors[next++].iov_len;
        if (left > 0) {
            vectors[next].iov_base = static_cast<char*>(vectors[next].iov_base) + left;
            vectors[next].iov_len -= left;
        }
    }
    for (; next < vectors.size(); next++) {
        unsent_.append(static_cast<const char*>(vectors[next].iov_base), vectors[next].iov_len);
    }
    return true;
}

bool Connection::write_sealed(Output& output) {
    std::string plain;
    for (const iovec& each : output.vectors())
        plain.append(static_cast<const char*>(each.iov_base), each.iov_len);
    std::string ciphertext;
    if (!tls_->seal(View(plain), ciphertext)) return false;
    output.clear();
    output.copy(View(ciphertext));
    return write(output);
}

void Connection::send_blocked(Output& output) {
    std::string blocked;
    blocked.swap(unsent_);
    output.clear();
    output.copy(View(blocked));
    if (!write(output)) dead_ = true;
}

void Connection::finish() {
    ::shutdown(fd_, SHUT_WR);
    half_closed_ = context_.now;
}

}  // namespace plainserve
