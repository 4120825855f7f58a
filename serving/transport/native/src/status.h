// How a call ends: gRPC's status code, its message, and further trailers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bytes.h"

namespace plainserve {

// The codes that the transport itself answers with.
// Source: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
enum Code : int {
    kUnknown = 2,
    kDeadlineExceeded = 4,
    kResourceExhausted = 8,
    kUnimplemented = 12,
    kInternal = 13,
};

struct Status {
    int code = 0;
    std::string text;
    std::vector<std::pair<std::string, std::string>> trailers;
};

// The percent-encoding of a status message: all bytes but printable ASCII, and '%' itself.
// Source: "Status-Message" in gRPC's PROTOCOL-HTTP2 document.
std::string percent_encoded(const std::string& text);

}  // namespace plainserve
