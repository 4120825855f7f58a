// The part of Session that knows gRPC: from headers and data to requests, and from responses to headers and data.
#include <algorithm>

#include "guarded.h"
#include "session.h"

namespace plainserve {

namespace {

constexpr char kContentType[] = "application/grpc";
constexpr char kAcceptEncoding[] = "identity, deflate, gzip";

nghttp2_nv header(View name, View value, uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    return {const_cast<uint8_t*>(name.data), const_cast<uint8_t*>(value.data), name.size, value.size, flags};
}

// A header whose name and value are literals, which nghttp2 need not copy.
template <size_t N, size_t V>
nghttp2_nv literal(const char (&name)[N], const char (&value)[V]) {
    return header(View(name, N - 1), View(value, V - 1),
                  NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

// Whether the bytes begin as those of a compressed message do.
// Source: RFC 1952, 2.3.1; RFC 1950, 2.2.
bool looks_compressed(View bytes, Encoding encoding) {
    if (bytes.size < 2) return false;
    if (encoding == Encoding::kGzip) return bytes.data[0] == 0x1f && bytes.data[1] == 0x8b;
    return (bytes.data[0] & 0x0f) == 8 && (bytes.data[0] << 8 | bytes.data[1]) % 31 == 0;
}

}  // namespace

void Session::begin_headers(int32_t id) {
    auto* stream = new Stream;
    stream->session = this;
    stream->id = id;
    stream->received = context_.now;
    stream->after = streams_;
    if (streams_ != nullptr) streams_->before = stream;
    streams_ = stream;
    calls_++;
    nghttp2_session_set_stream_user_data(session_, id, stream);
}

int Session::take_header(Stream& stream, View name, View value) {
    RequestHeaders& headers = stream.headers;
    if (name.equals(":path")) stream.method = context_.methods.find(value);
    headers.add(name, value, !context_.admits_all && headers.bytes <= kHeaderBytes);
    return headers.bytes > kHeaderBytesOfAttack ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void Session::headers_complete(Stream& stream) {
    const RequestHeaders& headers = stream.headers;
    if (!headers.is_post) {
        refuse_http(stream, "405", "gRPC calls are POST requests");
    } else if (!headers.is_grpc) {
        refuse_http(stream, "415", "gRPC calls have the content type application/grpc");
    } else if (headers.bytes > kHeaderBytes) {
        refuse(stream, kResourceExhausted,
               "the headers are larger than max: " + std::to_string(kHeaderBytes) + " bytes");
    } else if (Status status; !context_.admits_all && !context_.host.admit(stream, status)) {
        stream.refused = true;
        end(stream, std::move(status));
    } else if (stream.method == nullptr || !stream.method->implemented) {
        refuse(stream, kUnimplemented, "Method not found!");
    } else if (headers.encoding == Encoding::kUnknown) {
        refuse(stream, kUnimplemented, "the message encoding is not known; use gzip, deflate or none");
    } else if (headers.timeout_malformed) {
        refuse(stream, kInternal, "the header grpc-timeout is malformed");
    } else if (unsent_ > kUnreadAnswers) {
        refuse(stream, kResourceExhausted, "too many answers were not read; read them first");
    } else {
        stream.deadline = context_.now + headers.timeout;
        if (stream.method->streaming) {
            stream.messages = std::make_unique<std::deque<Message>>();
            context_.host.ready(stream);
        }
    }
}

void Session::take_data(Stream& stream, View bytes) {
    stream.received = context_.now;
    stream.unconsumed += bytes.size;
    while (bytes.size > 0 && !stream.refused) {
        const size_t before = bytes.size;
        const auto result = stream.reader.read(bytes, context_.limits.message_bytes);
        const size_t count = before - bytes.size;
        if (result == MessageReader::Result::kTooLarge) {
            const std::string limit = std::to_string(context_.limits.message_bytes);
            refuse(stream, kResourceExhausted,
                   "the request is larger than max: " + limit + " bytes; split it");
        } else if (result == MessageReader::Result::kMalformed) {
            refuse(stream, kInternal, "the message has a malformed prefix");
        } else if (!count_bytes(stream, count)) {
            refuse(stream, kResourceExhausted,
                   "requests that are not complete hold too many bytes; send fewer at once");
        } else if (result == MessageReader::Result::kComplete) {
            message_complete(stream);
        }
    }
    // The window of a stream stays closed while requests wait in it; see take().
    if (!stream.messages || stream.messages->empty()) consume(stream);
}

bool Session::count_bytes(Stream& stream, size_t count) {
    if (!budget_.take(count)) return false;
    if (!context_.budget.take(count)) {
        budget_.release(count);
        return false;
    }
    stream.counted += count;
    return true;
}

void Session::consume(Stream& stream) {
    nghttp2_session_consume_stream(session_, stream.id, stream.unconsumed);
    stream.unconsumed = 0;
}

void Session::message_complete(Stream& stream) {
    Message message = stream.reader.take();
    if (stream.message) {
        refuse(stream, kUnimplemented, "the call has more than one request");
        return;
    }
    if (message.compressed) {
        if (stream.headers.encoding == Encoding::kIdentity) {
            refuse(stream, kInternal, "the message is marked as compressed, and the call names no encoding");
            return;
        }
        if (!looks_compressed(message.view(), stream.headers.encoding)) {
            refuse(stream, kInternal, "the message is not compressed as the header grpc-encoding says");
            return;
        }
    }
    if (!stream.messages) {
        stream.message = std::move(message);
        return;
    }
    stream.messages->push_back(std::move(message));
    context_.host.changed(stream);
}

void Session::stream_complete(Stream& stream) {
    stream.remote_ended = true;
    if (stream.refused) return;
    if (stream.reader.begun()) {
        refuse(stream, kInternal, "the call ended within a message");
    } else if (stream.messages) {
        context_.host.changed(stream);
    } else if (!stream.message) {
        refuse(stream, kUnimplemented, "the call ended without a request");
    } else {
        release_count(stream);
        context_.host.ready(stream);
    }
}

std::optional<Message> Session::take(Stream& stream) {
    if (!stream.messages || stream.messages->empty()) return std::nullopt;
    Message message = std::move(stream.messages->front());
    stream.messages->pop_front();
    if (stream.messages->empty()) {
        // What is left is the beginning of the next one.
        const size_t begun = stream.reader.begun() ? stream.reader.arrived() : 0;
        const size_t done = stream.counted - std::min(begun, stream.counted);
        budget_.release(done);
        context_.budget.release(done);
        stream.counted -= done;
        consume(stream);
    }
    return message;
}

void Session::answer(Stream& stream, std::vector<Piece> pieces) {
    stream.ended = true;
    respond(stream, std::move(pieces));
}

void Session::respond(Stream& stream, std::vector<Piece> pieces) {
    for (Piece& piece : pieces) {
        stream.unsent += piece.bytes().size;
        unsent_ += piece.bytes().size;
        stream.pieces.push_back(std::move(piece));
    }
    respond(stream);
}

void Session::end(Stream& stream, Status status) {
    if (stream.ended) return;
    stream.ended = true;
    stream.status = std::move(status);
    if (stream.responding || stream.status.code == 0) {
        respond(stream);
    } else {
        stream.responding = true;
        submit_end(stream, "200");
    }
}

void Session::refuse(Stream& stream, Code code, const std::string& text) {
    stream.refused = true;
    release_count(stream);
    Status status;
    status.code = code;
    status.text = text;
    if (code == kUnimplemented) status.trailers.emplace_back("grpc-accept-encoding", kAcceptEncoding);
    end(stream, std::move(status));
}

void Session::refuse_http(Stream& stream, const char* http_status, const std::string& text) {
    stream.refused = stream.ended = stream.responding = true;
    // The status of gRPC that clients derive from the one of HTTP.
    stream.status.code = kUnknown;
    stream.status.text = text;
    submit_end(stream, http_status);
}

void Session::respond(Stream& stream) {
    if (!stream.responding) {
        stream.responding = true;
        const nghttp2_nv headers[] = {literal(":status", "200"), literal("content-type", kContentType),
                                      literal("grpc-accept-encoding", kAcceptEncoding)};
        nghttp2_data_provider provider;
        provider.source.ptr = &stream;
        provider.read_callback = Guarded<read_response>::call;
        nghttp2_submit_response(session_, stream.id, headers, std::size(headers), &provider);
    } else if (stream.deferred) {
        stream.deferred = false;
        nghttp2_session_resume_data(session_, stream.id);
    }
}

void Session::submit_end(Stream& stream, const char* http_status) {
    const Status& status = stream.status;
    std::vector<nghttp2_nv> headers;
    if (http_status != nullptr) {
        headers.push_back(header(View(":status", 7), View(http_status, 3)));
        headers.push_back(literal("content-type", kContentType));
    }
    const std::string code = std::to_string(status.code);
    const std::string text = percent_encoded(status.text);
    headers.push_back(header(View("grpc-status", 11), View(code)));
    if (!text.empty()) headers.push_back(header(View("grpc-message", 12), View(text)));
    for (const auto& [name, value] : status.trailers) headers.push_back(header(View(name), View(value)));
    if (http_status != nullptr) {
        nghttp2_submit_response(session_, stream.id, headers.data(), headers.size(), nullptr);
    } else {
        nghttp2_submit_trailer(session_, stream.id, headers.data(), headers.size());
    }
}

// Says how many bytes of a response can be sent now; fill() then gives them.
ssize_t Session::read_response(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                               nghttp2_data_source* source, void* user_data) {
    auto& self = *static_cast<Session*>(user_data);
    auto& stream = *static_cast<Stream*>(source->ptr);
    if (stream.unsent == 0 && !stream.ended) {
        stream.deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream.unsent > most) return static_cast<ssize_t>(most);
    if (stream.ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (stream.status.code == 0 && stream.status.trailers.empty()) {
            static const nghttp2_nv ok[] = {literal("grpc-status", "0")};
            nghttp2_submit_trailer(session, id, ok, 1);
        } else {
            self.submit_end(stream, nullptr);
        }
    }
    return static_cast<ssize_t>(stream.unsent);
}

void Session::fill(Stream& stream, size_t count) {
    const bool was_full = stream.unsent > kStreamRoom;
    stream.unsent -= count;
    unsent_ -= count;
    while (count > 0) {
        const Piece& piece = stream.pieces[stream.next_piece];
        const View left = piece.bytes().from(stream.piece_sent);
        const View part = left.first(std::min(count, left.size));
        // Bytes of the stream's own are gone with the piece, the others when collect() is called.
        if (piece.keep) {
            output_->refer(part);
        } else {
            output_->copy(part);
        }
        count -= part.size;
        stream.piece_sent += part.size;
        if (stream.piece_sent == piece.bytes().size) {
            stream.next_piece++;
            stream.piece_sent = 0;
        }
    }
    if (stream.messages && stream.unsent == 0) {
        // A stream may have any number of responses. What views of them point to must stay until collect().
        for (Piece& piece : stream.pieces) {
            if (piece.keep) sent_pieces_.push_back(std::move(piece));
        }
        stream.pieces.clear();
        stream.next_piece = 0;
    }
    if (was_full && stream.unsent <= kStreamRoom && stream.messages) context_.host.changed(stream);
}

}  // namespace plainserve
