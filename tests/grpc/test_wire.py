"""What stands on the wire: frames, header fields, messages, and what is made of those that make no sense."""

import gzip
import os
import struct
import sys
import time
import unittest
import zlib

from google.protobuf.message import DecodeError

from wire import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, DEADLINE_EXCEEDED, END_HEADERS, END_STREAM,
                  FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL, MAX_CONCURRENT_STREAMS,
                  NO_ERROR, NOT_FOUND, OK, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
                  RESOURCE_EXHAUSTED, SETTINGS, UNIMPLEMENTED, WINDOW_UPDATE, Case, Connection, Host, call_request, field,
                  frame, get_request, message, messages, reset, set_request, settings, varint, window)
from stub import larder

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fuzz"))
from seeds import SEEDS  # noqa: E402

MIB = 1 << 20


class Frames(Case):
    def test_settings(self):
        connection = self.connect()
        self.assert_serves(connection)
        self.assertEqual(connection.settings[0][MAX_CONCURRENT_STREAMS], 1024)
        self.assertEqual(connection.settings[0][INITIAL_WINDOW_SIZE], MIB)

    def test_the_form_of_answers(self):
        connection = self.connect()
        good = connection.wait(connection.get(b"big:5"))
        self.assertEqual([list(block) for block in good.blocks],
                         [[(":status", "200"), ("content-type", "application/grpc")], [("grpc-status", "0")]])
        self.assertEqual(good.data[:1], b"\0")
        self.assertEqual(struct.unpack(">I", good.data[1:5])[0], len(good.data) - 5)
        self.assertTrue(good.data.endswith(field(4, b"abcde")))
        bad = connection.wait(connection.get(b"fail:6"))
        self.assertEqual([list(block) for block in bad.blocks],
                         [[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "9"),
                           ("grpc-message", 'because "it" %01 said so'), ("larder-status", "PRECONDITION")]])
        self.assertEqual((bad.data, bad.reset), (b"", None))

    def test_one_byte_at_a_time(self):
        connection = self.connect(greeting=b"")
        block = connection.block()
        whole = (PREFACE + settings() + frame(HEADERS, END_HEADERS, 1, block) +
                 frame(DATA, END_STREAM, 1, message(get_request(b"big:4"))))
        for i in range(len(whole)):
            connection.send(whole[i:i + 1])
        self.assertTrue(connection.wait(1).data.endswith(b"abcd"))

    def test_a_message_in_frames_of_one_byte(self):
        connection = self.connect()
        stream = connection.begin()
        for byte in message(get_request(b"big:4")):
            connection.send(frame(DATA, 0, stream, bytes((byte,))))
        connection.send(frame(DATA, END_STREAM, stream))
        self.assertEqual(connection.wait(stream).code, OK)

    def test_padding_continuation_and_trailers(self):
        connection = self.connect()
        block, stream = connection.block(), connection.stream()
        connection.send(frame(HEADERS, 0, stream, block[:7]) + frame(CONTINUATION, 0, stream, block[7:9]) +
                        frame(CONTINUATION, END_HEADERS, stream, block[9:]))
        payload = message(get_request(b"big:4"))
        connection.send(frame(DATA, PADDED, stream, b"\x20" + payload + bytes(32)))
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.encoder.encode([("x-end", "yes")])))
        self.assertEqual(connection.wait(stream).code, OK)

    def test_a_client_that_ends_its_side_gets_its_answers(self):
        connection = self.connect()
        stream = connection.get(b"slow:200:x")
        connection.socket.shutdown(1)
        connection.auto = False
        self.assertEqual(connection.wait(stream).code, NOT_FOUND)
        connection.wait_closed()

    def test_answers_that_can_never_be_taken_are_not_waited_for(self):
        """The client has ended its side, and opens no window any more: neither its time passes, nor is it pinged."""
        connection = self.connect(greeting=PREFACE + settings(window=4))
        answers = [connection.get(key) for key in (b"big:100", b"slow:200:x", b"big:5")]
        connection.socket.shutdown(1)
        connection.auto = False
        connection.wait_closed()
        self.assertEqual(connection.server_pings, [])
        self.assertEqual(connection.answers[answers[1]].code, NOT_FOUND)
        for stream in (answers[0], answers[2]):
            self.assertEqual((len(connection.answers[stream].data), connection.answers[stream].reset), (4, None))

    def test_other_protocols_are_closed(self):
        for greeting in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
                         b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"\xff" * 70000):
            connection = self.connect(greeting=b"")
            connection.send_until_closed(greeting, 1)
            self.assertLessEqual(len(connection.wait_closed()), 1)
        self.assert_serves()

    def assert_error(self, data, error, **options):
        connection = self.connect(**options)
        connection.ping()
        connection.send_until_closed(data(connection) if callable(data) else data, 1)
        goaways = connection.wait_closed()
        self.assertEqual([g[1] for g in goaways], [error], goaways)

    def test_frames_that_make_no_sense(self):
        for data, error in (
                (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
                (frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
                (frame(HEADERS, END_HEADERS, 0, b""), PROTOCOL_ERROR),
                (lambda c: frame(HEADERS, END_HEADERS, 2, c.block()), PROTOCOL_ERROR),
                (lambda c: frame(HEADERS, 0, 1, c.block()) + frame(PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
                (frame(CONTINUATION, END_HEADERS, 1, b""), PROTOCOL_ERROR),
                (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), PROTOCOL_ERROR),
                (frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
                (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
                (frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
                (frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
                (settings(window=0x80000000), FLOW_CONTROL_ERROR),
                (settings(frame_size=100), PROTOCOL_ERROR),
                (window(0, 0), PROTOCOL_ERROR),
                (window(0, 0x7FFFFFFF) * 2, FLOW_CONTROL_ERROR),
                (frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
                (reset(1), PROTOCOL_ERROR),
                (b"\xff\xff\xff" + frame(DATA, 0, 1)[3:] + bytes(20000), FRAME_SIZE_ERROR),
        ):
            with self.subTest(data=data):
                self.assert_error(data, error)
        self.assert_serves()

    def test_malformed_hpack(self):
        for block in (b"\x80", b"\xff\xff\xff\xff\xff\x0f", b"\xfe", b"\x40\x85\xff\xff\xff\xff\xff", b"\x00\x7f\xff\xff\xff\x7f",
                      b"\x3f\xe1\xff\x03", b"\x41"):
            with self.subTest(block=block):
                self.assert_error(frame(HEADERS, END_HEADERS | END_STREAM, 1, block), COMPRESSION_ERROR)
        self.assert_serves()

    def test_header_fields_that_make_no_sense(self):
        good = [(":method", "POST"), (":scheme", "http"), (":path", "/larder.v1.Cache/Get"), (":authority", "x"),
                ("content-type", "application/grpc")]
        connection = self.connect()
        for fields in (good[1:], good[:2] + good[3:], good + [(":path", "/")], good + [("Upper", "x")],
                       good + [("x", "a\r\nb")], good + [("connection", "close")], good + [(":extra", "x")], [],
                       [("te", "trailers")] + good):
            stream = connection.stream()
            connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.encoder.encode(fields)))
            with self.subTest(fields=fields):
                self.assertEqual(connection.wait(stream).reset, PROTOCOL_ERROR)
        self.assert_serves(connection)

    def test_windows(self):
        connection = self.connect(greeting=PREFACE + settings(window=1))
        connection.auto = False
        stream = connection.get(b"big:40")
        answer = connection.answer(stream)
        for size in range(1, 200):
            connection.wait_for(lambda n=size: len(answer.data) >= n or answer.ended)
            if answer.ended:
                break
            self.assertEqual(len(answer.data), size)
            connection.send(window(stream, 1))
        self.assertTrue(connection.wait(stream).data.endswith(b"abcdefghijklmn"))
        connection.send(window(stream, 5) + reset(stream))  # late, and harmless
        overflow = connection.get(b"big:100000")
        connection.send(window(overflow, 0x7FFFFFFF) * 2)
        self.assertEqual(connection.wait(overflow).reset, FLOW_CONTROL_ERROR)
        connection.send(settings(window=1 << 20))
        self.assert_serves(connection)


class Calls(Case):
    def test_content_types(self):
        connection = self.connect()
        for kind in ("application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8",
                     "application/grpc+proto;x=1"):
            self.assertEqual(connection.wait(connection.get(b"big:1", kind=kind)).code, OK)
        for kind in (None, "application/json", "application/grpc+json", "application/grpcx", "application/grp", ""):
            answer = connection.wait(connection.get(b"big:1", kind=kind))
            self.assertEqual((answer.fields[":status"], answer.code), ("415", None), kind)
        answer = connection.wait(connection.get(b"big:1", method="GET"))
        self.assertEqual(answer.fields[":status"], "405")
        answer = connection.wait(connection.get(b"big:1", path="/no%ne" + "x" * 500))
        self.assertEqual((answer.code, answer.text.count("x")), (UNIMPLEMENTED, 194))
        self.assertIn("/no%25nexxx", answer.text)
        self.assert_serves(connection)

    def test_timeouts(self):
        connection = self.connect()
        for text, most in (("1H", 3600000), ("5M", 300000), ("30S", 30000), ("1500m", 1500),
                           ("2000000u", 2000), ("99999999n", 99)):
            answer = connection.wait(connection.get(b"left:", more=[("grpc-timeout", text)]))
            left = int(answer.data.split(b"\x22", 1)[1][1:])  # field 4, after its length
            self.assertTrue(most * 0.2 < left <= most or most == 99, (text, left))
        self.assertEqual(connection.wait(connection.get(b"big:1", more=[("grpc-timeout", "99999999H")])).code, OK)
        for text in ("", "5", "m", "-1m", "1.5S", "123456789m", "1s", "1 m", "0x1m"):
            answer = connection.wait(connection.get(b"big:1", more=[("grpc-timeout", text)]))
            self.assertEqual(answer.code, INTERNAL, text)
        began = time.monotonic()
        answer = connection.wait(connection.get(b"never:", more=[("grpc-timeout", "200m")]))
        self.assertEqual((answer.code, answer.fields["larder-status"]), (DEADLINE_EXCEEDED, "DEADLINE"))
        self.assertGreaterEqual(time.monotonic() - began, 0.19)
        self.assertEqual(connection.wait(connection.get(b"never:", more=[("grpc-timeout", "0n")])).code, DEADLINE_EXCEEDED)

    def test_a_deadline_passes_while_the_message_arrives(self):
        connection = self.connect()
        stream = connection.begin(more=[("grpc-timeout", "300m")])
        connection.data(stream, message(get_request(b"big:1"))[:7], end=False)
        began = time.monotonic()
        answer = connection.wait(stream)
        self.assertEqual((answer.code, answer.fields["larder-status"]), (DEADLINE_EXCEEDED, "DEADLINE"))
        self.assertGreaterEqual(time.monotonic() - began, 0.25)
        connection.wait_for(lambda: answer.reset is not None)
        self.assertEqual(answer.reset, NO_ERROR)
        self.assert_serves(connection)

    def test_messages_that_make_no_sense(self):
        good = message(get_request(b"big:1"))
        connection = self.connect()
        for payload, code, word in (
                (b"", UNIMPLEMENTED, "no message"),
                (good[:4], INTERNAL, "ended"),
                (good[:5], INTERNAL, "ended"),
                (good[:-1], INTERNAL, "ended"),
                (good + good, UNIMPLEMENTED, "more than"),
                (good + b"\0", UNIMPLEMENTED, "more than"),
                (message(get_request(b"big:1"), flag=2), INTERNAL, "first byte"),
                (message(get_request(b"big:1"), flag=255), INTERNAL, "first byte"),
                (message(b"x", size=4 * MIB + 1), RESOURCE_EXHAUSTED, "4194305"),
                (message(b"x", size=0xFFFFFFFF), RESOURCE_EXHAUSTED, "4294967295"),
                (message(b"\xff\xff\xff"), INTERNAL, "larder.v1.GetRequest"),
                (message(field(2, b"key")[:-1]), INTERNAL, "larder.v1.GetRequest"),
                (message(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), INTERNAL, "larder.v1.GetRequest"),
                (message(b"\x0b\x0c"), INTERNAL, "larder.v1.GetRequest"),
                (message(b"\x78\x01" * 400000), RESOURCE_EXHAUSTED, "parts"),
        ):
            with self.subTest(payload=payload[:20]):
                answer = connection.wait(connection.call(payload))
                self.assertEqual(answer.code, code)
                self.assertIn(word, answer.text)
        self.assert_serves(connection)
        empty = connection.wait(connection.call(message(b"")))  # an empty key
        self.assertEqual(empty.fields["larder-status"], "INVALID")

    def test_unknown_repeated_and_reordered_fields(self):
        connection = self.connect()
        for payload in (field(2, b"big:2") + field(1, b"g"),
                        field(2, b"wrong") + field(1, b"nobody") + get_request(b"big:2"),
                        field(15, b"x") * 10 + get_request(b"big:2") + varint(99 << 3) + b"\x07",
                        b"\x79" + bytes(8) + get_request(b"big:2") + b"\x7d" + bytes(4)):
            self.assertTrue(connection.wait(connection.call(message(payload))).data.endswith(b"ab"))
        for payload in (field(7, b"old") + set_request(b"r", b"new"), field(7, b"new") + field(2, b"r") + field(1, b"g"),
                        field(7, b"old") + field(1, b"g") + field(7, b"new") + field(2, b"r")):
            connection.wait(connection.call(message(payload), path="/larder.v1.Cache/Set"))
            self.assertTrue(connection.wait(connection.get(b"r")).data.endswith(b"new"))
        # A group that only begins like one.
        answer = connection.wait(connection.call(message(get_request(b"big:2", group=b"g\0x"))))
        self.assertEqual(answer.fields["larder-status"], "NO_GROUP")

    def test_compression(self):
        connection = self.connect()
        payload = get_request(b"big:2")
        ways = {"gzip": gzip.compress(payload), "deflate": zlib.compress(payload)}
        for name, packed in ways.items():
            more = [("grpc-encoding", name)]
            self.assertEqual(connection.wait(connection.call(message(packed, flag=1), more=more)).code, OK)
            self.assertEqual(connection.wait(connection.call(message(payload), more=more)).code, OK)
            for broken in (packed[:-1], packed + b"x", packed[:-6] + b"\xff\xff" + packed[-4:], b"", b"\x1f\x8b"):
                answer = connection.wait(connection.call(message(broken, flag=1), more=more))
                self.assertEqual((answer.code, "decompress" in answer.text), (INTERNAL, True), (name, broken))
        answer = connection.wait(connection.call(message(payload, flag=1)))
        self.assertEqual((answer.code, "grpc-encoding" in answer.text), (INTERNAL, True))
        answer = connection.wait(connection.call(message(payload, flag=1), more=[("grpc-encoding", "snappy")]))
        self.assertEqual((answer.code, answer.fields["grpc-accept-encoding"]), (UNIMPLEMENTED, "identity,deflate,gzip"))
        # A bomb: 1 GiB of zeros.
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = b"".join(bomb.compress(bytes(MIB)) for _ in range(1024)) + bomb.flush()
        answer = connection.wait(connection.call(message(packed, flag=1), more=[("grpc-encoding", "gzip")]))
        self.assertEqual((answer.code, answer.fields["larder-status"]), (RESOURCE_EXHAUSTED, "TOO_LARGE"))
        self.assert_serves(connection)

    def test_an_early_answer_ends_the_upload(self):
        connection = self.connect()
        other = connection.get(b"slow:300:x")
        stream = connection.begin(path="/larder.v1.Cache/Set")
        connection.data(stream, message(b"x" * 100000, size=5 * MIB), end=False)
        answer = connection.wait(stream)
        self.assertEqual((answer.code, answer.ended), (RESOURCE_EXHAUSTED, True))
        connection.wait_for(lambda: answer.reset is not None)
        self.assertEqual(answer.reset, NO_ERROR)
        for _ in range(100):  # what was on its way is no harm
            connection.data(stream, b"x" * 16384, end=False)
        connection.data(stream, b"", end=True)
        self.assertEqual(connection.wait(other).code, NOT_FOUND)
        self.assert_serves(connection)
        self.assertEqual(connection.goaways, [])

    def test_a_long_text_is_cut_and_encoded(self):
        connection = self.connect()
        answer = connection.wait(connection.call(message(get_request(b"k", group=b"%" * 200))))
        self.assertEqual(answer.code, NOT_FOUND)


class Limits(Case):
    PARAMETERS = "workers: 2, max_streams: 10, max_header_bytes: 4KiB, max_message: 64KiB, max_body_bytes: 1MiB"

    def test_streams(self):
        for acknowledged in (False, True):
            with self.subTest(acknowledged=acknowledged):
                self.use_all_streams(acknowledged)

    def use_all_streams(self, acknowledged):
        connection = self.connect()
        connection.auto = acknowledged
        connection.ping()
        self.assertEqual(connection.settings[0][MAX_CONCURRENT_STREAMS], 10)
        streams = [connection.get(b"slow:500:%d" % i) for i in range(10)]
        refused = connection.get(b"big:1")
        self.assertEqual(connection.wait(refused).reset, 7)
        for stream in streams:
            self.assertEqual(connection.wait(stream).code, NOT_FOUND)
        self.assert_serves(connection)

    def test_calls_that_were_given_up_count(self):
        connection = self.connect()
        for _ in range(30):
            connection.send(reset(connection.get(b"slow:700:x")))
        self.assertEqual(connection.wait(connection.get(b"big:1")).reset, 7)
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all are answered")
        self.assert_serves(connection)

    def test_requests_of_peers_count(self):
        connection = self.connect()
        get = message(call_request(b"slow:700:x"))
        taken = connection.call(get * 29, path="/larder.v1.Peer/Call")  # they, and their stream
        answer = connection.wait(connection.call(get, path="/larder.v1.Peer/Call"))
        self.assertEqual(answer.reset, 7)
        self.assertEqual(connection.wait(taken).code, OK)
        refused = self.host.stats()["requests_refused"]
        answer = connection.wait(connection.call(get * 40, path="/larder.v1.Peer/Call"))
        replies = [larder.CallResponse.FromString(m) for m in messages(answer.data)]
        self.assertEqual((answer.code, sorted((r.request, r.status) for r in replies)),
                         (OK, [(i, larder.STATUS_NOT_FOUND if i < 29 else larder.STATUS_BUSY) for i in range(40)]))
        self.assertEqual(self.host.stats()["requests_refused"], refused + 11)
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all are answered")
        self.assert_serves(connection)

    def test_metadata(self):
        connection = self.connect()
        exact = 4096 - sum(len(n) + len(v) + 32 for n, v in (
            (":method", "POST"), (":scheme", "http"), (":path", "/larder.v1.Cache/Get"), (":authority", "test"),
            ("te", "trailers"), ("content-type", "application/grpc"), ("x", "")))
        self.assertEqual(connection.wait(connection.get(b"big:1", more=[("x", "y" * exact)])).code, OK)
        answer = connection.wait(connection.get(b"big:1", more=[("x", "y" * (exact + 1))]))
        self.assertEqual((answer.code, answer.fields["larder-status"]), (RESOURCE_EXHAUSTED, "TOO_LARGE"))
        self.assertIn("4096", answer.text)
        answer = connection.wait(connection.get(b"big:1", more=[("x%d" % i, "") for i in range(200)]))
        self.assertEqual(answer.code, RESOURCE_EXHAUSTED)
        self.assert_serves(connection)

    def test_an_hpack_bomb(self):
        """One entry of the table, told 10,000 times: 40 MB of header fields in 10 KB."""
        connection = self.connect()
        stream = connection.stream()
        block = connection.block(more=[("bomb", "b" * 3900)]) + b"\xbe" * 10000
        connection.send(frame(HEADERS, END_HEADERS, stream, block))
        connection.data(stream, message(get_request(b"big:1")))
        self.assertEqual(connection.wait(stream).code, RESOURCE_EXHAUSTED)
        self.assert_serves(connection)

    def test_messages(self):
        connection = self.connect()
        value = b"v" * (65536 - len(set_request(b"k", b"")) - 3)
        self.assertLessEqual(len(set_request(b"k", value)), 65536)
        set_path = {"path": "/larder.v1.Cache/Set"}
        self.assertEqual(connection.wait(connection.call(message(set_request(b"k", value)), **set_path)).code, OK)
        answer = connection.wait(connection.call(message(set_request(b"k", value + b"12345")), **set_path))
        self.assertEqual(answer.code, RESOURCE_EXHAUSTED)
        self.assert_serves(connection)

    def test_memory_of_all_messages(self):
        """Uploads that do not end: what they may hold together is bounded, and given back."""
        connections = [self.connect() for _ in range(4)]
        codes = []
        for connection in connections:
            streams = [connection.begin(path="/larder.v1.Cache/Set") for _ in range(10)]
            for stream in streams:
                connection.data(stream, message(b"x" * 60000, size=65536), end=False)
            connection.ping()
            codes += [connection.answer(stream).code for stream in streams]
        self.assertIn(RESOURCE_EXHAUSTED, codes)
        self.assertLess(codes.count(None), 1024 // 60 + 2)
        self.assertGreater(codes.count(None), 5)
        for connection in connections:
            connection.socket.close()

        def room():
            connection = self.connect()
            return connection.wait(connection.call(message(set_request(b"k", b"v" * 60000)), path="/larder.v1.Cache/Set")).code == OK
        self.wait_until(room, "the memory of those that are gone is free")

    def test_refused_is_counted(self):
        before = self.host.stats()["requests_refused"]
        connection = self.connect()
        connection.wait(connection.get(b"x", path="/nothing"))
        connection.wait(connection.get(b"x", kind="text/plain"))
        self.assertEqual(self.host.stats()["requests_refused"], before + 2)


class Seeds(Case):
    """What fuzzing begins with makes sense: a seed that is no message leads nowhere."""

    def test_calls(self):
        for seed in SEEDS["server_grpc"]:
            connection = self.connect(greeting=seed)
            connection.ping()
            self.assertGreater(len(connection.answers), 0)
            self.assertEqual({answer.code for answer in connection.answers.values()}, {OK})

    def test_messages_of_peers(self):
        for seed in SEEDS["call_form"]:
            self.assertTrue(self.is_one(larder.CallRequest, seed) or self.is_one(larder.CallResponse, seed), seed)

    def is_one(self, kind, seed):
        """All that the seed says is known."""
        try:
            message = kind.FromString(seed)
        except DecodeError:
            return False
        message.DiscardUnknownFields()
        return message.SerializeToString() == seed


class Metadata(Case):
    PARAMETERS = "workers: 1, max_header_bytes: 64KiB"

    def test_as_much_as_can_be(self):
        connection = self.connect()
        usual = sum(len(n) + len(v) + 32 for n, v in (
            (":method", "POST"), (":scheme", "http"), (":path", "/larder.v1.Cache/Get"), (":authority", "test"),
            ("te", "trailers"), ("content-type", "application/grpc")))
        for size, code in ((65536 - usual - 33, OK), (65537 - usual - 33, RESOURCE_EXHAUSTED)):
            stream = connection.stream()
            block = connection.block(more=[("x", "y" * size)])
            connection.send(frame(HEADERS, 0, stream, block[:16384]))
            for at in range(16384, len(block), 16384):
                connection.send(frame(CONTINUATION, END_HEADERS if at + 16384 >= len(block) else 0, stream,
                                      block[at:at + 16384]))
            connection.data(stream, message(get_request(b"big:1")))
            self.assertEqual(connection.wait(stream).code, code)

    def test_more_cannot_be_asked_for(self):
        with self.assertRaises(RuntimeError):
            Host("max_header_bytes: 65KiB").close()


class Few(Case):
    PARAMETERS = "workers: 1, max_streams: 1000, max_body_bytes: 64KiB"

    def test_calls_that_have_only_begun(self):
        """They take memory that no message is charged for: there may be so many, and no more."""
        connection = self.connect()
        streams = [connection.begin() for _ in range(100)]
        connection.ping()
        resets = [connection.answer(stream).reset for stream in streams]
        self.assertEqual(resets, [None] * 64 + [7] * 36)
        connection.socket.close()

        def room():
            other = self.connect()
            return other.wait(other.get(b"big:1")).code == OK
        self.wait_until(room, "those that are gone leave room")


if __name__ == "__main__":
    unittest.main()
