"""Writes inputs that make sense, for a target of fuzz/ to begin with: seeds.py TARGET DIRECTORY."""

import gzip
import os
import struct
import sys

import h2.config
import h2.connection


def field(number, value):
    """A protobuf field of bytes, or of a number."""
    if isinstance(value, bytes):
        return bytes([number << 3 | 2, len(value)]) + value
    return bytes([number << 3, value])


def prefixed(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def http2(calls, encoding=None):
    """Calls of a path and its messages: one, or a stream of them, compressed when there is an encoding."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration())
    connection.initiate_connection()
    for path, *messages in calls:
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a"),
                                         ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "1S"),
                                         *([("grpc-encoding", encoding)] if encoding else [])])
        whole = [b"\1" + prefixed(gzip.compress(m))[1:] if encoding else prefixed(m) for m in messages]
        connection.send_data(stream, b"".join(whole), end_stream=True)
    return connection.data_to_send()


GET, SET = field(2, b"key"), field(2, b"key") + field(7, b"value")
BATCH_SET = field(2, field(1, b"a") + field(2, 2) + field(3, b"value")) + field(2, field(1, b"b"))
CALL = field(1, 1) + field(3, b"default") + field(4, b"key")
SEEDS = {
    "config": [b"node: {name: a}\ngroups:\n  - {name: g, max_bytes: 64MiB, eviction: {plugin: lru}, ttl: 1h}\n",
               b"transports:\n  - {plugin: http, listen: \"127.0.0.1:1\"}\ncluster:\n  discovery: {plugin: static, members: []}\n"],
    "peer_form": [bytes([2, 1, 3, 0, 1, 1]) + bytes(74) + b"ga" + b"key", bytes([2]) + bytes(71)],
    "call_form": [field(1, 1) + field(3, b"g") + field(4, b"key"), field(4, 1) + field(9, b"value"), field(9, b"value") + field(10, 3)],
    "grpc_reader": [b"\3" + prefixed(b"message") + prefixed(b""), b"\1" + prefixed(bytes(100))],
    "server_http": [b"GET /v1/groups/default/keys/a HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"PUT /v1/groups/default/keys/a?ttl=1s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
                    b"POST /v1/groups/default/batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"e\r\n{\"get\":[\"a\"]}\n\r\n0\r\n\r\n"],
    "server_grpc": [http2([("/larder.v1.Cache/Set", SET), ("/larder.v1.Cache/Get", GET), ("/larder.v1.Cache/Delete", GET)]),
                    http2([("/larder.v1.Peer/Call", field(1, 5), CALL, field(1, 77), CALL), ("/grpc.health.v1.Health/Check", b"")]),
                    http2([("/larder.v1.Cache/BatchSet", BATCH_SET), ("/larder.v1.Cache/BatchGet", field(2, b"a") + field(2, b"b")),
                           ("/larder.v1.Cache/GroupStats", field(1, b"default") + field(2, 1))]),
                    http2([("/larder.v1.Cache/Set", SET)], encoding="gzip")],
}

if __name__ == "__main__":
    for index, seed in enumerate(SEEDS[sys.argv[1]]):
        with open(os.path.join(sys.argv[2], f"seed-{index}"), "wb") as file:
            file.write(seed)
