#include "front_end.h"

#include <algorithm>
#include <cmath>

namespace plainserve {

namespace {

// One batch: enough to make the work of Python for each of its calls small, and few enough to wait for.
constexpr size_t kMostInBatch = 64;
constexpr size_t kMostBytesInBatch = 4 << 20;

// The headers of a call as Python takes them: pairs of text. Bytes that are not UTF-8 stand for themselves.
Ref metadata_object(const Metadata& metadata) {
    Ref list = Ref::owned(PyList_New(0));
    for (const auto& [name, value] : metadata) {
        const Ref pair = Ref::owned(Py_BuildValue(
            "(NN)", PyUnicode_DecodeLatin1(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr),
            PyUnicode_DecodeLatin1(value.data(), static_cast<Py_ssize_t>(value.size()), nullptr)));
        if (!list || !pair || PyList_Append(list.get(), pair.get()) != 0) return {};
    }
    return list;
}

}  // namespace

FrontEnd::FrontEnd(PyObject* object, const Limits& limits, PyObject* admit, PyObject* begin,
                   PyObject* make_tls)
    : object_(object),
      admit_(Ref::shared(admit)),
      begin_(Ref::shared(begin)),
      tls_(make_tls),
      context_(limits, *this),
      loop_(context_, tls_.wanted() ? &tls_ : nullptr) {}

FrontEnd::~FrontEnd() { close(); }

void FrontEnd::close() {
    loop_.stop_listening();
    loop_.abandon_all();
    ready_.clear();
    admit_ = Ref();
    begin_ = Ref();
    tls_.close();
}

Ref FrontEnd::turn(double seconds, bool admits_all) {
    loop_.flush();
    context_.admits_all = admits_all;
    int events = loop_.wait(0);
    if (events == 0 && changed_.empty() && seconds != 0) {
        int milliseconds = loop_.patience();
        if (seconds > 0) {
            const int asked = static_cast<int>(std::ceil(std::min(seconds, 1e6) * 1e3));
            milliseconds = milliseconds < 0 ? asked : std::min(asked, milliseconds);
        }
        Py_BEGIN_ALLOW_THREADS events = loop_.wait(milliseconds);
        Py_END_ALLOW_THREADS
    }
    foreign_ = loop_.work(events);
    return gather();
}

bool FrontEnd::begin(const Ref& call) {
    return static_cast<bool>(Ref::owned(PyObject_CallFunctionObjArgs(begin_.get(), call.get(), nullptr)));
}

Ref FrontEnd::gather() {
    std::vector<std::vector<Matched>> batches;
    std::vector<Stream*> singles;
    for (Stream* stream : ready_) {
        stream->handed_over = true;
        Match match;
        if (stream->message && !stream->message->compressed)
            match = stream->method->templates.find(stream->message->view());
        if (!match.of) {
            singles.push_back(stream);
            continue;
        }
        const size_t most = std::min(kMostInBatch, 1 + kMostBytesInBatch / (1 + stream->message->size));
        auto open = std::find_if(batches.begin(), batches.end(), [&](const std::vector<Matched>& each) {
            return each.front().match.of == match.of && each.size() < most;
        });
        if (open == batches.end()) open = batches.insert(open, std::vector<Matched>());
        open->push_back({stream, match});
    }
    ready_.clear();
    Ref events = Ref::owned(PyList_New(0));
    if (!events) return {};
    for (const auto& matched : batches) {
        const Ref batch = make_batch(*this, matched);
        if (batch && PyList_Append(events.get(), batch.get()) == 0) continue;
        for (const Matched& each : matched) give_up(*each.stream);
    }
    for (Stream* stream : singles) {
        const Ref call = make_call(*this, *stream);
        if (!call || PyList_Append(events.get(), call.get()) != 0) give_up(*stream);
    }
    for (const Ref& call : changed_) {
        if (PyList_Append(events.get(), call.get()) != 0) return {};
    }
    changed_.clear();
    return events;
}

void FrontEnd::give_up(Stream& stream) {
    PyErr_Clear();
    Status status;
    status.code = kResourceExhausted;
    status.text = "the server has too little memory for the request; try again later";
    stream.session->end(stream, std::move(status));
    touch(stream);
}

bool FrontEnd::admit(Stream& stream, Status& status) {
    const std::string path = stream.method != nullptr ? stream.method->path : "/";
    const Ref metadata = metadata_object(stream.headers.metadata);
    const std::string& peer = stream.session->peer();
    const Ref refusal =
        Ref::owned(metadata ? PyObject_CallFunction(admit_.get(), "s#Os#", path.data(),
                                                    static_cast<Py_ssize_t>(path.size()), metadata.get(),
                                                    peer.data(), static_cast<Py_ssize_t>(peer.size()))
                            : nullptr);
    stream.headers.metadata.clear();
    if (refusal && refusal.get() == Py_None) return true;
    if (!refusal || !status_of(refusal.get(), status)) {
        PyErr_WriteUnraisable(admit_.get());
        status.code = kInternal;
        status.text = "the call could not be checked";
    }
    return false;
}

void FrontEnd::ready(Stream& stream) {
    stream.handed_over = false;
    ready_.push_back(&stream);
}

void FrontEnd::changed(Stream& stream) {
    if (stream.call == nullptr) return;
    auto* call = static_cast<PyObject*>(stream.call);
    // Told once, however much has changed.
    if (!changed_.empty() && changed_.back().get() == call) return;
    changed_.push_back(Ref::shared(call));
}

void FrontEnd::closed(Stream& stream) {
    if (!stream.handed_over) ready_.erase(std::find(ready_.begin(), ready_.end(), &stream));
    if (stream.slot != nullptr) *stream.slot = nullptr;
    if (stream.call != nullptr) call_closed(stream, changed_);
}

}  // namespace plainserve
