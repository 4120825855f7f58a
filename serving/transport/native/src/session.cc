#include "session.h"

#include <algorithm>

#include "guarded.h"

namespace plainserve {

namespace {

// The costs of what is not a request; see Credit.
constexpr double kFrameCost = 1;
constexpr double kSmallDataCost = 0.25;
constexpr double kErrorCost = 20;
constexpr double kRequestEarns = 4;

constexpr size_t kSmallData = 32;
constexpr int32_t kSmallWindowUpdate = 1024;

constexpr int kMostPingStrikes = 2;
constexpr size_t kSentAtOnce = 256 << 10;

// To a client that does not speak HTTP/2, which people have in their hands: curl, a browser.
constexpr char kPlainAnswer[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\nConnection: close\r\n\r\n"
    "This port speaks gRPC, which needs HTTP/2.\n";

bool looks_like_http1(View bytes) {
    for (const char* method :
         {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "TRACE "}) {
        if (bytes.starts_with(method)) return true;
    }
    return false;
}

}  // namespace

Session::Session(Context& context, std::string peer)
    : context_(context),
      peer_(std::move(peer)),
      budget_(kConnectionShare * context.limits.message_bytes),
      opened_(context.now),
      received_(context.now),
      sent_(context.now),
      busy_(context.now) {
    nghttp2_session_server_new2(&session_, context.callbacks.get(), this, context.option.get());
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, context.limits.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameSize},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kHeaderBytes},
        // gRPC has no use for priorities, and a tree of them is work that a client can make for nothing.
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Session::~Session() {
    // nghttp2 does not tell of streams that end with their session.
    nghttp2_session_del(session_);
    while (streams_ != nullptr) stream_closed(*streams_);
    collect();
}

bool Session::receive(View bytes) {
    if (failed_) return false;
    received_ = context_.now;
    const ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data, bytes.size);
    if (taken >= 0) return true;
    if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC && looks_like_http1(bytes)) {
        plain_answer_ = kPlainAnswer;
        failed_ = true;
        return false;
    }
    return fail(taken == NGHTTP2_ERR_CALLBACK_FAILURE ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
                "");
}

bool Session::send(Output& output) {
    if (!plain_answer_.empty()) {
        output.copy(View(plain_answer_));
        plain_answer_.clear();
        return false;
    }
    const size_t before = output.size();
    output_ = &output;
    bool more = true;
    while (more && output.size() - before < kSentAtOnce) {
        const uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &data);
        more = size > 0;
        if (more) output.copy(View(data, static_cast<size_t>(size)));
    }
    output_ = nullptr;
    if (output.size() > before || unsent_ == 0) sent_ = context_.now;
    return more;
}

void Session::collect() {
    for (Stream* stream : closed_) delete stream;
    closed_.clear();
    sent_pieces_.clear();
}

void Session::shut_down() {
    if (leaving_ || failed_) return;
    leaving_ = true;
    left_ = context_.now;
    // A client that has begun a call meanwhile is served: the last stream is named when it has answered the ping.
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    ping_sent_ = true;
}

bool Session::alive() const {
    return nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0;
}

bool Session::wants_to_send() const {
    return !plain_answer_.empty() || nghttp2_session_want_write(session_) != 0;
}

bool Session::check_time() {
    const Limits& limits = context_.limits;
    const double now = context_.now;
    if (failed_) return false;
    if (!greeted_) return now - opened_ < limits.handshake_seconds;
    if (headers_since_ > 0 && now - headers_since_ > limits.handshake_seconds) {
        return fail(NGHTTP2_ENHANCE_YOUR_CALM, "slow headers");
    }
    if (calls_ > 0) busy_ = now;
    if (unsent_ > 0 && now - sent_ > limits.idle_seconds)
        return fail(NGHTTP2_ENHANCE_YOUR_CALM, "unread answers");
    if (pinged_ > 0 && received_ < pinged_ && now - pinged_ > limits.keepalive_timeout_seconds) {
        return fail(NGHTTP2_NO_ERROR, "keepalive timeout");
    }
    if (ping_sent_ && now - left_ > limits.keepalive_timeout_seconds) return fail(NGHTTP2_NO_ERROR, "");
    if (now - busy_ > limits.idle_seconds || now - opened_ > limits.age_seconds) shut_down();
    if (now - std::max(received_, pinged_) > limits.keepalive_seconds) {
        nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
        pinged_ = now;
    }
    // A request that stands still is given up, so that nothing is held for clients that never end one.
    for (Stream* stream = streams_; stream != nullptr; stream = stream->after) {
        const bool waits = !stream->refused && !stream->remote_ended && stream->method != nullptr &&
                           (!stream->method->streaming || stream->reader.begun());
        if (waits && now - stream->received > limits.idle_seconds) {
            refuse(*stream, kDeadlineExceeded, "the request did not arrive in time; send all of it");
        }
    }
    return true;
}

bool Session::spend(double cost) { return credit_.spend(cost, context_.now); }

bool Session::fail(uint32_t error, const char* why) {
    if (!failed_) {
        nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                              error, reinterpret_cast<const uint8_t*>(why), std::strlen(why));
    }
    failed_ = true;
    return false;
}

Stream* Session::find(int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

int Session::take_frame(const nghttp2_frame& frame) {
    const nghttp2_frame_hd& header = frame.hd;
    double cost = kFrameCost;
    if (header.type == NGHTTP2_HEADERS) {
        headers_since_ = 0;
        cost = 0;
        if (nghttp2_session_get_outbound_queue_size(session_) > kQueuedFrames)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    } else if (header.type == NGHTTP2_DATA) {
        const bool last = (header.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        cost = header.length >= kSmallData || (last && header.length > 0) ? 0 : kSmallDataCost;
    } else if (header.type == NGHTTP2_WINDOW_UPDATE) {
        cost = frame.window_update.window_size_increment < kSmallWindowUpdate ? kFrameCost : 0;
    }
    if (cost > 0 && !spend(cost)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (header.type == NGHTTP2_SETTINGS) greeted_ = true;
    if (header.type == NGHTTP2_PING) return take_ping(frame);
    if (header.type != NGHTTP2_HEADERS && header.type != NGHTTP2_DATA) return 0;
    Stream* stream = find(header.stream_id);
    if (stream == nullptr) return 0;
    if (header.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST)
        headers_complete(*stream);
    if ((header.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream_complete(*stream);
    return 0;
}

int Session::take_ping(const nghttp2_frame& frame) {
    if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        pinged_ = 0;
        if (ping_sent_) {
            ping_sent_ = false;
            nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                  nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                                  nullptr, 0);
        }
        return 0;
    }
    const bool early =
        client_pinged_ > 0 && context_.now - client_pinged_ < context_.limits.ping_interval_seconds;
    client_pinged_ = context_.now;
    if (early && ++ping_strikes_ > kMostPingStrikes) {
        fail(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

void Session::frame_sent(const nghttp2_frame& frame) {
    const nghttp2_frame_hd& header = frame.hd;
    if (header.type == NGHTTP2_RST_STREAM && frame.rst_stream.error_code != NGHTTP2_NO_ERROR) {
        // A stream that we had to end because of what its client sent.
        credit_.spend(kErrorCost, context_.now);
    }
    if (header.type != NGHTTP2_HEADERS && header.type != NGHTTP2_DATA) return;
    // A client may ping more often while it gets answers.
    ping_strikes_ = 0;
    client_pinged_ = 0;
    if ((header.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
    Stream* stream = find(header.stream_id);
    if (stream != nullptr && !stream->remote_ended) {
        // The rest of the request is not wanted.
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
}

void Session::stream_closed(Stream& stream) {
    if (stream.ended) credit_.earn(kRequestEarns);
    release_count(stream);
    unsent_ -= stream.unsent;
    stream.unsent = 0;
    calls_--;
    busy_ = context_.now;
    headers_since_ = 0;
    (stream.before != nullptr ? stream.before->after : streams_) = stream.after;
    if (stream.after != nullptr) stream.after->before = stream.before;
    context_.host.closed(stream);
    closed_.push_back(&stream);
}

void Session::release_count(Stream& stream) {
    budget_.release(stream.counted);
    context_.budget.release(stream.counted);
    stream.counted = 0;
}

// What nghttp2 calls. A member function does each thing; these find it.
struct Callbacks {
    static Session& of(void* user_data) { return *static_cast<Session*>(user_data); }

    static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* user_data) {
        Session& session = of(user_data);
        if (header->type == NGHTTP2_CONTINUATION && !session.spend(kFrameCost))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        if (header->type != NGHTTP2_CONTINUATION) {
            session.headers_since_ = header->type == NGHTTP2_HEADERS ? session.context_.now : 0;
        }
        return 0;
    }
    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
        of(user_data).begin_headers(frame->hd.stream_id);
        return 0;
    }
    static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user_data) {
        Session& session = of(user_data);
        Stream* stream = session.find(frame->hd.stream_id);
        return stream == nullptr
                   ? 0
                   : session.take_header(*stream, View(name, name_size), View(value, value_size));
    }
    static int data(nghttp2_session* raw, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void* user_data) {
        Session& session = of(user_data);
        nghttp2_session_consume_connection(raw, size);
        Stream* stream = session.find(id);
        if (stream != nullptr && !stream->refused) session.take_data(*stream, View(data, size));
        return 0;
    }
    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        return of(user_data).take_frame(*frame);
    }
    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        of(user_data).frame_sent(*frame);
        return 0;
    }
    static int invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* user_data) {
        return of(user_data).spend(kErrorCost) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    static int stream_closed(nghttp2_session*, int32_t id, uint32_t, void* user_data) {
        Stream* stream = of(user_data).find(id);
        if (stream != nullptr) of(user_data).stream_closed(*stream);
        return 0;
    }
    static int send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* header, size_t size,
                         nghttp2_data_source* source, void* user_data) {
        Session& session = of(user_data);
        session.output_->copy(View(header, 9));
        session.fill(*static_cast<Stream*>(source->ptr), size);
        return 0;
    }
};

Context::Context(const Limits& given, Host& told)
    : limits(given), budget(kTotalShare * given.message_bytes), host(told) {
    nghttp2_session_callbacks* made = nullptr;
    nghttp2_session_callbacks_new(&made);
    callbacks.reset(made);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Guarded<Callbacks::begin_frame>::call);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Guarded<Callbacks::begin_headers>::call);
    nghttp2_session_callbacks_set_on_header_callback(made, Guarded<Callbacks::header>::call);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Guarded<Callbacks::data>::call);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Guarded<Callbacks::frame_received>::call);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Guarded<Callbacks::frame_sent>::call);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made,
                                                                 Guarded<Callbacks::invalid_frame>::call);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Guarded<Callbacks::stream_closed>::call);
    nghttp2_session_callbacks_set_send_data_callback(made, Guarded<Callbacks::send_data>::call);
    nghttp2_option* chosen = nullptr;
    nghttp2_option_new(&chosen);
    option.reset(chosen);
    // A stream's window opens again when its message is taken; see Session::take.
    nghttp2_option_set_no_auto_window_update(chosen, 1);
    nghttp2_option_set_no_closed_streams(chosen, 1);
    nghttp2_option_set_max_settings(chosen, 32);
    nghttp2_option_set_max_outbound_ack(chosen, kQueuedFrames);
    nghttp2_option_set_stream_reset_rate_limit(chosen, 1000, 200);
}

}  // namespace plainserve
