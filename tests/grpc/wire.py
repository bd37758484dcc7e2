"""HTTP/2 frame by frame: what a client that means no good can send, and what comes back."""

import contextlib
import os
import socket
import struct
import sys
import time
import unittest

from hpack import Decoder, Encoder

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "transport"))
from host import PATIENCE, Host  # noqa: E402

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, REFUSED_STREAM = 0, 1, 3, 6, 7
CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 8, 9, 11
INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE = 4, 3, 5
OK, DEADLINE_EXCEEDED, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 4, 5, 8, 12, 13, 14

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LAST_ID = 0x7FFFFFFF


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(**values):
    names = {"window": INITIAL_WINDOW_SIZE, "frame_size": MAX_FRAME_SIZE}
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", names[k], v) for k, v in values.items()))


def window(stream, size):
    return frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", size))


def reset(stream, error=CANCEL):
    return frame(RST_STREAM, stream=stream, payload=struct.pack(">I", error))


def varint(number):
    data = b""
    while number > 127:
        data += bytes((number & 127 | 128,))
        number >>= 7
    return data + bytes((number,))


def field(number, value):
    """A bytes field of protobuf."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(payload, flag=0, size=None):
    return struct.pack(">BI", flag, len(payload) if size is None else size) + payload


def get_request(key, group=b"g"):
    return field(1, group) + field(2, key)


def set_request(key, value, group=b"g"):
    return field(1, group) + field(2, key) + field(7, value)


def call_request(key, timeout_us=0, group=b"g"):
    """A get of a peer's."""
    return b"\x08\x01" + field(3, group) + field(4, key) + b"\x38" + varint(timeout_us)


def messages(data):
    """The messages that one stream has carried."""
    at = 0
    while at < len(data):
        size = struct.unpack_from(">I", data, at + 1)[0]
        yield data[at + 5:at + 5 + size]
        at += 5 + size


class Closed(Exception):
    """The server closed the connection where something was expected."""


class Answer:
    """What came on one stream."""

    def __init__(self):
        self.blocks, self.data, self.reset, self.ended = [], b"", None, False

    @property
    def fields(self):
        return {name: value for block in self.blocks for name, value in block}

    @property
    def code(self):
        return int(self.fields["grpc-status"]) if "grpc-status" in self.fields else None

    @property
    def text(self):
        return self.fields.get("grpc-message", "")


class Connection:
    def __init__(self, host, greeting=PREFACE + settings(), receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(host.address)
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder, self.decoder = Encoder(), Decoder()
        self.buffer, self.answers, self.goaways, self.pings, self.settings = b"", {}, [], [], []
        self.server_pings = []
        self.next_stream = 1
        self.auto = True  # acknowledges settings and pings, and gives windows back
        self.send(greeting)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def reply(self, data):
        """Like send(), for what does not matter once the server has closed."""
        if self.auto:
            with contextlib.suppress(OSError):
                self.socket.sendall(data)

    def send_until_closed(self, data, times):
        """Sends the same again and again, until the server does not take it any more. True: it did to the end."""
        self.socket.settimeout(PATIENCE)
        try:
            for _ in range(times):
                self.socket.sendall(data)
        except OSError:
            return False
        return True

    # -------------------------------------------------------------------------------------------- requests

    def stream(self):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        return stream

    def block(self, path="/larder.v1.Cache/Get", method="POST", kind="application/grpc", more=()):
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers")]
        if kind is not None:
            fields.append(("content-type", kind))
        return self.encoder.encode(fields + list(more))

    def begin(self, flags=END_HEADERS, stream=None, **fields):
        stream = stream or self.stream()
        self.send(frame(HEADERS, flags, stream, self.block(**fields)))
        return stream

    def data(self, stream, payload, end=True):
        pieces = [payload[i:i + 16384] for i in range(0, len(payload), 16384)] or [b""]
        for piece in pieces[:-1]:
            self.send(frame(DATA, 0, stream, piece))
        self.send(frame(DATA, END_STREAM if end else 0, stream, pieces[-1]))

    def call(self, payload, **fields):
        """A whole call; returns its stream."""
        stream = self.begin(**fields)
        self.data(stream, payload)
        return stream

    def get(self, key, group=b"g", **fields):
        return self.call(message(get_request(key, group)), **fields)

    # -------------------------------------------------------------------------------------------- answers

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    def take_frame(self):
        """Reads one frame and acts on it."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + struct.unpack(">I", b"\0" + self.buffer[:3])[0]:
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed(self.buffer)
            self.buffer += more
        size = struct.unpack(">I", b"\0" + self.buffer[:3])[0]
        kind, flags, stream = self.buffer[3], self.buffer[4], struct.unpack(">I", self.buffer[5:9])[0]
        payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
        self.act(kind, flags, stream, payload)
        return kind, flags, stream, payload

    def act(self, kind, flags, stream, payload):
        if kind == HEADERS:
            assert flags & END_HEADERS and not flags & PADDED
            self.answer(stream).blocks.append(self.decoder.decode(payload))
        elif kind == DATA:
            self.answer(stream).data += payload
            if payload:
                self.reply(window(0, len(payload)) + window(stream, len(payload)))
        elif kind == RST_STREAM:
            self.answer(stream).reset = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            last, error = struct.unpack(">II", payload[:8])
            self.goaways.append((last, error, payload[8:]))
        elif kind == PING and flags & ACK:
            self.pings.append(payload)
        elif kind == PING:
            self.server_pings.append(payload)
            self.reply(frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self.settings.append(dict(struct.unpack(">HI", payload[i:i + 6]) for i in range(0, len(payload), 6)))
            self.reply(frame(SETTINGS, ACK))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.answer(stream).ended = True

    def wait(self, stream):
        """The whole answer of a stream."""
        answer = self.answer(stream)
        while not answer.ended and answer.reset is None:
            self.take_frame()
        return answer

    def wait_for(self, condition):
        while not condition():
            self.take_frame()

    def wait_closed(self):
        """Reads until the server closes; the GOAWAYs are what it has said last."""
        try:
            while True:
                self.take_frame()
        except Closed:
            return self.goaways

    def ping(self):
        """Everything before has been looked at, and what was said of it has come: acknowledgements overtake answers, once."""
        for _ in range(2):
            payload = struct.pack(">Q", time.monotonic_ns())
            self.send(frame(PING, 0, 0, payload))
            self.wait_for(lambda sent=payload: sent in self.pings)


class Case(unittest.TestCase):
    """Tests against one host with the parameters of the class."""

    PARAMETERS = "workers: 2"

    @classmethod
    def setUpClass(cls):
        cls.host = Host(cls.PARAMETERS)

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def connect(self, **options):
        connection = Connection(self.host, **options)
        self.addCleanup(connection.socket.close)
        return connection

    def assert_serves(self, connection=None):
        """A connection, or a new one, gets its answers."""
        connection = connection or self.connect()
        answer = connection.wait(connection.get(b"big:3"))
        self.assertEqual((answer.code, answer.data[-3:]), (OK, b"abc"))

    def wait_until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.01)

    def wait_pins(self, most):
        self.wait_until(lambda: self.host.stats()["pins"] <= most, f"at most {most} values are held")
