// The Batch of the module: calls whose messages match one template, answered together.
#include "front_end.h"

namespace plainserve {

namespace {

constexpr size_t kAlignment = 64;  // of a cache line, and of the widest vector instructions

struct Batch {
    Ref front_end;
    std::shared_ptr<const Template> of;
    std::vector<Stream*> streams;  // null for those that were closed meanwhile
    std::vector<std::string>
        optionals;  // the optional field of each, with tag and length; empty if no message has it
    double deadline = kNever;
    int method = 0;
    bool settled = false;

    // The payloads: the first of all messages, then the second of all, and so on, each block aligned.
    Memory memory;
    std::vector<View> payloads;
};

struct BatchObject {
    PyObject_HEAD
    Batch* batch;
};

// Lends one block of payloads, and keeps the batch that holds it.
struct PayloadObject {
    PyObject_HEAD
    PyObject* batch;
    View bytes;
};

PyTypeObject* batch_type = nullptr;
PyTypeObject* payload_type = nullptr;

Batch& batch_of(PyObject* object) { return *reinterpret_cast<BatchObject*>(object)->batch; }

FrontEnd& front_end_of(const Batch& batch) {
    return *reinterpret_cast<FrontEndObject*>(batch.front_end.get())->front_end;
}

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// False after a Python error.
bool gather_payloads(Batch& batch, const std::vector<Matched>& matched) {
    const Template& known = *batch.of;
    size_t total = kAlignment;
    for (const uint32_t size : known.payload_sizes) total += aligned(size * matched.size());
    batch.memory.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, total)));
    if (!batch.memory) {
        PyErr_NoMemory();
        return false;
    }
    uint8_t* to = batch.memory.get();
    size_t at = known.constants.front().size();
    for (size_t i = 0; i < known.payload_sizes.size(); i++) {
        const size_t size = known.payload_sizes[i];
        batch.payloads.emplace_back(to, size * matched.size());
        for (size_t row = 0; row < matched.size(); row++) {
            const uint8_t* message = matched[row].stream->message->memory.get();
            std::memcpy(to + row * size, message + at + matched[row].match.optional.size, size);
        }
        to += aligned(size * matched.size());
        at += size + known.constants[i + 1].size();
    }
    return true;
}

// What the answer() of Python was given.
struct Answer {
    std::vector<View> prefixes;
    std::vector<std::shared_ptr<Py_buffer>> rows;
    size_t optional_at = 0;
    size_t size = 0;  // of each message, without the optional field
};

// The bytes of one message: the prefix of gRPC, and what each output has for it.
std::vector<Piece> message_of(const Answer& answer, size_t row, size_t count, const std::string& optional) {
    const size_t size = answer.size + optional.size();
    std::vector<Piece> pieces;
    std::string bytes = prefix_of(size);
    bytes.reserve(kPrefixBytes + (size < kViewedFrom ? size : answer.prefixes[0].size + optional.size()));
    for (size_t k = 0; k < answer.rows.size(); k++) {
        const auto* prefix = reinterpret_cast<const char*>(answer.prefixes[k].data);
        const size_t split = k == 0 ? answer.optional_at : 0;
        bytes.append(prefix, split);
        if (k == 0) bytes.append(optional);
        bytes.append(prefix + split, answer.prefixes[k].size - split);
        const View all = view_of(*answer.rows[k]);
        const size_t each = all.size / count;
        const View part = all.from(row * each).first(each);
        if (size < kViewedFrom) {
            bytes.append(reinterpret_cast<const char*>(part.data), part.size);
        } else {
            pieces.emplace_back(std::move(bytes));
            pieces.emplace_back(part, answer.rows[k]);
            bytes.clear();
        }
    }
    if (!bytes.empty()) pieces.emplace_back(std::move(bytes));
    return pieces;
}

// Reads what Python answers with. False after a Python error.
bool read_answer(PyObject* args, size_t count, Answer& answer, std::vector<Ref>& kept) {
    PyObject *prefixes = nullptr, *rows = nullptr;
    Py_ssize_t optional_at = 0;
    if (PyArg_ParseTuple(args, "OO|n", &prefixes, &rows, &optional_at) == 0) return false;
    const Py_ssize_t outputs = PySequence_Size(prefixes);
    if (outputs < 0) return false;
    if (outputs == 0 || PySequence_Size(rows) != outputs) {
        PyErr_SetString(PyExc_ValueError, "there must be one prefix for each of the rows, and at least one");
        return false;
    }
    for (Py_ssize_t k = 0; k < outputs; k++) {
        Ref prefix = Ref::owned(PySequence_GetItem(prefixes, k));
        const Ref row = Ref::owned(PySequence_GetItem(rows, k));
        char* data = nullptr;
        Py_ssize_t size = 0;
        if (!prefix || !row || PyBytes_AsStringAndSize(prefix.get(), &data, &size) != 0) return false;
        std::shared_ptr<Py_buffer> buffer = buffer_of(row.get());
        if (!buffer) return false;
        if (static_cast<size_t>(buffer->len) % count != 0) {
            PyErr_SetString(PyExc_ValueError, "the rows do not divide by the number of calls");
            return false;
        }
        answer.size += static_cast<size_t>(size) + static_cast<size_t>(buffer->len) / count;
        answer.prefixes.emplace_back(data, static_cast<size_t>(size));
        answer.rows.push_back(std::move(buffer));
        kept.push_back(std::move(prefix));
    }
    answer.optional_at = static_cast<size_t>(optional_at);
    if (optional_at < 0 || answer.optional_at > answer.prefixes[0].size) {
        PyErr_SetString(PyExc_ValueError, "the optional field must be within the first prefix");
        return false;
    }
    // An optional field has fewer bytes than that.
    return check_length(answer.size + UINT8_MAX);
}

bool settle(Batch& batch) {
    if (batch.settled) {
        PyErr_SetString(PyExc_RuntimeError, "the batch was answered, refused or split already");
        return false;
    }
    batch.settled = true;
    for (Stream* stream : batch.streams) {
        if (stream != nullptr) stream->slot = nullptr;
    }
    return true;
}

PyObject* batch_answer(PyObject* object, PyObject* args) {
    Batch& batch = batch_of(object);
    Answer answer;
    std::vector<Ref> kept;
    if (!read_answer(args, batch.streams.size(), answer, kept) || !settle(batch)) return nullptr;
    for (size_t row = 0; row < batch.streams.size(); row++) {
        Stream* stream = batch.streams[row];
        if (stream == nullptr) continue;
        const std::string& optional = batch.optionals.empty() ? std::string() : batch.optionals[row];
        stream->session->answer(*stream, message_of(answer, row, batch.streams.size(), optional));
        front_end_of(batch).touch(*stream);
    }
    Py_RETURN_NONE;
}

void refuse_all(Batch& batch, const Status& status) {
    for (Stream* stream : batch.streams) {
        if (stream == nullptr) continue;
        stream->session->end(*stream, status);
        front_end_of(batch).touch(*stream);
    }
}

PyObject* batch_refuse(PyObject* object, PyObject* given) {
    Status status;
    if (!status_of(given, status) || !settle(batch_of(object))) return nullptr;
    refuse_all(batch_of(object), status);
    Py_RETURN_NONE;
}

PyObject* batch_split(PyObject* object, PyObject*) {
    Batch& batch = batch_of(object);
    if (!settle(batch)) return nullptr;
    // A call that Python begins may end others. The Calls are told of that, and the batch no longer is.
    std::vector<Ref> calls;
    for (Stream* stream : batch.streams) {
        if (stream == nullptr) continue;
        calls.push_back(make_call(front_end_of(batch), *stream));
        if (!calls.back()) front_end_of(batch).give_up(*stream);
    }
    for (const Ref& call : calls) {
        if (call && !front_end_of(batch).begin(call)) return nullptr;
    }
    Py_RETURN_NONE;
}

PyObject* batch_payload(PyObject* object, PyObject* arg) {
    const Batch& batch = batch_of(object);
    const long at = PyLong_AsLong(arg);
    if (PyErr_Occurred() != nullptr) return nullptr;
    if (at < 0 || static_cast<size_t>(at) >= batch.payloads.size()) {
        PyErr_SetString(PyExc_IndexError, "there is no such payload");
        return nullptr;
    }
    PayloadObject* payload = PyObject_New(PayloadObject, payload_type);
    if (payload == nullptr) return nullptr;
    payload->batch = Py_NewRef(object);
    payload->bytes = batch.payloads[static_cast<size_t>(at)];
    const Ref lender = Ref::owned(reinterpret_cast<PyObject*>(payload));
    return PyMemoryView_FromObject(lender.get());
}

PyObject* batch_template(PyObject* object, void*) {
    return Py_NewRef(static_cast<PyObject*>(batch_of(object).of->object.get()));
}
PyObject* batch_method(PyObject* object, void*) { return PyLong_FromLong(batch_of(object).method); }
PyObject* batch_deadline(PyObject* object, void*) { return deadline_object(batch_of(object).deadline); }
PyObject* batch_settled(PyObject* object, void*) { return PyBool_FromLong(batch_of(object).settled ? 1 : 0); }
Py_ssize_t batch_length(PyObject* object) { return static_cast<Py_ssize_t>(batch_of(object).streams.size()); }

void batch_dealloc(PyObject* object) {
    Batch& batch = batch_of(object);
    if (!batch.settled) {
        settle(batch);
        Status status;
        status.code = kInternal;
        status.text = "the call was not answered";
        refuse_all(batch, status);
    }
    delete &batch;
    PyTypeObject* type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF(type);
}

int payload_buffer(PyObject* object, Py_buffer* view, int flags) {
    const View bytes = reinterpret_cast<PayloadObject*>(object)->bytes;
    return PyBuffer_FillInfo(view, object, const_cast<uint8_t*>(bytes.data),
                             static_cast<Py_ssize_t>(bytes.size), 1, flags);
}

void payload_dealloc(PyObject* object) {
    Py_DECREF(reinterpret_cast<PayloadObject*>(object)->batch);
    PyTypeObject* type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF(type);
}

PyMethodDef batch_methods[] = {
    {"answer", guarded<batch_answer>, METH_VARARGS, nullptr},
    {"refuse", guarded<batch_refuse>, METH_O, nullptr},
    {"split", guarded<batch_split>, METH_NOARGS, nullptr},
    {"payload", guarded<batch_payload>, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef batch_attributes[] = {
    {"template", batch_template, nullptr, nullptr, nullptr},
    {"method", batch_method, nullptr, nullptr, nullptr},
    {"deadline", batch_deadline, nullptr, nullptr, nullptr},
    {"settled", batch_settled, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot batch_slots[] = {
    {Py_tp_methods, batch_methods},
    {Py_tp_getset, batch_attributes},
    {Py_sq_length, reinterpret_cast<void*>(batch_length)},
    {Py_tp_dealloc, reinterpret_cast<void*>(batch_dealloc)},
    {0, nullptr},
};

PyType_Slot payload_slots[] = {
    {Py_bf_getbuffer, reinterpret_cast<void*>(payload_buffer)},
    {Py_tp_dealloc, reinterpret_cast<void*>(payload_dealloc)},
    {0, nullptr},
};

constexpr unsigned kFlags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
PyType_Spec batch_spec = {"serving.transport.native._frontend.Batch", sizeof(BatchObject), 0, kFlags,
                          batch_slots};
PyType_Spec payload_spec = {"serving.transport.native._frontend.Payload", sizeof(PayloadObject), 0, kFlags,
                            payload_slots};

}  // namespace

bool add_batch_type(PyObject* module) {
    payload_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&payload_spec));
    batch_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&batch_spec));
    return payload_type != nullptr && batch_type != nullptr &&
           PyModule_AddObjectRef(module, "Batch", reinterpret_cast<PyObject*>(batch_type)) == 0;
}

Ref make_batch(FrontEnd& front_end, const std::vector<Matched>& matched) {
    auto batch = std::make_unique<Batch>();
    batch->front_end = Ref::shared(front_end.object());
    batch->of = matched.front().match.of;
    batch->method = matched.front().stream->method->id;
    if (!gather_payloads(*batch, matched)) return {};
    bool any_optional = false;
    for (const Matched& each : matched) any_optional = any_optional || each.match.optional.size > 0;
    for (const Matched& each : matched) {
        batch->streams.push_back(each.stream);
        batch->deadline = std::min(batch->deadline, each.stream->deadline);
        if (any_optional) batch->optionals.push_back(each.match.optional.text());
    }
    BatchObject* object = PyObject_New(BatchObject, batch_type);
    if (object == nullptr) return {};
    for (Stream*& stream : batch->streams) stream->slot = &stream;
    object->batch = batch.release();
    return Ref::owned(reinterpret_cast<PyObject*>(object));
}

}  // namespace plainserve
