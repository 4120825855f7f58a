// What the module's files share: references that count themselves, and the types of the module.
//
// Everything here is called with the interpreter's lock held.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cerrno>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "bytes.h"
#include "status.h"

namespace plainserve {

// Owns one reference to a Python object, or none.
class Ref {
   public:
    Ref() = default;
    ~Ref() { Py_XDECREF(object_); }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref& operator=(Ref&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    Ref(const Ref&) = delete;
    Ref& operator=(const Ref&) = delete;

    // Takes over a reference that the caller owns; may be null, after an error.
    static Ref owned(PyObject* object) { return Ref(object); }
    // Adds a reference.
    static Ref shared(PyObject* object) {
        Py_XINCREF(object);
        return Ref(object);
    }

    PyObject* get() const { return object_; }
    PyObject* release() { return std::exchange(object_, nullptr); }
    explicit operator bool() const { return object_ != nullptr; }

   private:
    explicit Ref(PyObject* object) : object_(object) {}
    PyObject* object_ = nullptr;
};

// A buffer of a Python object, released with the last reference to it; null after a Python error.
std::shared_ptr<Py_buffer> buffer_of(PyObject* object);

inline View view_of(const Py_buffer& buffer) {
    return {static_cast<const uint8_t*>(buffer.buf), static_cast<size_t>(buffer.len)};
}

// A function for Python to call, which is C: exceptions of C++ become those of Python.
template <PyObject* (*function)(PyObject*, PyObject*)>
PyObject* guarded(PyObject* self, PyObject* argument) {
    try {
        return function(self, argument);
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    } catch (const std::system_error& error) {
        errno = error.code().value();
        return PyErr_SetFromErrno(PyExc_OSError);
    }
}

// Whether a message of so many bytes can be sent: its length is a number of four bytes. False after a Python error.
bool check_length(size_t size);

// A status from a sequence (code, text, trailers), trailers being pairs of text. False after a Python error.
bool status_of(PyObject* given, Status& status);

// A deadline on the monotonic clock; None for never.
PyObject* deadline_object(double deadline);

}  // namespace plainserve
