// The same from C++: values and handles are owned by std::unique_ptr, the loader is a lambda without captures.
#include <iostream>
#include <larder/larder.h>
#include <memory>
#include <string>
#include <string_view>

template <auto release> struct Releaser {
    template <typename T> void operator()(T *object) const
    {
        release(object);
    }
};
using Node = std::unique_ptr<larder_node, Releaser<larder_node_close>>;
using Group = std::unique_ptr<larder_group, Releaser<larder_group_close>>;
using Value = std::unique_ptr<larder_value, Releaser<larder_value_release>>;

// The value of a key; empty when it is not there.
static Value get(const Group &group, std::string_view key)
{
    larder_value *value = nullptr;
    if (larder_get(group.get(), key.data(), key.size(), 1000, &value) != LARDER_OK)
        std::cerr << key << ": " << larder_last_error() << "\n";
    return Value(value);
}

static std::string_view bytes(const Value &value)
{
    return {static_cast<const char *>(larder_value_data(value.get())), larder_value_size(value.get())};
}

int main()
{
    larder_group_options options = {};
    options.max_bytes = 1 << 20;
    options.load = [](void *, const void *key, size_t size, uint64_t, larder_loaded *loaded) {
        std::string value = "profile of " + std::string(static_cast<const char *>(key), size);
        return larder_loaded_set(loaded, value.data(), value.size(), 0);
    };
    Node node(larder_node_open(nullptr));
    Group users(node ? larder_group_open(node.get(), "users", &options) : nullptr);
    if (!users) {
        std::cerr << larder_last_error() << "\n";
        return 1;
    }
    Value loaded = get(users, "tom"), cached = get(users, "tom");
    if (!loaded || !cached)
        return 1;
    std::cout << bytes(cached) << "\n";
    struct larder_statistics stats = {}; // with `struct`: the function has the same name
    larder_group_stats(users.get(), &stats);
    return bytes(loaded) == "profile of tom" && bytes(cached) == bytes(loaded) && stats.loads == 1 ? 0 : 1;
}
