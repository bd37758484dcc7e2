"""gRPC's own client for the services of proto/, whose messages are in the directory LARDER_PROTO."""

import importlib.util
import os
import sys

import grpc


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


class Stub:
    """Every method of every service by its name: stub.Get(larder.GetRequest(...), timeout=1)."""

    def __init__(self, address, options=()):
        self.channel = grpc.insecure_channel("%s:%d" % address, options=list(options))
        for file, service, method in _METHODS:
            kind = {"Watch": self.channel.unary_stream, "Call": self.channel.stream_stream}.get(method.name, self.channel.unary_unary)
            response = getattr(file, method.output_type.name)
            setattr(self, method.name, kind(f"/{service}/{method.name}", request_serializer=lambda m: m.SerializeToString(),
                                            response_deserializer=response.FromString))

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
    return grpc.StatusCode.OK, "", ""
