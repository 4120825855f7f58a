// One HTTP/2 connection that carries gRPC calls, without a socket: bytes in, bytes out, calls to the host.
//
// Used by one thread. Bytes that send() appends may point into what streams own; they are valid until collect().
// Sources: RFC 9113; gRPC's PROTOCOL-HTTP2 document.
#pragma once

#include <string>
#include <vector>

#include "context.h"
#include "output.h"

namespace plainserve {

class Session {
   public:
    // `peer` is the client's end of the connection, as gRPC names it. The context outlives the session.
    Session(Context& context, std::string peer);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Takes bytes from the client. False: the connection must end, once what send() gives has left.
    bool receive(View bytes);

    // Appends what is to be sent, up to a few hundred kilobytes. False: there is no more for now.
    bool send(Output& output);

    // Destroys the streams that are closed. What send() has appended must have left, or been copied.
    void collect();

    // Answers a unary call, whose status is then OK.
    void answer(Stream& stream, std::vector<Piece> pieces);

    // Adds a response to a stream.
    void respond(Stream& stream, std::vector<Piece> pieces);

    // Ends a call behind its responses.
    void end(Stream& stream, Status status);

    // Takes a request off a stream, so that the client may send more. None if there is none.
    std::optional<Message> take(Stream& stream);

    // Tells the client that no more calls are taken: first a notice, then, when it has seen that, the end.
    void shut_down();

    // Looks at the clock. False: the connection must end, once what send() gives has left.
    bool check_time();

    // Whether the connection has anything left to do.
    bool alive() const;

    bool wants_to_send() const;
    const std::string& peer() const { return peer_; }

    // The connection, for those that have an answer to send and know the session alone.
    void* owner = nullptr;

   private:
    friend struct Callbacks;

    void begin_headers(int32_t id);
    int take_header(Stream& stream, View name, View value);
    void headers_complete(Stream& stream);
    void take_data(Stream& stream, View bytes);
    void message_complete(Stream& stream);
    void stream_complete(Stream& stream);
    int take_frame(const nghttp2_frame& frame);
    int take_ping(const nghttp2_frame& frame);
    void frame_sent(const nghttp2_frame& frame);
    void stream_closed(Stream& stream);
    void fill(Stream& stream, size_t count);

    bool count_bytes(Stream& stream, size_t count);
    void release_count(Stream& stream);
    void consume(Stream& stream);
    void respond(Stream& stream);
    void refuse(Stream& stream, Code code, const std::string& text);
    void refuse_http(Stream& stream, const char* http_status, const std::string& text);
    void submit_end(Stream& stream, const char* http_status);
    static ssize_t read_response(nghttp2_session*, int32_t, uint8_t*, size_t, uint32_t*, nghttp2_data_source*,
                                 void*);
    bool spend(double cost);
    bool fail(uint32_t error, const char* why);
    Stream* find(int32_t id);

    Context& context_;
    std::string peer_;
    nghttp2_session* session_ = nullptr;
    Output* output_ = nullptr;  // while send() runs
    Stream* streams_ = nullptr;
    std::vector<Stream*> closed_;     // to be destroyed by collect()
    std::vector<Piece> sent_pieces_;  // likewise
    std::string plain_answer_;        // to a client that does not speak HTTP/2
    Credit credit_;
    ByteBudget budget_;  // bytes of requests that are not complete

    size_t calls_ = 0;      // streams that are open
    size_t unsent_ = 0;     // bytes of answers that the client has not taken
    bool greeted_ = false;  // the client has sent its SETTINGS
    bool failed_ = false;
    bool leaving_ = false;  // shut_down() was called
    bool ping_sent_ = false;
    int ping_strikes_ = 0;
    double opened_;
    double received_;           // when something last arrived
    double sent_;               // when something was last sent, or nothing waited to be
    double busy_;               // when a call last was open
    double headers_since_ = 0;  // when a block of headers began that is not complete; 0 if there is none
    double pinged_ = 0;         // by us; 0 if it was answered
    double client_pinged_ = 0;
    double left_ = 0;  // when shut_down() was called
};

}  // namespace plainserve
