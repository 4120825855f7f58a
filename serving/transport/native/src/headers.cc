#include "headers.h"

namespace plainserve {

namespace {

constexpr size_t kHeaderOverhead = 32;  // RFC 9113, 6.5.2
constexpr size_t kMostTimeoutDigits = 8;

bool is_grpc_type(View value) {
    static constexpr char kType[] = "application/grpc";
    constexpr size_t length = sizeof kType - 1;
    if (!value.starts_with(kType)) return false;
    return value.size == length || value.data[length] == '+' || value.data[length] == ';';
}

Encoding encoding_of(View value) {
    if (value.equals("identity")) return Encoding::kIdentity;
    if (value.equals("gzip")) return Encoding::kGzip;
    if (value.equals("deflate")) return Encoding::kDeflate;
    return Encoding::kUnknown;
}

}  // namespace

double parse_timeout(View value) {
    if (value.size < 2 || value.size > kMostTimeoutDigits + 1) return -1;
    double number = 0;
    for (size_t i = 0; i + 1 < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return -1;
        number = number * 10 + (value.data[i] - '0');
    }
    switch (value.data[value.size - 1]) {
        case 'H':
            return number * 3600;
        case 'M':
            return number * 60;
        case 'S':
            return number;
        case 'm':
            return number * 1e-3;
        case 'u':
            return number * 1e-6;
        case 'n':
            return number * 1e-9;
        default:
            return -1;
    }
}

void RequestHeaders::add(View name, View value, bool keep) {
    bytes += name.size + value.size + kHeaderOverhead;
    if (name.size > 0 && name.data[0] == ':') {
        if (name.equals(":method")) is_post = value.equals("POST");
        return;
    }
    if (name.equals("content-type")) {
        is_grpc = is_grpc_type(value);
    } else if (name.equals("grpc-encoding")) {
        encoding = encoding_of(value);
    } else if (name.equals("grpc-timeout")) {
        timeout = parse_timeout(value);
        timeout_malformed = timeout < 0;
    }
    if (keep) metadata.emplace_back(name.text(), value.text());
}

}  // namespace plainserve
