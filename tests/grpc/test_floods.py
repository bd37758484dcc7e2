"""Clients that send what costs them little and the server much, and clients that do not take what they asked for."""

import contextlib
import signal
import struct
import time
import unittest

from wire import (CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, NOT_FOUND, OK, PING, PREFACE,
                  PRIORITY, RESOURCE_EXHAUSTED, RST_STREAM, SETTINGS, CANCEL, Case, Closed, Connection, Host, call_request, field,
                  frame, get_request, message, messages, reset, set_request, settings, window)
from stub import larder

MIB = 1 << 20


class Floods(Case):
    PARAMETERS = "workers: 1, max_streams: 100"

    def flood(self, data, times, **options):
        """Sends until it is closed; others are served meanwhile."""
        connection = self.connect(**options)
        connection.ping()
        whole = connection.send_until_closed(data(connection) if callable(data) else data, times)
        self.assert_serves()
        return connection, whole

    def assert_thrown_out(self, connection):
        """Closed for what it did, and not for having been idle."""
        goaways = connection.wait_closed()
        self.assertTrue(all(g[1] != NO_ERROR for g in goaways), goaways)

    def assert_calmed(self, data, times=10000):
        connection, _ = self.flood(data, times)
        goaways = connection.wait_closed()
        # The GOAWAY may be lost when the client went on sending; whatever came says why.
        self.assertTrue(all(g[1] == ENHANCE_YOUR_CALM for g in goaways), goaways)
        return goaways

    def test_pings_told(self):
        """Just too many: it is told why it is closed."""
        connection = self.connect()
        connection.ping()
        connection.send(frame(PING, 0, 0, bytes(8)) * 1100)
        goaways = connection.wait_closed()
        self.assertEqual([(g[1], g[2]) for g in goaways], [(ENHANCE_YOUR_CALM, b"too many frames that bring nothing")])

    def test_pings(self):
        goaways = self.assert_calmed(frame(PING, 0, 0, bytes(8)) * 100, 100)
        self.assertTrue(all(b"frames" in g[2] for g in goaways))

    def test_acknowledged_pings(self):
        self.assert_calmed(frame(PING, 1, 0, bytes(8)) * 100, 100)

    def test_settings(self):
        self.assert_calmed(settings(window=65535) * 100, 100)

    def test_empty_frames(self):
        self.assert_calmed(lambda c: frame(DATA, 0, c.begin(), b"") * 10000, 1)

    def test_priorities(self):
        self.assert_calmed(frame(PRIORITY, 0, 1, bytes(5)) * 100, 100)

    def test_unknown_frames(self):
        connection, whole = self.flood(frame(77, 0, 0, b"x") * 100, 100)  # cost nothing, and mean nothing
        self.assertTrue(whole)
        self.assert_serves(connection)

    def test_pings_between_calls_are_forgiven(self):
        connection = self.connect()
        for _ in range(1500):
            connection.send(frame(PING, 0, 0, bytes(8)))
            self.assertEqual(connection.wait(connection.get(b"fail:1")).code, NOT_FOUND)
        self.assertEqual(connection.goaways, [])

    def test_pings_now_and_then_are_forgiven(self):
        connection = self.connect()
        for _ in range(450):
            connection.ping()
        self.assert_serves(connection)

    def test_rapid_reset(self):
        connection = self.connect()

        def some(first):
            block = connection.block()
            return b"".join(frame(HEADERS, END_HEADERS, s, block) + frame(RST_STREAM, 0, s, struct.pack(">I", CANCEL))
                            for s in range(first, first + 2000, 2))
        connection.ping()
        with contextlib.suppress(OSError):
            for i in range(60):
                connection.send(some(1 + 2000 * i))
        self.assert_serves()
        self.assert_thrown_out(connection)
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all are answered")

    def test_cancelled_now_and_then(self):
        connection = self.connect()
        for _ in range(500):
            connection.send(reset(connection.get(b"hop:x")))
        connection.ping()
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all are answered")
        self.assert_serves(connection)

    def test_endless_continuations(self):
        connection = self.connect()
        connection.ping()
        stream = connection.stream()
        whole = (frame(HEADERS, 0, stream, connection.block()) + frame(CONTINUATION, 0, stream, b"") * 20 +
                 frame(CONTINUATION, END_HEADERS, stream, b"") + frame(DATA, END_STREAM, stream, message(get_request(b"big:1"))))
        connection.send_until_closed(whole, 1)
        self.assert_thrown_out(connection)
        self.assertIsNone(connection.answer(stream).code)
        connection = self.connect()
        stream = connection.stream()
        connection.send(frame(HEADERS, 0, stream, connection.block()))
        field = b"\x00\x01x\x7f\x80\x7d" + b"y" * 16127  # a literal of 16 KB
        connection.send_until_closed(frame(CONTINUATION, 0, stream, field), 1000)
        self.assert_serves()
        self.assert_thrown_out(connection)

    def test_endless_header_fields_in_one_call(self):
        """1 MB of header fields: refused, and nothing of them is kept."""
        connection = self.connect()
        for _ in range(50):
            stream = connection.stream()
            block = connection.block(more=[("x%d" % i, "y" * 100) for i in range(120)])
            connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block[:16384]))
            if len(block) > 16384:
                break
        self.assert_serves()


class Expiring(Case):
    PARAMETERS = "workers: 1, max_streams: 1000"

    def test_many_calls_that_are_given_up(self):
        """As many as run out of time in a second, where all streams are used for short calls."""
        connection = self.connect()
        self.assert_serves(connection)  # from here on all header blocks are the same
        block, payload = connection.block(), message(get_request(b"hop:x"))
        for _ in range(10):
            streams = [connection.stream() for _ in range(600)]
            connection.send(b"".join(frame(HEADERS, END_HEADERS, stream, block) +
                                     frame(DATA, END_STREAM, stream, payload) + reset(stream) for stream in streams))
        connection.ping()
        self.assertEqual(connection.goaways, [])
        self.assert_serves(connection)


class Stalled(Case):
    PARAMETERS = "workers: 1, max_streams: 100, idle_timeout: 1s, max_body_bytes: 8MiB"

    def test_windows_that_stay_closed(self):
        connection = self.connect(greeting=PREFACE + settings(window=0))
        connection.auto = False
        streams = [connection.get(b"big:1000000") for _ in range(100)]
        connection.ping()
        # No more is begun than the connection may hold.
        self.assertLessEqual(self.host.stats()["pins"], 6)
        self.assert_serves()
        for stream in streams[:2]:
            self.assertEqual(connection.wait(stream).reset, CANCEL)
        for stream in streams[2:]:  # reset, or their time was over before they could begin
            answer = connection.wait(stream)
            self.assertTrue(answer.reset == CANCEL or answer.code is not None)
        self.wait_pins(0)
        self.assertEqual(connection.wait(connection.get(b"fail:1")).code, NOT_FOUND)

    def assert_stored(self, payload):
        connection = self.connect()
        self.assertEqual(connection.wait(connection.call(payload, path="/larder.v1.Cache/Set")).code, OK)

    def test_answers_that_come_later(self):
        """All are at the node when the first comes back: what they hold is bounded, too."""
        value = message(set_request(b"slow:400:x", b"v" * MIB))
        self.assert_stored(value)
        connection = self.connect(greeting=PREFACE + settings(window=0))
        connection.auto = False
        streams = [connection.get(b"slow:400:x") for _ in range(100)]
        connection.ping()
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all have come back")
        connection.ping()
        self.assertLessEqual(self.host.stats()["pins"], 5 + 8)
        refused = [answer for answer in map(connection.wait, streams) if answer.code is not None]
        self.assertEqual({(a.code, a.fields["larder-status"]) for a in refused}, {(RESOURCE_EXHAUSTED, "NO_MEMORY")})
        self.wait_pins(0)
        self.assert_stored(value)  # nothing is counted any more

    def test_a_batch_that_is_not_taken(self):
        """Its values are copied into the answer, or too large for it: none is kept."""
        connection = self.connect(greeting=PREFACE + settings(window=0))
        connection.auto = False
        batch = field(1, b"g") + field(2, b"big:1000000") * 20
        stream = connection.call(message(batch), path="/larder.v1.Cache/BatchGet")
        connection.ping()
        self.assertEqual(self.host.stats()["pins"], 0)
        self.assertEqual(connection.wait(stream).reset, CANCEL)

    def test_a_batch_that_waits_for_its_last_key(self):
        """Values that its answer has no room for are not held until then."""
        self.assert_stored(message(set_request(b"slow:50:x", b"v" * MIB)))
        batch = field(1, b"g") + field(2, b"slow:50:x") * 100 + field(2, b"slow:5000:y")
        connection = self.connect()
        completed = self.host.stats()["completed"]
        stream = connection.call(message(batch), path="/larder.v1.Cache/BatchGet")
        self.wait_until(lambda: self.host.stats()["completed"] == completed + 100, "all but the last have come")
        self.assertIn(self.host.stats()["pins"], (3, 4))  # one may be on its way to be released
        (answer,) = messages(connection.wait(stream).data)
        statuses = [result.status for result in larder.BatchGetResponse.FromString(answer).results]
        self.assertEqual([statuses.count(s) for s in (larder.STATUS_OK, larder.STATUS_TOO_LARGE)], [3, 97])
        self.assertEqual(statuses[100], larder.STATUS_NOT_FOUND)
        self.wait_pins(0)

    def test_batches_that_wait_together(self):
        """What all hold is bounded by the memory of all bodies, and given back."""
        self.assert_stored(message(set_request(b"slow:50:x", b"v" * MIB)))
        batch = field(1, b"g") + field(2, b"slow:50:x") * 3 + field(2, b"slow:5000:y")
        for _ in range(2):
            connection = self.connect()
            completed = self.host.stats()["completed"]
            streams = [connection.call(message(batch), path="/larder.v1.Cache/BatchGet") for _ in range(10)]
            self.wait_until(lambda: self.host.stats()["completed"] == completed + 30, "all but the last have come")
            self.assertIn(self.host.stats()["pins"], (7, 8))
            statuses = []
            for stream in streams:
                (answer,) = messages(connection.wait(stream).data)
                statuses += [result.status for result in larder.BatchGetResponse.FromString(answer).results]
            counts = [statuses.count(s) for s in (larder.STATUS_OK, larder.STATUS_NO_MEMORY, larder.STATUS_NOT_FOUND)]
            self.assertEqual(counts, [7, 23, 10])
            self.wait_pins(0)

    def test_a_client_that_does_not_read(self):
        """Nobody else suffers, little is held, and in the end the connection is closed."""
        connection = self.connect(greeting=PREFACE + settings(window=0x7FFFFFFF) + window(0, 0x7FFF0000),
                                  receive_buffer=4096)
        sent = b"".join(frame(HEADERS, END_HEADERS, 1 + 2 * i, connection.block()) +
                        frame(DATA, END_STREAM, 1 + 2 * i, message(get_request(b"big:8000000"))) for i in range(90))
        connection.send(sent)
        self.assert_serves()
        self.assertLessEqual(self.host.stats()["pins"], 2)
        self.wait_until(lambda: self.host.stats()["connections"] <= 1, "it is closed")
        self.wait_pins(0)
        self.assert_serves()

    def test_pings_that_nobody_reads(self):
        """The acknowledgements are not kept without end, calls between them or not."""
        connection = self.connect(receive_buffer=4096)
        block = connection.block()
        some = b"".join(frame(PING, 0, 0, bytes(8)) + frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, block)
                        for i in range(500))
        connection.send_until_closed(some, 1)
        connection.send_until_closed(frame(PING, 0, 0, bytes(8)) * 3000, 1)
        self.assert_serves()
        self.assertTrue(all(g[1] == ENHANCE_YOUR_CALM for g in connection.wait_closed()))

    def test_answers_in_the_end(self):
        """A window that opens late, but in time."""
        connection = self.connect(greeting=PREFACE + settings(window=0))
        streams = [connection.get(b"big:100000") for _ in range(60)]
        connection.ping()
        connection.send(settings(window=MIB))
        for stream in streams:
            answer = connection.wait(stream)
            self.assertEqual((answer.code, len(answer.data) > 100000), (OK, True))
        self.wait_pins(0)


class Carried(Case):
    """Requests of peers, of which one stream carries many."""

    PARAMETERS = "workers: 1, max_streams: 100, max_body_bytes: 8MiB"

    def call(self, connection, *requests):
        return connection.call(b"".join(map(message, requests)), path="/larder.v1.Peer/Call")

    def replies(self, answer):
        return [larder.CallResponse.FromString(m) for m in messages(answer.data)]

    def test_deadlines_that_pass_while_requests_wait(self):
        connection = self.connect(greeting=PREFACE + settings(window=0))
        refused = self.host.stats()["requests_refused"]
        large, small = [call_request(b"big:1000000")] * 5, [call_request(b"big:1", timeout_us=20000)] * 20
        stream = self.call(connection, *large, *small)
        self.wait_until(lambda: self.host.stats()["requests_refused"] == refused + 20, "their time is over")
        connection.send(settings(window=MIB))
        answer = connection.wait(stream)
        self.assertEqual((answer.code, sorted((r.request, r.status) for r in self.replies(answer))),
                         (OK, [(i, larder.STATUS_OK if i < 5 else larder.STATUS_DEADLINE) for i in range(25)]))
        self.wait_pins(0)
        self.assert_serves(connection)

    def test_nonsense_without_end(self):
        """Each has its reply as long as not too much waits to be sent."""
        connection = self.connect(greeting=PREFACE + settings(window=0))
        stream = connection.begin(path="/larder.v1.Peer/Call")
        connection.data(stream, message(b"\x08\x4d") * 100000, end=False)
        connection.ping()
        connection.send(settings(window=1 << 24) + window(0, 1 << 24))
        answer = connection.wait(stream)
        self.assertEqual((answer.code, answer.fields["larder-status"]), (RESOURCE_EXHAUSTED, "BUSY"))
        self.assertLess(len(answer.data), 5 * MIB)
        replies = self.replies(answer)
        self.assertEqual([(r.request, r.status) for r in replies], [(i, larder.STATUS_INVALID) for i in range(len(replies))])
        self.assertGreater(len(replies), 20000)
        self.assert_serves(connection)


    def assert_stored(self, payload):
        connection = self.connect()
        self.assertEqual(connection.wait(connection.call(payload, path="/larder.v1.Cache/Set")).code, OK)

    def test_replies_that_come_later(self):
        """What the stream holds of them is bounded, and given back."""
        value = message(set_request(b"slow:400:x", b"v" * MIB))
        self.assert_stored(value)
        connection = self.connect(greeting=PREFACE + settings(window=0))
        stream = self.call(connection, *[call_request(b"slow:400:x")] * 100)
        connection.ping()
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all have come back")
        connection.ping()
        self.assertLessEqual(self.host.stats()["pins"], 5 + 8)
        connection.send(settings(window=MIB))
        answer = connection.wait(stream)
        replies = self.replies(answer)
        self.assertEqual((answer.code, sorted(r.request for r in replies)), (OK, list(range(100))))
        self.assertEqual({r.status for r in replies}, {larder.STATUS_OK, larder.STATUS_NO_MEMORY})
        self.assertTrue(all(len(r.value) == (MIB if r.status == larder.STATUS_OK else 0) for r in replies))
        self.wait_pins(0)
        # Nothing is counted any more: nor what a stream has held that is given up.
        stream = self.call(connection, *[call_request(b"slow:400:x")] * 100)
        connection.ping()
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all have come back")
        connection.send(reset(stream))
        self.wait_pins(0)
        with contextlib.ExitStack() as stack:
            for _ in range(2):  # one alone may always arrive
                half = stack.enter_context(Connection(self.host))
                upload = half.begin(path="/larder.v1.Cache/Set")
                half.data(upload, message(b"x" * (3 * MIB), size=3 * MIB + 1), end=False)
                half.ping()
                self.assertIsNone(half.answer(upload).code)


class Standing(Case):
    PARAMETERS = "workers: 1"

    def take_all_at_once(self, pings):
        count, size = 40, 300000
        connection = self.connect(greeting=PREFACE + settings(window=MIB) + window(0, count * MIB))
        connection.ping()
        for _ in range(count):
            connection.get(b"big:%d" % size)
        time.sleep(0.3)
        for _ in range(pings):  # each has the server look whether there is room
            connection.send(frame(PING, 0, 0, bytes(8)))
            time.sleep(0.1)
        self.host.process.send_signal(signal.SIGSTOP)
        got = 0
        connection.socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                got += len(connection.socket.recv(MIB))
        self.host.process.send_signal(signal.SIGCONT)
        connection.socket.settimeout(10)  # a ping of the server's would set it going again after 30
        while got < count * size:
            more = len(connection.socket.recv(MIB))
            self.assertGreater(more, 0)
            got += more

    def test_a_socket_that_takes_all_at_once(self):
        """The client has read everything when the server looks again: what is not made into frames yet follows."""
        for pings in (0, 2):  # as many as leave it with all that it keeps, and none unread
            self.take_all_at_once(pings)
        self.wait_pins(0)


class Memory(Case):
    PARAMETERS = "workers: 2"

    def test_every_allocation_fails_now_and_then(self):
        for every in (3, 7, 20, 61):
            answers = 0
            self.host.send_command(f"fail {every}")
            for _ in range(60):
                try:
                    with Connection(self.host) as connection:
                        streams = [connection.get(key) for key in (b"big:3", b"fail:1", b"hop:x", b"big:9000", b"slow:1:x")]
                        streams.append(connection.call(message(b"\x0a\x01g\x12\x01a\x12\x01b"), path="/larder.v1.Cache/BatchGet"))
                        streams.append(connection.call(message(b"\x0a\x01g"), path="/larder.v1.Cache/GroupStats"))
                        streams.append(connection.call(message(b"x" * 3000, size=3000), path="/larder.v1.Cache/Set"))
                        carried = [call_request(key) for key in (b"big:9000", b"hop:x", b"slow:1:x")] + [b"\x08\x4d"]
                        streams.append(connection.call(b"".join(map(message, carried)), path="/larder.v1.Peer/Call"))
                        for stream in streams:
                            answer = connection.wait(stream)
                            answers += answer.code is not None
                except (Closed, OSError):
                    pass
            self.host.send_command("fail 0")
            self.assertGreater(int(self.host.command("failed")), 0)
            if every > 10:
                self.assertGreater(answers, 0)
            self.assert_serves()
        self.wait_until(lambda: self.host.stats()["completed"] == self.host.stats()["submitted"], "all are answered")
        self.wait_pins(0)


if __name__ == "__main__":
    unittest.main()
