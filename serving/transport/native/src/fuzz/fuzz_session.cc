// What libFuzzer drives: the bytes of one connection, in pieces, into a session whose calls are answered at once,
// later, in parts, or never. Checked besides what the sanitizers see: nothing is counted that has left, and each call
// is told of once and ends once. tests/security/fuzz_session.py builds and runs it.
#include <cstdio>
#include <cstdlib>
#include <unordered_set>

#include "../session.h"

using namespace plainserve;

namespace {

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

// Takes bytes off the input; zeros once there are none.
class Input {
   public:
    explicit Input(View bytes) : left_(bytes) {}
    uint8_t byte() {
        if (left_.size == 0) return 0;
        const uint8_t value = *left_.data;
        left_ = left_.from(1);
        return value;
    }
    View bytes(size_t most) {
        const View taken = left_.first(std::min(most, left_.size));
        left_ = left_.from(taken.size);
        return taken;
    }
    bool empty() const { return left_.size == 0; }

   private:
    View left_;
};

class Recorder final : public Host {
   public:
    bool admit(Stream&, Status& status) override {
        status.code = 16;
        status.text = "no";
        return admits;
    }
    void ready(Stream& stream) override {
        check(open.insert(&stream).second, "a call is told of once");
        check(stream.method != nullptr && stream.method->implemented, "a call that is told of has a method");
        check(stream.method->streaming || stream.message.has_value(), "a unary call has its message");
        waiting.push_back(&stream);
    }
    void changed(Stream& stream) override { check(stream.messages != nullptr, "only streams change"); }
    void closed(Stream& stream) override {
        open.erase(&stream);
        waiting.erase(std::remove(waiting.begin(), waiting.end(), &stream), waiting.end());
    }

    bool admits = true;
    std::unordered_set<Stream*> open;
    std::vector<Stream*> waiting;
};

// Does something with a call that waits, as a byte of the input says.
void act(Session& session, Recorder& host, Input& input) {
    if (host.waiting.empty()) return;
    const uint8_t choice = input.byte();
    Stream& stream = *host.waiting[choice % host.waiting.size()];
    std::vector<Piece> pieces;
    static const std::string large(100000, 'x');
    pieces.emplace_back(std::string("\0\0\0\0\3abc", 8));
    if ((choice & 64) != 0) pieces.emplace_back(View(large), std::make_shared<int>(0));
    if (stream.messages) {
        while (session.take(stream)) {
        }
        if ((choice & 32) != 0) {
            session.respond(stream, std::move(pieces));
            return;
        }
        session.end(stream, Status());
    } else if ((choice & 32) != 0) {
        Status status;
        status.code = 3;
        status.text = "100 % wrong\n";
        session.end(stream, std::move(status));
    } else {
        session.answer(stream, std::move(pieces));
    }
    host.waiting.erase(std::find(host.waiting.begin(), host.waiting.end(), &stream));
}

void run(Input input) {
    Recorder host;
    Limits limits;
    limits.message_bytes = 1 << 20;
    limits.idle_seconds = 5;
    Context context(limits, host);
    context.methods.add("/a/Unary", false, true);
    context.methods.add("/a/Stream", true, true);
    context.methods.add("/a/Known", false, false);
    const uint8_t mode = input.byte();
    context.admits_all = (mode & 1) != 0;
    host.admits = (mode & 2) == 0;
    {
        Session session(context, "ipv4:127.0.0.1:1");
        Output output;
        bool alive = (mode & 4) != 0 || session.receive(View(kPreface, sizeof kPreface - 1));
        while (!input.empty()) {
            const uint8_t size = input.byte();
            context.now += (size & 3) == 3 ? 1.0 : 0.0;
            if (alive) alive = session.receive(input.bytes(size < 250 ? size : 4096U * size));
            if ((size & 1) != 0) act(session, host, input);
            if ((size & 16) != 0 && alive) alive = session.check_time();
            if (size == 77) session.shut_down();
            while (session.send(output)) {
            }
            output.vectors();
            session.collect();
            output.clear();
        }
    }
    check(host.open.empty(), "a call ends with its connection");
    check(context.budget.held() == 0, "all bytes that were counted are released");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    run(Input(View(data, size)));
    return 0;
}
