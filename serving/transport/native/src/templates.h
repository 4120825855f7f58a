// Messages that repeat: equal to a remembered one but for payloads of fixed sizes, and one field that may be absent.
//
//   constant  [field]  constant | payload | constant | payload | constant
//
// The field is the id that a client gives to each request. It stands at the top level of the message, so that
// nothing else in the message depends on its length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bytes.h"

namespace plainserve {

struct Template {
    std::vector<std::string> constants;  // one more than payloads
    std::vector<uint32_t> payload_sizes;
    uint8_t optional_tag = 0;      // of the field; 0 for none
    size_t optional_at = 0;        // where in the first constant
    size_t size = 0;               // of a message without the field
    std::shared_ptr<void> object;  // what Python remembers it by
};

// Where the parts of a message are that matches.
struct Match {
    std::shared_ptr<const Template> of;  // null if the message matches none
    View optional;                       // the field with its tag and length; empty if absent
    size_t shift = 0;                    // its size: all payloads are so much further on
};

class Templates {
   public:
    // Remembers a template; the oldest makes room if there are many.
    void add(Template made);

    // `of` is null if the message matches none. The match is valid as long as the message, and until add().
    Match find(View message) const;

    bool empty() const { return templates_.empty(); }

   private:
    std::vector<std::shared_ptr<const Template>> templates_;  // the latest first
};

}  // namespace plainserve
