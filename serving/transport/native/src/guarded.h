// A function for nghttp2 to call, which is C: no exception may pass through it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <new>

namespace plainserve {

// Guarded<function>::call does what the function does. Without memory, the session ends.
template <auto function>
struct Guarded;

template <typename Result, typename... Arguments, Result (*function)(Arguments...)>
struct Guarded<function> {
    static Result call(Arguments... arguments) {
        try {
            return function(arguments...);
        } catch (const std::bad_alloc&) {
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }
};

}  // namespace plainserve
