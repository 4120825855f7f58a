// Answers every unary call with the same message: the limit of a server on gRPC C++.
//
//     grpc_server ANSWER THREADS [CERTIFICATE KEY]
//
// ANSWER is a file with the message. The server listens on a free port of 127.0.0.1 and prints its address. It uses
// the asynchronous API with a generic service, which neither parses nor copies a request. Each thread has a
// completion queue of its own. This form uses less processor time than the callback API.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kCallsAhead = 128;  // calls that a queue can accept before it handles its next event

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A call, from its start to its end. It owns itself: the queue returns it as the tag of each of its operations, one
// at a time, and the last one deletes it. Only the thread of its queue uses it.
class Call {
 public:
  Call(grpc::AsyncGenericService* service, grpc::ServerCompletionQueue* queue, const grpc::ByteBuffer* answer)
      : service_(service), queue_(queue), answer_(answer) {
    service_->RequestCall(&context_, &stream_, queue_, queue_, this);
  }

  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Continues after an operation has finished; `ok` is false if it failed.
  void Proceed(bool ok) {
    switch (state_) {
      case State::kWaiting:
        if (!ok) break;
        new Call(service_, queue_, answer_);
        state_ = State::kReading;
        stream_.Read(&request_, this);
        return;
      case State::kReading:
        if (!ok) break;
        state_ = State::kAnswering;
        stream_.WriteAndFinish(*answer_, grpc::WriteOptions(), grpc::Status::OK, this);
        return;
      case State::kAnswering:
        break;
    }
    delete this;
  }

 private:
  enum class State { kWaiting, kReading, kAnswering };

  grpc::AsyncGenericService* service_;
  grpc::ServerCompletionQueue* queue_;
  const grpc::ByteBuffer* answer_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  grpc::ByteBuffer request_;
  State state_ = State::kWaiting;
};

void HandleCalls(grpc::ServerCompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const std::string& certificate, const std::string& key) {
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({ReadFile(key), ReadFile(certificate)});
  return grpc::SslServerCredentials(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) {
    std::cerr << "usage: grpc_server ANSWER THREADS [CERTIFICATE KEY]" << std::endl;
    return 2;
  }
  const grpc::Slice message(ReadFile(argv[1]));
  const grpc::ByteBuffer answer(&message, 1);

  int port = 0;
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0",
                           argc == 5 ? Credentials(argv[3], argv[4]) : grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  builder.SetMaxReceiveMessageSize(-1);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int made = 0; made < std::stoi(argv[2]); ++made) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::cout << "listening on 127.0.0.1:" << port << std::endl;

  std::vector<std::thread> threads;
  for (const auto& queue : queues) {
    for (int ahead = 0; ahead < kCallsAhead; ++ahead) new Call(&service, queue.get(), &answer);
    threads.emplace_back(HandleCalls, queue.get());
  }
  for (std::thread& thread : threads) thread.join();  // until a signal ends the process
}
