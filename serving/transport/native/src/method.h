// The methods that can be called, by path.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bytes.h"
#include "templates.h"

namespace plainserve {

struct Method {
    std::string path;  // "/service/method"
    int id = 0;        // what the Python module calls it
    bool streaming = false;
    bool implemented = true;  // else admission knows it by name, and nothing answers it
    Templates templates;
};

class Methods {
   public:
    Method& add(std::string path, bool streaming, bool implemented) {
        auto made = std::make_unique<Method>();
        made->path = std::move(path);
        made->id = static_cast<int>(methods_.size());
        made->streaming = streaming;
        made->implemented = implemented;
        methods_.push_back(std::move(made));
        by_path_.push_back(methods_.back().get());
        std::sort(by_path_.begin(), by_path_.end(), [](const Method* one, const Method* other) {
            return before(View(one->path), View(other->path));
        });
        return *methods_.back();
    }

    // Null if there is none of that path.
    const Method* find(View path) const {
        auto found = std::lower_bound(
            by_path_.begin(), by_path_.end(), path,
            [](const Method* each, View wanted) { return before(View(each->path), wanted); });
        return found != by_path_.end() && View((*found)->path).equals(path) ? *found : nullptr;
    }

    Method& at(size_t id) { return *methods_.at(id); }
    size_t size() const { return methods_.size(); }

   private:
    static bool before(View one, View other) {
        if (one.size != other.size) return one.size < other.size;
        return std::memcmp(one.data, other.data, one.size) < 0;
    }

    std::vector<std::unique_ptr<Method>> methods_;  // in the order of their ids
    std::vector<const Method*> by_path_;
};

}  // namespace plainserve
