// The smallest server that answers larder.v1.Cache/Get with gRPC C++: its callback API, and a std::unordered_map that is
// filled before it serves. Arguments: port, keys, bytes of a value.
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <unordered_map>

#include "bench/workload.h"
#include "larder/v1/larder.grpc.pb.h"

namespace v1 = larder::v1;

class Cache final : public v1::Cache::CallbackService
{
  public:
    Cache(uint32_t keys, size_t value_size)
    {
        values_.reserve(keys);
        for (uint32_t number = 0; number < keys; number++) {
            char key[KEY_SIZE];
            std::string value(value_size, 'v');
            workload_key(number, key);
            workload_stamp(number, value.data());
            values_.emplace(std::string(key, KEY_SIZE), std::move(value));
        }
    }

    grpc::ServerUnaryReactor *Get(grpc::CallbackServerContext *context, const v1::GetRequest *request,
                                  v1::GetResponse *response) override
    {
        grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
        auto found = values_.find(request->key());
        if (found == values_.end()) {
            reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such key"));
            return reactor;
        }
        response->set_value(found->second);
        response->set_source(v1::SOURCE_LOCAL);
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }

  private:
    std::unordered_map<std::string, std::string> values_;
};

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: bench_grpc_cpp PORT KEYS VALUE_SIZE\n";
        return 2;
    }
    Cache cache(static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                std::max<size_t>(std::strtoul(argv[3], nullptr, 10), 8));
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], grpc::InsecureServerCredentials());
    builder.RegisterService(&cache);
    std::unique_ptr<grpc::Server> server(builder.BuildAndStart());
    if (server == nullptr) {
        std::cerr << "cannot listen on port " << argv[1] << "\n";
        return 1;
    }
    server->Wait();
}
