// TLS by Python's ssl module, through memory BIOs.
#pragma once

#include "python.h"
#include "tls.h"

namespace plainserve {

class PythonTlsMaker final : public TlsMaker {
   public:
    // `make` gives (ssl.SSLObject, its incoming ssl.MemoryBIO, the outgoing one) for a new connection.
    explicit PythonTlsMaker(PyObject* make);

    std::unique_ptr<Tls> make() override;
    // Lets go of what makes connections; none can be made any more.
    void close() { make_ = Ref(); }
    bool wanted() const { return static_cast<bool>(make_); }

   private:
    Ref make_;
    Ref want_read_;
};

}  // namespace plainserve
