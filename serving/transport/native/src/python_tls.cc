#include "python_tls.h"

namespace plainserve {

namespace {

constexpr long kReadBytes = 64 << 10;

class PythonTls final : public Tls {
   public:
    PythonTls(Ref object, Ref incoming, Ref outgoing, Ref buffer, PyObject* want_read)
        : object_(std::move(object)),
          incoming_(std::move(incoming)),
          outgoing_(std::move(outgoing)),
          buffer_(std::move(buffer)),
          want_read_(Ref::shared(want_read)) {}

    bool open(View ciphertext, const Sink& sink) override {
        if (!put(incoming_, ciphertext)) return false;
        if (!established_) {
            if (!Ref::owned(PyObject_CallMethod(object_.get(), "do_handshake", nullptr))) return only_waits();
            established_ = true;
            // A client that cannot speak HTTP/2 has no use for this port.
            const Ref protocol =
                Ref::owned(PyObject_CallMethod(object_.get(), "selected_alpn_protocol", nullptr));
            const bool http2 = protocol && PyUnicode_Check(protocol.get()) != 0 &&
                               PyUnicode_CompareWithASCIIString(protocol.get(), "h2") == 0;
            if (!http2) {
                PyErr_Clear();
                return false;
            }
        }
        // Reading when there is nothing raises an exception, which costs more than to ask first.
        while (pending()) {
            const Ref count =
                Ref::owned(PyObject_CallMethod(object_.get(), "read", "lO", kReadBytes, buffer_.get()));
            if (!count) return only_waits();
            const long size = PyLong_AsLong(count.get());
            if (size <= 0) return false;
            const auto* data = reinterpret_cast<const uint8_t*>(PyByteArray_AsString(buffer_.get()));
            if (!sink(View(data, static_cast<size_t>(size)))) return false;
        }
        return true;
    }

    bool seal(View plain, std::string& ciphertext) override {
        if (plain.size > 0 && !put(object_, plain)) return false;
        const Ref bytes = Ref::owned(PyObject_CallMethod(outgoing_.get(), "read", nullptr));
        char* data = nullptr;
        Py_ssize_t size = 0;
        if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &size) != 0) {
            PyErr_Clear();
            return false;
        }
        ciphertext.assign(data, static_cast<size_t>(size));
        return true;
    }

    bool established() const override { return established_; }

   private:
    static bool put(const Ref& into, View bytes) {
        const Ref object = Ref::owned(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data),
                                                                static_cast<Py_ssize_t>(bytes.size)));
        const Ref done =
            Ref::owned(object ? PyObject_CallMethod(into.get(), "write", "O", object.get()) : nullptr);
        if (!done) PyErr_Clear();
        return static_cast<bool>(done);
    }

    bool pending() const {
        const Ref waits = Ref::owned(PyObject_GetAttrString(incoming_.get(), "pending"));
        if (waits && PyLong_AsLong(waits.get()) > 0) return true;
        const Ref decrypted = Ref::owned(PyObject_CallMethod(object_.get(), "pending", nullptr));
        const bool some = decrypted && PyLong_AsLong(decrypted.get()) > 0;
        PyErr_Clear();
        return some;
    }

    // Whether the error is that more ciphertext is needed; clears it.
    bool only_waits() const {
        const bool waits = PyErr_ExceptionMatches(want_read_.get()) != 0;
        PyErr_Clear();
        return waits;
    }

    Ref object_, incoming_, outgoing_, buffer_, want_read_;
    bool established_ = false;
};

}  // namespace

PythonTlsMaker::PythonTlsMaker(PyObject* make) {
    if (make == Py_None) return;
    const Ref ssl = Ref::owned(PyImport_ImportModule("ssl"));
    want_read_ = Ref::owned(ssl ? PyObject_GetAttrString(ssl.get(), "SSLWantReadError") : nullptr);
    make_ = Ref::shared(make);
}

std::unique_ptr<Tls> PythonTlsMaker::make() {
    if (!make_) return nullptr;
    const Ref made = Ref::owned(PyObject_CallNoArgs(make_.get()));
    Ref object = Ref::owned(made ? PySequence_GetItem(made.get(), 0) : nullptr);
    Ref incoming = Ref::owned(object ? PySequence_GetItem(made.get(), 1) : nullptr);
    Ref outgoing = Ref::owned(incoming ? PySequence_GetItem(made.get(), 2) : nullptr);
    Ref buffer = Ref::owned(outgoing ? PyByteArray_FromStringAndSize(nullptr, kReadBytes) : nullptr);
    if (!buffer) {
        PyErr_WriteUnraisable(make_.get());
        return nullptr;
    }
    return std::make_unique<PythonTls>(std::move(object), std::move(incoming), std::move(outgoing),
                                       std::move(buffer), want_read_.get());
}

}  // namespace plainserve
