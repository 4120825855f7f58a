// TLS of one connection: ciphertext in, plain bytes out, and the other way. Knows no socket.
//
// Implemented with Python's ssl module (python_tls.cc), so that certificates, their reload and ALPN are those of Python.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bytes.h"

namespace plainserve {

class Tls {
   public:
    using Sink = std::function<bool(View)>;

    virtual ~Tls() = default;

    // Takes ciphertext, and gives what it holds to `sink`. False: the connection must end, or `sink` said so.
    virtual bool open(View ciphertext, const Sink& sink) = 0;

    // Appends the ciphertext of `plain`, and what the handshake has to send. False: the connection must end.
    virtual bool seal(View plain, std::string& ciphertext) = 0;

    // Whether the handshake is done. Nothing is sealed before.
    virtual bool established() const = 0;
};

class TlsMaker {
   public:
    virtual ~TlsMaker() = default;

    // For a new connection; null if there can be none now.
    virtual std::unique_ptr<Tls> make() = 0;
};

}  // namespace plainserve
