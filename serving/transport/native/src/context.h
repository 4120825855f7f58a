// What all connections of one front end share.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>

#include "budget.h"
#include "limits.h"
#include "method.h"
#include "stream.h"

namespace plainserve {

// Told by sessions what happens to calls. None of these may send or receive on the session that calls.
class Host {
   public:
    virtual ~Host() = default;

    // Whether a call is admitted, asked when its headers are complete. If not, `status` is why.
    virtual bool admit(Stream& stream, Status& status) = 0;

    // A unary call has its message, or a stream has begun. Once for each call.
    virtual void ready(Stream& stream) = 0;

    // A stream has another message, or has room again, or the client has sent all.
    virtual void changed(Stream& stream) = 0;

    // The call is over: answered, reset, or its connection lost. The stream is gone afterwards.
    virtual void closed(Stream& stream) = 0;
};

struct DeleteCallbacks {
    void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};
struct DeleteOption {
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

struct Context {
    Context(const Limits& given, Host& told);

    Limits limits;
    Methods methods;
    ByteBudget budget;  // bytes of requests that are not complete
    Host& host;
    double now = 0;           // on the monotonic clock, in seconds; set at each turn of the loop
    bool admits_all = false;  // nobody needs to be asked whether a call is admitted
    std::unique_ptr<nghttp2_session_callbacks, DeleteCallbacks> callbacks;
    std::unique_ptr<nghttp2_option, DeleteOption> option;
};

}  // namespace plainserve
