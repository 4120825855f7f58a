// The front end: a loop, and what Python is to be told of its calls.
#pragma once

#include "loop.h"
#include "python.h"
#include "python_tls.h"

namespace plainserve {

class FrontEnd final : public Host {
   public:
    // `object` is the Python object that owns this. See _frontend.pyi for the others.
    FrontEnd(PyObject* object, const Limits& limits, PyObject* admit, PyObject* begin, PyObject* make_tls);
    ~FrontEnd() override;

    // Waits up to `seconds` (negative: for ever), moves bytes, and gives the list of what Python has to do.
    Ref turn(double seconds, bool admits_all);

    // Has Python answer a call by itself. False after a Python error.
    bool begin(const Ref& call);

    // Sends what was answered.
    void flush() { loop_.flush(); }

    // Has the answer of a stream sent by the next flush().
    void touch(const Stream& stream) { loop_.touch(*stream.session); }

    // Ends a call that there is no memory for, and clears the error of Python.
    void give_up(Stream& stream);

    PyObject* object() const { return object_; }
    Context& context() { return context_; }
    Loop& loop() { return loop_; }
    bool foreign() const { return foreign_; }

    // Ends all connections, and lets go of Python's objects.
    void close();

    // Host
    bool admit(Stream& stream, Status& status) override;
    void ready(Stream& stream) override;
    void changed(Stream& stream) override;
    void closed(Stream& stream) override;

   private:
    Ref gather();

    PyObject* object_;
    Ref admit_;
    Ref begin_;
    PythonTlsMaker tls_;
    Context context_;
    Loop loop_;
    std::vector<Stream*> ready_;
    std::vector<Ref> changed_;  // the Calls
    bool foreign_ = false;
};

// The Python object.
struct FrontEndObject {
    PyObject_HEAD
    FrontEnd* front_end;
};

// Makes the types of the module. False after a Python error.
bool add_front_end_type(PyObject* module);
bool add_call_type(PyObject* module);
bool add_batch_type(PyObject* module);

// A Call of a stream, which the stream then has in `call` until it is closed; see call.cc. Null after a Python error.
Ref make_call(FrontEnd& front_end, Stream& stream);
void call_closed(Stream& stream, std::vector<Ref>& changed);

// A Batch of streams whose messages match one template; see batch.cc. Null after a Python error.
struct Matched {
    Stream* stream;
    Match match;
};
Ref make_batch(FrontEnd& front_end, const std::vector<Matched>& matched);

}  // namespace plainserve
