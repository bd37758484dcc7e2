// gRPC C++'s own client against a server of ours: `smoke HOST:PORT`. Exit 0 when every answer was the right one.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "larder/v1/larder.grpc.pb.h"

namespace
{

int failures = 0;

void expect(bool holds, const char *what, const grpc::Status &status)
{
    if (holds)
        return;
    failures++;
    std::fprintf(stderr, "%s: code %d, \"%s\"\n", what, status.error_code(), status.error_message().c_str());
}

void limit(grpc::ClientContext &context, std::chrono::milliseconds time)
{
    context.set_deadline(std::chrono::system_clock::now() + time);
}

void set_and_get(larder::v1::Cache::Stub &cache, const std::string &value)
{
    larder::v1::SetRequest set;
    set.set_group("g");
    set.set_key("smoke");
    set.set_value(value);
    larder::v1::SetResponse stored;
    grpc::ClientContext first;
    limit(first, std::chrono::seconds(60));
    grpc::Status status = cache.Set(&first, set, &stored);
    expect(status.ok() && stored.version().clock() > 0, "set", status);

    larder::v1::GetRequest get;
    get.set_group("g");
    get.set_key("smoke");
    larder::v1::GetResponse found;
    grpc::ClientContext second;
    limit(second, std::chrono::seconds(60));
    status = cache.Get(&second, get, &found);
    expect(status.ok() && found.value() == value, "get", status);
}

grpc::Status get(larder::v1::Cache::Stub &cache, const char *key, std::chrono::milliseconds time)
{
    larder::v1::GetRequest request;
    request.set_group("g");
    request.set_key(key);
    larder::v1::GetResponse response;
    grpc::ClientContext context;
    limit(context, time);
    return cache.Get(&context, request, &response);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: smoke HOST:PORT\n");
        return 2;
    }
    std::unique_ptr<larder::v1::Cache::Stub> cache = larder::v1::Cache::NewStub(
        grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
    for (size_t size : {size_t{0}, size_t{100}, size_t{16384}, size_t{3} << 20})
        set_and_get(*cache, std::string(size, 'v'));
    grpc::Status status = get(*cache, "nothing", std::chrono::seconds(60));
    expect(status.error_code() == grpc::StatusCode::NOT_FOUND, "a key that is not there", status);
    status = get(*cache, "never:1", std::chrono::milliseconds(100));
    expect(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED, "an answer that never comes", status);
    status = get(*cache, "", std::chrono::seconds(60));
    expect(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ||
               status.error_code() == grpc::StatusCode::NOT_FOUND,
           "an empty key", status);
    if (failures == 0)
        std::puts("every answer was the right one");
    return failures == 0 ? 0 : 1;
}
