#include "python.h"

#include "headers.h"

namespace plainserve {

namespace {

bool text_of(PyObject* object, std::string& text) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(object, &size);
    if (data == nullptr) return false;
    text.assign(data, static_cast<size_t>(size));
    return true;
}

}  // namespace

std::shared_ptr<Py_buffer> buffer_of(PyObject* object) {
    auto buffer = std::make_unique<Py_buffer>();
    if (PyObject_GetBuffer(object, buffer.get(), PyBUF_SIMPLE) != 0) return nullptr;
    return {buffer.release(), [](Py_buffer* held) {
                PyBuffer_Release(held);
                delete held;
            }};
}

bool check_length(size_t size) {
    if (size <= UINT32_MAX) return true;
    PyErr_Format(PyExc_ValueError, "a message of %zu bytes cannot be sent; it can have at most %zu", size,
                 size_t{UINT32_MAX});
    return false;
}

bool status_of(PyObject* given, Status& status) {
    const Ref code = Ref::owned(PySequence_GetItem(given, 0));
    const Ref text = Ref::owned(code ? PySequence_GetItem(given, 1) : nullptr);
    const Ref trailers = Ref::owned(text ? PySequence_GetItem(given, 2) : nullptr);
    if (!trailers) return false;
    status.code = static_cast<int>(PyLong_AsLong(code.get()));
    if (PyErr_Occurred() != nullptr || !text_of(text.get(), status.text)) return false;
    const Py_ssize_t count = PySequence_Size(trailers.get());
    for (Py_ssize_t i = 0; i < count; i++) {
        const Ref pair = Ref::owned(PySequence_GetItem(trailers.get(), i));
        const Ref name = Ref::owned(pair ? PySequence_GetItem(pair.get(), 0) : nullptr);
        const Ref value = Ref::owned(name ? PySequence_GetItem(pair.get(), 1) : nullptr);
        std::pair<std::string, std::string> trailer;
        if (!value || !text_of(name.get(), trailer.first) || !text_of(value.get(), trailer.second))
            return false;
        status.trailers.push_back(std::move(trailer));
    }
    return count >= 0;
}

PyObject* deadline_object(double deadline) {
    if (deadline == kNever) Py_RETURN_NONE;
    return PyFloat_FromDouble(deadline);
}

}  // namespace plainserve
