// The Call of the module: one call that Python answers by itself.
//
// A stream holds a reference to its Call until the stream is closed, and the Call a pointer to its stream until then.
#include "front_end.h"

namespace plainserve {

namespace {

struct CallObject {
    PyObject_HEAD
    PyObject* front_end;
    Stream* stream;     // null once it is closed
    PyObject* message;  // of a unary call
    PyObject* owner;
    double deadline;
    int method;
};

PyTypeObject* call_type = nullptr;

CallObject* self_of(PyObject* object) { return reinterpret_cast<CallObject*>(object); }

FrontEnd& front_end_of(const CallObject* call) {
    return *reinterpret_cast<FrontEndObject*>(call->front_end)->front_end;
}

// The parts of a message on the wire: small ones in one piece, large ones viewed. Empty after a Python error.
std::vector<Piece> pieces_of(PyObject* message) {
    std::vector<Piece> pieces;
    std::shared_ptr<Py_buffer> buffer = buffer_of(message);
    if (!buffer) return pieces;
    const View bytes = view_of(*buffer);
    if (!check_length(bytes.size)) return pieces;
    std::string prefix = prefix_of(bytes.size);
    if (bytes.size < kViewedFrom) {
        pieces.emplace_back(prefix.append(reinterpret_cast<const char*>(bytes.data), bytes.size));
    } else {
        pieces.emplace_back(std::move(prefix));
        pieces.emplace_back(bytes, std::move(buffer));
    }
    return pieces;
}

PyObject* call_answer(PyObject* object, PyObject* message) {
    CallObject* self = self_of(object);
    if (self->stream == nullptr) Py_RETURN_NONE;
    std::vector<Piece> pieces = pieces_of(message);
    if (pieces.empty()) return nullptr;
    self->stream->session->answer(*self->stream, std::move(pieces));
    front_end_of(self).touch(*self->stream);
    Py_RETURN_NONE;
}

PyObject* call_send(PyObject* object, PyObject* message) {
    CallObject* self = self_of(object);
    if (self->stream == nullptr) Py_RETURN_FALSE;
    std::vector<Piece> pieces = pieces_of(message);
    if (pieces.empty()) return nullptr;
    self->stream->session->respond(*self->stream, std::move(pieces));
    front_end_of(self).touch(*self->stream);
    return PyBool_FromLong(self->stream->unsent <= kStreamRoom ? 1 : 0);
}

PyObject* call_end(PyObject* object, PyObject* given) {
    CallObject* self = self_of(object);
    Status status;
    if (!status_of(given, status)) return nullptr;
    if (self->stream == nullptr) Py_RETURN_NONE;
    self->stream->refused = true;
    self->stream->session->end(*self->stream, std::move(status));
    front_end_of(self).touch(*self->stream);
    Py_RETURN_NONE;
}

PyObject* call_take(PyObject* object, PyObject*) {
    CallObject* self = self_of(object);
    if (self->stream == nullptr) Py_RETURN_NONE;
    const std::optional<Message> message = self->stream->session->take(*self->stream);
    if (!message) Py_RETURN_NONE;
    front_end_of(self).touch(*self->stream);
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(message->memory.get()), message->size);
}

PyObject* call_message(PyObject* object, void*) {
    PyObject* message = self_of(object)->message;
    return Py_NewRef(message != nullptr ? message : Py_None);
}

PyObject* call_method(PyObject* object, void*) { return PyLong_FromLong(self_of(object)->method); }
PyObject* call_deadline(PyObject* object, void*) { return deadline_object(self_of(object)->deadline); }
PyObject* call_closed(PyObject* object, void*) {
    return PyBool_FromLong(self_of(object)->stream == nullptr ? 1 : 0);
}

PyObject* call_complete(PyObject* object, void*) {
    const Stream* stream = self_of(object)->stream;
    return PyBool_FromLong(stream == nullptr || stream->remote_ended ? 1 : 0);
}

PyObject* call_room(PyObject* object, void*) {
    const Stream* stream = self_of(object)->stream;
    return PyBool_FromLong(stream == nullptr || stream->unsent <= kStreamRoom ? 1 : 0);
}

PyObject* call_peer(PyObject* object, void*) {
    const Stream* stream = self_of(object)->stream;
    if (stream == nullptr) return PyUnicode_FromString("");
    const std::string& peer = stream->session->peer();
    return PyUnicode_FromStringAndSize(peer.data(), static_cast<Py_ssize_t>(peer.size()));
}

PyObject* call_owner(PyObject* object, void*) {
    PyObject* owner = self_of(object)->owner;
    return Py_NewRef(owner != nullptr ? owner : Py_None);
}

int call_set_owner(PyObject* object, PyObject* owner, void*) {
    PyObject* before = self_of(object)->owner;
    self_of(object)->owner = owner == Py_None ? nullptr : Py_XNewRef(owner);
    Py_XDECREF(before);
    return 0;
}

void call_dealloc(PyObject* object) {
    CallObject* self = self_of(object);
    PyTypeObject* type = Py_TYPE(object);
    Py_XDECREF(self->message);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->front_end);
    PyObject_Free(object);
    Py_DECREF(type);
}

PyMethodDef call_methods[] = {
    {"answer", guarded<call_answer>, METH_O, nullptr},
    {"send", guarded<call_send>, METH_O, nullptr},
    {"end", guarded<call_end>, METH_O, nullptr},
    {"take", guarded<call_take>, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef call_attributes[] = {
    {"message", call_message, nullptr, nullptr, nullptr},
    {"method", call_method, nullptr, nullptr, nullptr},
    {"deadline", call_deadline, nullptr, nullptr, nullptr},
    {"closed", call_closed, nullptr, nullptr, nullptr},
    {"complete", call_complete, nullptr, nullptr, nullptr},
    {"room", call_room, nullptr, nullptr, nullptr},
    {"peer", call_peer, nullptr, nullptr, nullptr},
    {"owner", call_owner, call_set_owner, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot call_slots[] = {
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_attributes},
    {Py_tp_dealloc, reinterpret_cast<void*>(call_dealloc)},
    {0, nullptr},
};

PyType_Spec call_spec = {"serving.transport.native._frontend.Call", sizeof(CallObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, call_slots};

}  // namespace

bool add_call_type(PyObject* module) {
    call_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&call_spec));
    return call_type != nullptr &&
           PyModule_AddObjectRef(module, "Call", reinterpret_cast<PyObject*>(call_type)) == 0;
}

Ref make_call(FrontEnd& front_end, Stream& stream) {
    CallObject* call = PyObject_New(CallObject, call_type);
    if (call == nullptr) return {};
    call->front_end = Py_NewRef(front_end.object());
    call->stream = &stream;
    call->message = nullptr;
    call->owner = nullptr;
    call->deadline = stream.deadline;
    call->method = stream.method->id;
    Ref made = Ref::owned(reinterpret_cast<PyObject*>(call));
    if (stream.message) {
        const View bytes = stream.message->view();
        call->message = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data),
                                                  static_cast<Py_ssize_t>(bytes.size));
        if (call->message == nullptr) return {};
        stream.message->memory.reset();
    }
    stream.call = Py_NewRef(made.get());
    return made;
}

void call_closed(Stream& stream, std::vector<Ref>& changed) {
    Ref call = Ref::owned(static_cast<PyObject*>(std::exchange(stream.call, nullptr)));
    self_of(call.get())->stream = nullptr;
    if (self_of(call.get())->owner != nullptr) changed.push_back(std::move(call));
}

}  // namespace plainserve
