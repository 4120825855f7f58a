#include "templates.h"

#include <algorithm>

namespace plainserve {

namespace {

// Clients cannot make the server keep more than that of each method.
constexpr size_t kMostTemplates = 64;

constexpr size_t kMostOptional = 127;  // bytes of its content: their number is one byte

// The field at the front of `from`, if it has this tag; empty if not.
//
// Its content is text, which must be UTF-8. Here it is ASCII, and short; any other does not match.
View optional_field(View from, uint8_t tag) {
    if (from.size < 2 || from.data[0] != tag) return {};
    const size_t length = from.data[1];
    if (length == 0 || length > kMostOptional || from.size < 2 + length) return {};
    for (size_t i = 0; i < length; i++) {
        if (from.data[2 + i] > 0x7f) return {};
    }
    return from.first(2 + length);
}

bool matches(const Template& known, View message, View& optional) {
    const View first(known.constants.front());
    const size_t head = known.optional_tag != 0 ? known.optional_at : first.size;
    if (message.size < known.size || std::memcmp(message.data, first.data, head) != 0) return false;
    optional = known.optional_tag != 0 ? optional_field(message.from(head), known.optional_tag) : View();
    if (message.size != known.size + optional.size) return false;
    size_t at = head + optional.size;
    if (!View(message.data + at, first.size - head).equals(first.from(head))) return false;
    at += first.size - head;
    for (size_t i = 0; i < known.payload_sizes.size(); i++) {
        at += known.payload_sizes[i];
        const View constant(known.constants[i + 1]);
        if (!View(message.data + at, constant.size).equals(constant)) return false;
        at += constant.size;
    }
    return true;
}

}  // namespace

void Templates::add(Template made) {
    made.size = 0;
    for (const std::string& constant : made.constants) made.size += constant.size();
    for (const uint32_t size : made.payload_sizes) made.size += size;
    templates_.insert(templates_.begin(), std::make_shared<const Template>(std::move(made)));
    if (templates_.size() > kMostTemplates) templates_.pop_back();
}

Match Templates::find(View message) const {
    Match match;
    for (const auto& known : templates_) {
        if (message.size < known->size) continue;
        if (known->optional_tag == 0 && message.size != known->size) continue;
        if (matches(*known, message, match.optional)) {
            match.of = known;
            match.shift = match.optional.size;
            return match;
        }
    }
    return {};
}

}  // namespace plainserve
