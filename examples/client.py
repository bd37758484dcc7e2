"""A gRPC client of a Larder node: writes, reads, a change that nobody else's is lost by, a batch, and what errors look like.

The modules under larder.v1 are generated from proto/larder/v1/larder.proto; docs/protocol.md has the commands.
"""

import sys

import grpc
from larder.v1 import larder_pb2 as larder
from larder.v1 import larder_pb2_grpc

GROUP = "default"
TIMEOUT = 1  # seconds a call: the node stops working on it when they are over


def add_visit(cache, key):
    """Adds one to a number. Two that do this at once both count: the write of the second is refused, and tried again."""
    while True:
        try:
            found = cache.Get(larder.GetRequest(group=GROUP, key=key), timeout=TIMEOUT)
            condition = {"if_version": found.version}
            visits = int(found.value) + 1
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            condition, visits = {"if_absent": True}, 1
        try:
            cache.Set(larder.SetRequest(group=GROUP, key=key, value=b"%d" % visits, ttl_ms=60000, **condition), timeout=TIMEOUT)
            return visits
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS):
                raise


def run(cache):
    cache.Set(larder.SetRequest(group=GROUP, key=b"Tom", value=b"630", ttl_ms=30000), timeout=TIMEOUT)
    found = cache.Get(larder.GetRequest(group=GROUP, key=b"Tom"), timeout=TIMEOUT)
    print(f"Tom has {found.value.decode()} for {found.ttl_ms / 1000:.0f} s more")

    print(f"visit number {add_visit(cache, b'visits')}")

    keys = [b"Tom", b"visits", b"nobody"]
    batch = cache.BatchGet(larder.BatchGetRequest(group=GROUP, keys=keys), timeout=TIMEOUT)
    for key, result in zip(keys, batch.results):
        print(f"{key.decode()}: {larder.Status.Name(result.status)} {result.value.decode()}".rstrip())

    try:
        cache.Get(larder.GetRequest(group="elsewhere", key=b"Tom"), timeout=TIMEOUT)
    except grpc.RpcError as error:
        reason = dict(error.trailing_metadata()).get("larder-status")
        print(f"{error.code().name} ({reason}): {error.details()}")


def main():
    with grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9001") as channel:
        run(larder_pb2_grpc.CacheStub(channel))


if __name__ == "__main__":
    main()
