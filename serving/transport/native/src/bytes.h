// A view of bytes that belong to somebody else. It never owns; whoever makes one says how long it is valid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace plainserve {

struct View {
    const uint8_t* data = nullptr;
    size_t size = 0;

    View() = default;
    View(const uint8_t* bytes, size_t count) : data(bytes), size(count) {}
    View(const char* text, size_t count) : data(reinterpret_cast<const uint8_t*>(text)), size(count) {}
    explicit View(const std::string& text) : View(text.data(), text.size()) {}

    // The first bytes, and what is behind them.
    View first(size_t count) const { return {data, count}; }
    View from(size_t start) const { return {data + start, size - start}; }

    bool equals(View other) const {
        return size == other.size && (size == 0 || std::memcmp(data, other.data, size) == 0);
    }
    bool equals(const char* text) const { return equals(View(text, std::strlen(text))); }
    bool starts_with(const char* text) const {
        const size_t length = std::strlen(text);
        return size >= length && std::memcmp(data, text, length) == 0;
    }
    std::string text() const { return {reinterpret_cast<const char*>(data), size}; }
};

}  // namespace plainserve
