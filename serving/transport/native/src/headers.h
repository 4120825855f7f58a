// The request headers of a call: what the transport needs of them, and whether they are those of a gRPC call.
//
// Source: "Request-Headers" in gRPC's PROTOCOL-HTTP2 document.
#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "bytes.h"

namespace plainserve {

constexpr double kNever = std::numeric_limits<double>::infinity();

using Metadata = std::vector<std::pair<std::string, std::string>>;

enum class Encoding { kIdentity, kGzip, kDeflate, kUnknown };

struct RequestHeaders {
    bool is_post = false;
    bool is_grpc = false;  // by its content type
    bool timeout_malformed = false;
    Encoding encoding = Encoding::kIdentity;
    double timeout = kNever;  // seconds
    size_t bytes = 0;         // as HTTP/2 counts them: 32 more for each header
    Metadata metadata;        // those that admission may look at; empty where nobody asks

    // Takes a header. ":path" is left to the caller.
    void add(View name, View value, bool keep);
};

// The seconds of a "grpc-timeout"; negative if it is malformed.
double parse_timeout(View value);

}  // namespace plainserve
