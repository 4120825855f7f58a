// The module: a front end that carries gRPC calls; _frontend.pyi says what it offers.
#include "front_end.h"

namespace plainserve {

namespace {

FrontEndObject* self_of(PyObject* object) { return reinterpret_cast<FrontEndObject*>(object); }
FrontEnd& front_end_of(PyObject* object) { return *self_of(object)->front_end; }

bool read_limits(PyObject* given, Limits& limits) {
    unsigned message_bytes = 0, streams = 0;
    if (PyArg_ParseTuple(given, "IddddIdd", &message_bytes, &limits.handshake_seconds, &limits.idle_seconds,
                         &limits.keepalive_seconds, &limits.keepalive_timeout_seconds, &streams,
                         &limits.ping_interval_seconds, &limits.age_seconds) == 0) {
        return false;
    }
    limits.message_bytes = message_bytes;
    limits.streams = streams;
    return true;
}

PyObject* initialize(PyObject* object, PyObject* args) {
    PyObject *given = nullptr, *admit = nullptr, *begin = nullptr, *make_tls = nullptr;
    Limits limits;
    if (PyArg_ParseTuple(args, "O!OOO", &PyTuple_Type, &given, &admit, &begin, &make_tls) == 0)
        return nullptr;
    if (!read_limits(given, limits)) return nullptr;
    if (self_of(object)->front_end != nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "a front end is made once");
        return nullptr;
    }
    self_of(object)->front_end = new FrontEnd(object, limits, admit, begin, make_tls);
    Py_RETURN_NONE;
}

int front_end_init(PyObject* object, PyObject* args, PyObject*) {
    return Ref::owned(guarded<initialize>(object, args)) ? 0 : -1;
}

void front_end_dealloc(PyObject* object) {
    delete self_of(object)->front_end;
    PyTypeObject* type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF(type);
}

PyObject* add_method(PyObject* object, PyObject* args) {
    const char* path = nullptr;
    Py_ssize_t size = 0;
    int streaming = 0, implemented = 0;
    if (PyArg_ParseTuple(args, "s#pp", &path, &size, &streaming, &implemented) == 0) return nullptr;
    Methods& methods = front_end_of(object).context().methods;
    const std::string name(path, static_cast<size_t>(size));
    return PyLong_FromLong(methods.add(name, streaming != 0, implemented != 0).id);
}

bool bytes_items(PyObject* sequence, std::vector<std::string>& items) {
    const Py_ssize_t count = PySequence_Size(sequence);
    for (Py_ssize_t i = 0; i < count; i++) {
        const Ref item = Ref::owned(PySequence_GetItem(sequence, i));
        char* data = nullptr;
        Py_ssize_t size = 0;
        if (!item || PyBytes_AsStringAndSize(item.get(), &data, &size) != 0) return false;
        items.emplace_back(data, static_cast<size_t>(size));
    }
    return count >= 0;
}

bool size_items(PyObject* sequence, std::vector<uint32_t>& items) {
    const Py_ssize_t count = PySequence_Size(sequence);
    for (Py_ssize_t i = 0; i < count; i++) {
        const Ref item = Ref::owned(PySequence_GetItem(sequence, i));
        const unsigned long size = item ? PyLong_AsUnsignedLong(item.get()) : 0;
        if (PyErr_Occurred() != nullptr) return false;
        items.push_back(static_cast<uint32_t>(size));
    }
    return count >= 0;
}

PyObject* remember(PyObject* object, PyObject* args) {
    int method = 0;
    PyObject *known = nullptr, *constants = nullptr, *sizes = nullptr;
    unsigned char tag = 0;
    Py_ssize_t at = 0;
    if (PyArg_ParseTuple(args, "iOOObn", &method, &known, &constants, &sizes, &tag, &at) == 0) return nullptr;
    Template made;
    if (!bytes_items(constants, made.constants) || !size_items(sizes, made.payload_sizes)) return nullptr;
    Methods& methods = front_end_of(object).context().methods;
    const bool fits = made.constants.size() == made.payload_sizes.size() + 1 && at >= 0 &&
                      static_cast<size_t>(at) <= made.constants.front().size();
    if (!fits || method < 0 || static_cast<size_t>(method) >= methods.size()) {
        PyErr_SetString(PyExc_ValueError, "the template contradicts itself, or there is no such method");
        return nullptr;
    }
    made.optional_tag = tag;
    made.optional_at = static_cast<size_t>(at);
    made.object =
        std::shared_ptr<void>(Py_NewRef(known), [](void* held) { Py_DECREF(static_cast<PyObject*>(held)); });
    methods.at(static_cast<size_t>(method)).templates.add(std::move(made));
    Py_RETURN_NONE;
}

PyObject* watch(PyObject* object, PyObject* arg) {
    const int fd = PyObject_AsFileDescriptor(arg);
    if (fd < 0) return nullptr;
    front_end_of(object).loop().watch(fd);
    Py_RETURN_NONE;
}

PyObject* listen(PyObject* object, PyObject* arg) {
    const int fd = PyObject_AsFileDescriptor(arg);
    if (fd < 0) return nullptr;
    front_end_of(object).loop().listen(fd);
    Py_RETURN_NONE;
}

PyObject* turn(PyObject* object, PyObject* args) {
    double seconds = 0;
    int admits_all = 0;
    if (PyArg_ParseTuple(args, "dp", &seconds, &admits_all) == 0) return nullptr;
    return front_end_of(object).turn(seconds, admits_all != 0).release();
}

PyObject* flush(PyObject* object, PyObject*) {
    front_end_of(object).flush();
    Py_RETURN_NONE;
}

PyObject* stop_listening(PyObject* object, PyObject*) {
    front_end_of(object).loop().stop_listening();
    Py_RETURN_NONE;
}

PyObject* shut_down(PyObject* object, PyObject*) {
    front_end_of(object).loop().shut_down();
    Py_RETURN_NONE;
}

PyObject* close(PyObject* object, PyObject*) {
    front_end_of(object).close();
    Py_RETURN_NONE;
}

PyObject* file_number(PyObject* object, PyObject*) {
    return PyLong_FromLong(front_end_of(object).loop().fd());
}
PyObject* connections(PyObject* object, void*) {
    return PyLong_FromSize_t(front_end_of(object).loop().connections());
}
PyObject* foreign(PyObject* object, void*) { return PyBool_FromLong(front_end_of(object).foreign() ? 1 : 0); }

PyMethodDef front_end_methods[] = {
    {"add_method", guarded<add_method>, METH_VARARGS, nullptr},
    {"remember", guarded<remember>, METH_VARARGS, nullptr},
    {"watch", guarded<watch>, METH_O, nullptr},
    {"listen", guarded<listen>, METH_O, nullptr},
    {"turn", guarded<turn>, METH_VARARGS, nullptr},
    {"flush", guarded<flush>, METH_NOARGS, nullptr},
    {"stop_listening", guarded<stop_listening>, METH_NOARGS, nullptr},
    {"shut_down", guarded<shut_down>, METH_NOARGS, nullptr},
    {"close", guarded<close>, METH_NOARGS, nullptr},
    {"fileno", guarded<file_number>, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef front_end_attributes[] = {
    {"connections", connections, nullptr, nullptr, nullptr},
    {"foreign", foreign, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot front_end_slots[] = {
    {Py_tp_init, reinterpret_cast<void*>(front_end_init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(front_end_dealloc)},
    {Py_tp_methods, front_end_methods},
    {Py_tp_getset, front_end_attributes},
    {0, nullptr},
};

PyType_Spec front_end_spec = {"serving.transport.native._frontend.FrontEnd", sizeof(FrontEndObject), 0,
                              Py_TPFLAGS_DEFAULT, front_end_slots};

PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_frontend", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr,
};

}  // namespace

bool add_front_end_type(PyObject* module) {
    const Ref type = Ref::owned(PyType_FromSpec(&front_end_spec));
    return type && PyModule_AddObjectRef(module, "FrontEnd", type.get()) == 0;
}

}  // namespace plainserve

PyMODINIT_FUNC PyInit__frontend() {
    PyObject* module = PyModule_Create(&plainserve::module_definition);
    if (module == nullptr) return nullptr;
    if (!plainserve::add_front_end_type(module) || !plainserve::add_call_type(module) ||
        !plainserve::add_batch_type(module)) {
        Py_DECREF(module);
        return nullptr;
    }
    return module;
}
