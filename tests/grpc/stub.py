"""gRPC's own client for the services of proto/, whose messages are in the directory LARDER_PROTO."""

import importlib.util
import os
import sys

import grpc
from grpc import StatusCode


def _load(name):
    """A generated module from its file: the package `grpc` is the library's, and cannot be ours too."""
    path = os.path.join(os.environ["LARDER_PROTO"], name + "_pb2.py")
    spec = importlib.util.spec_from_file_location(name.replace("/", "_") + "_pb2", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


larder = _load("larder/v1/larder")
health = _load("grpc/health/v1/health")

_METHODS = [(file, service.full_name, method) for file in (larder, health)
            for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods]


# What a call fails with for each of the node's statuses.
CODES = {1: StatusCode.NOT_FOUND, 2: StatusCode.INVALID_ARGUMENT, 3: StatusCode.RESOURCE_EXHAUSTED,
         4: StatusCode.RESOURCE_EXHAUSTED, 5: StatusCode.RESOURCE_EXHAUSTED, 6: StatusCode.FAILED_PRECONDITION,
         7: StatusCode.DEADLINE_EXCEEDED, 8: StatusCode.UNAVAILABLE, 9: StatusCode.RESOURCE_EXHAUSTED,
         10: StatusCode.UNAVAILABLE, 11: StatusCode.NOT_FOUND, 12: StatusCode.ALREADY_EXISTS,
         13: StatusCode.UNAVAILABLE, 14: StatusCode.UNIMPLEMENTED, 15: StatusCode.INTERNAL}


def methods_of(channel):
    """Every method of every service by its name, on a channel of either kind."""
    kinds = {"Watch": channel.unary_stream, "Call": channel.stream_stream}
    return {method.name: kinds.get(method.name, channel.unary_unary)(
        f"/{service}/{method.name}", request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=getattr(file, method.output_type.name).FromString) for file, service, method in _METHODS}


class Stub:
    """Calls that wait: stub.Get(larder.GetRequest(...), timeout=1)."""

    def __init__(self, address, options=()):
        self.channel = grpc.insecure_channel("%s:%d" % address, options=list(options))
        vars(self).update(methods_of(self.channel))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


def code_of(call):
    """The code that a call ends with, its details, and the name of Larder's status ("" when there is none)."""
    try:
        call()
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return error.code(), error.details(), trailers.get("larder-status", "")
    return StatusCode.OK, "", ""
