// Generates gRPC load from a list of different requests, which h2load cannot do.
//
//     generator PORT CONNECTIONS SECONDS REQUESTS
//
// REQUESTS is a file of records: the length of a path, the path, the length of a body, the body (lengths in 4 bytes,
// big-endian; a body is the gRPC message with its prefix of 5 bytes). Each connection to 127.0.0.1 has one request in
// progress and goes through the list, starting at its own place. The output is one line for each answer: microseconds
// and grpc-status (-1 if there was none).

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Request {
  std::string path;
  std::string body;
};

struct Answer {
  int64_t microseconds;
  int status;
};

std::vector<Request> ReadRequests(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  size_t at = 0;
  const auto field = [&] {
    uint32_t length = 0;
    if (content.size() - at < sizeof length) throw std::runtime_error("the list of requests is cut off");
    std::memcpy(&length, content.data() + at, sizeof length);
    std::string value = content.substr(at + sizeof length, ntohl(length));
    at += sizeof length + value.size();
    return value;
  };
  std::vector<Request> requests;
  while (at < content.size()) {
    std::string name = field();
    requests.push_back({std::move(name), field()});
  }
  return requests;
}

// A connection and the request that is in progress on it. nghttp2 holds a pointer to it: it does not move.
class Connection {
 public:
  // `requests` and `answers` must outlive the connection.
  Connection(uint16_t port, const std::vector<Request>& requests, size_t first, std::vector<Answer>* answers)
      : requests_(requests), next_(first), answers_(answers), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect");
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    OpenSession();
    Send();
  }
  ~Connection() {
    nghttp2_session_del(session_);
    ::close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const { return socket_; }

  // Reads what has arrived, and sends the next request after an answer.
  void Receive() {
    uint8_t buffer[65536];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) throw std::runtime_error("the server closed a connection");
    if (nghttp2_session_mem_recv(session_, buffer, static_cast<size_t>(count)) < 0) {
      throw std::runtime_error("the server broke HTTP/2");
    }
    if (done_) Ask();
    Send();
  }

 private:
  void OpenSession() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (1u << 30) - 1};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, (1 << 30) - 1);
    Ask();
  }

  void Ask() {
    request_ = &requests_[next_++ % requests_.size()];
    sent_ = 0;
    status_ = -1;
    done_ = false;
    nghttp2_nv headers[] = {Field(":method", "POST"),     Field(":scheme", "http"),
                            Field(":authority", "bench"), Field(":path", request_->path),
                            Field("te", "trailers"),      Field("content-type", "application/grpc")};
    nghttp2_data_provider body{};
    body.read_callback = ReadBody;
    start_ = Clock::now();
    if (nghttp2_submit_request(session_, nullptr, headers, std::size(headers), &body, nullptr) < 0) {
      throw std::runtime_error("cannot open a stream");
    }
  }

  void Send() {
    const uint8_t* data = nullptr;
    for (ssize_t length; (length = nghttp2_session_mem_send(session_, &data)) > 0;) {
      for (ssize_t at = 0; at < length;) {
        const ssize_t count = ::send(socket_, data + at, static_cast<size_t>(length - at), MSG_NOSIGNAL);
        if (count < 0) throw std::runtime_error("the server closed a connection");
        at += count;
      }
    }
  }

  // A header that views its name and value, which must live until it is submitted.
  static nghttp2_nv Field(std::string_view name, std::string_view value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* to, size_t room, uint32_t* flags,
                          nghttp2_data_source*, void* self) {
    auto* connection = static_cast<Connection*>(self);
    const std::string& body = connection->request_->body;
    const size_t count = std::min(room, body.size() - connection->sent_);
    std::memcpy(to, body.data() + connection->sent_, count);
    connection->sent_ += count;
    if (connection->sent_ == body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_length,
                      const uint8_t* value, size_t value_length, uint8_t, void* self) {
    if (std::string_view(reinterpret_cast<const char*>(name), name_length) == "grpc-status") {
      static_cast<Connection*>(self)->status_ =
          std::stoi(std::string(reinterpret_cast<const char*>(value), value_length));
    }
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t, uint32_t, void* self) {
    auto* connection = static_cast<Connection*>(self);
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - connection->start_);
    connection->answers_->push_back({elapsed.count(), connection->status_});
    connection->done_ = true;
    return 0;
  }

  const std::vector<Request>& requests_;
  size_t next_;
  std::vector<Answer>* answers_;
  int socket_;
  nghttp2_session* session_ = nullptr;
  const Request* request_ = nullptr;
  size_t sent_ = 0;
  int status_ = -1;
  bool done_ = false;
  Clock::time_point start_;
};

void Run(uint16_t port, size_t count, double seconds, const std::vector<Request>& requests,
         std::vector<Answer>* answers) {
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<pollfd> waits;
  for (size_t at = 0; at < count; ++at) {
    connections.push_back(std::make_unique<Connection>(port, requests, at * requests.size() / count, answers));
    waits.push_back({connections.back()->socket(), POLLIN, 0});
  }
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    ::poll(waits.data(), waits.size(), 100);
    for (size_t at = 0; at < count; ++at) {
      if (waits[at].revents != 0) connections[at]->Receive();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: generator PORT CONNECTIONS SECONDS REQUESTS\n", stderr);
    return 2;
  }
  try {
    std::vector<Answer> answers;
    Run(static_cast<uint16_t>(std::stoi(argv[1])), std::stoul(argv[2]), std::stod(argv[3]), ReadRequests(argv[4]),
        &answers);
    for (const Answer& answer : answers) {
      std::printf("%lld %d\n", static_cast<long long>(answer.microseconds), answer.status);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generator: %s\n", error.what());
    return 1;
  }
}
