"""Options of the gRPC transport, each tried at a node; test_options runs them."""

import os
import sys

from kit import ROOT, Case, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "grpc"))
import wire  # noqa: E402

GROUPS = ({"name": "g", "max_bytes": "64MiB"},)
SET = "/larder.v1.Cache/Set"


class GrpcOptions(Case):
    """transports[] grpc"""

    def serve(self, name="solo", **options):
        node = self.started(name, grpc=options, groups=GROUPS)
        node.address = ("127.0.0.1", node.grpc_port)
        wait_until(lambda: "grpc listens on" in node.log_text(), "the second transport listens, too")
        return node

    def connect(self, node, **options):
        connection = wire.Connection(node, **options)
        self.addCleanup(connection.socket.close)
        return connection

    def set(self, connection, size):
        """Stores a value of so many bytes and returns the code."""
        return connection.wait(connection.call(wire.message(wire.set_request(b"k", b"v" * size)), path=SET)).code

    def upload(self, connection, size=100, announced=200):
        """Begins a message and does not end it."""
        stream = connection.begin(path=SET)
        connection.data(stream, wire.message(b"x" * size, size=announced), end=False)
        return stream

    def test_listen(self):
        node = self.serve()
        connection = self.connect(node)
        self.assertEqual(self.set(connection, 3), wire.OK)
        self.assertTrue(connection.wait(connection.get(b"k")).data.endswith(b"vvv"))
        self.assertEqual(node.get("g", "k").body, b"vvv")

    def test_workers(self):
        few, many = self.serve("few", workers=1), self.serve("many", workers=12)
        threads = [len(os.listdir(f"/proc/{node.pid}/task")) for node in (few, many)]
        self.assertEqual(threads[1] - threads[0], 11)

    def test_max_connections(self):
        node = self.serve(max_connections=2)
        for connection in (self.connect(node), self.connect(node)):
            connection.ping()
        self.assertEqual([g[2] for g in self.connect(node).wait_closed()], [b"too many connections"])

    def test_max_streams(self):
        connection = self.connect(self.serve(max_streams=2))
        streams = [self.upload(connection) for _ in range(3)]
        self.assertEqual(connection.wait(streams[2]).reset, wire.REFUSED_STREAM)
        self.assertEqual(connection.settings[0][wire.MAX_CONCURRENT_STREAMS], 2)

    def test_max_message(self):
        connection = self.connect(self.serve(max_message="10KiB"))
        self.assertEqual(self.set(connection, 10000), wire.OK)
        self.assertEqual(self.set(connection, 10241), wire.RESOURCE_EXHAUSTED)

    def test_max_header_bytes(self):
        connection = self.connect(self.serve(max_header_bytes="1KiB"))
        for size, code in ((500, wire.NOT_FOUND), (1000, wire.RESOURCE_EXHAUSTED)):
            self.assertEqual(connection.wait(connection.get(b"none", more=[("x", "y" * size)])).code, code)

    def test_max_body_bytes(self):
        connection = self.connect(self.serve(max_body_bytes="64KiB"))
        streams = [self.upload(connection, 16000, 16384) for _ in range(10)]
        connection.ping()
        codes = [connection.answer(stream).code for stream in streams]
        self.assertEqual(codes, [None] * 4 + [wire.RESOURCE_EXHAUSTED] * 6)

    def test_handshake_timeout(self):
        connection = self.connect(self.serve(handshake_timeout="100ms"), greeting=b"")
        connection.auto = False
        self.assertEqual(connection.wait_closed(), [])

    def test_message_timeout(self):
        connection = self.connect(self.serve(message_timeout="100ms"))
        self.assertEqual(connection.wait(self.upload(connection)).code, wire.DEADLINE_EXCEEDED)

    def test_idle_timeout(self):
        connection = self.connect(self.serve(idle_timeout="100ms"))
        self.assertEqual([(g[0], g[1]) for g in connection.wait_closed()], [(wire.LAST_ID, 0), (0, 0)])

    def test_keepalive_interval(self):
        connection = self.connect(self.serve(keepalive_interval="100ms"))
        self.upload(connection)
        connection.wait_for(lambda: len(connection.server_pings) > 1)

    def test_keepalive_timeout(self):
        node = self.serve(keepalive_interval="50ms", keepalive_timeout="50ms", message_timeout="10m")
        connection = self.connect(node)
        connection.ping()
        self.upload(connection)
        connection.auto = False
        connection.wait_closed()
        self.assertEqual(len(connection.server_pings), 1)
