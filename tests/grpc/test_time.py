"""Time: what a client may take for each step, and the end of a connection and of the server."""

import time
import unittest

from wire import (ACK, DEADLINE_EXCEEDED, ENHANCE_YOUR_CALM, HEADERS, LAST_ID, NO_ERROR, NOT_FOUND, OK, PING, PREFACE, Case,
                  Connection, Host, frame, get_request, message, settings, window)


class Short(Case):
    PARAMETERS = ("workers: 2, handshake_timeout: 300ms, message_timeout: 300ms, idle_timeout: 500ms, "
                  "keepalive_interval: 300ms, keepalive_timeout: 300ms")

    def test_silence_after_connecting(self):
        for greeting in (b"", PREFACE[:10], PREFACE, PREFACE + settings()[:5]):
            with self.subTest(greeting=greeting):
                began = time.monotonic()
                connection = self.connect(greeting=greeting)
                connection.auto = False
                self.assertEqual(connection.wait_closed(), [])
                self.assertGreaterEqual(time.monotonic() - began, 0.29)

    def test_messages_that_do_not_arrive(self):
        connection = self.connect()
        payload = message(get_request(b"big:1"))
        streams = [connection.begin() for _ in range(4)]
        connection.data(streams[1], payload[:3], end=False)
        connection.data(streams[2], payload[:-1], end=False)
        connection.data(streams[3], payload, end=False)  # complete, but the client has not said that this is all
        for stream in streams:
            answer = connection.wait(stream)
            self.assertEqual((answer.code, answer.fields["larder-status"]), (DEADLINE_EXCEEDED, "DEADLINE"))
        self.assert_serves(connection)

    def test_header_fields_that_do_not_arrive(self):
        """Not even when they come very slowly: nothing else can come in between."""
        connection = self.connect()
        connection.ping()
        connection.auto = False
        block = connection.block(more=[("x%d" % i, "y") for i in range(1000)])
        connection.send(frame(HEADERS, 0, 1, block)[:20])
        began = time.monotonic()
        with self.assertRaises(OSError):
            for byte in frame(HEADERS, 0, 1, block)[20:]:
                connection.send(bytes((byte,)))
                time.sleep(0.05)
        self.assertGreaterEqual(time.monotonic() - began, 0.29)

    def test_idle_connections_are_let_go(self):
        connection = self.connect()
        self.assert_serves(connection)
        began = time.monotonic()
        goaways = connection.wait_closed()
        self.assertGreaterEqual(time.monotonic() - began, 0.45)
        self.assertEqual([(g[0], g[1]) for g in goaways], [(LAST_ID, NO_ERROR), (1, NO_ERROR)])

    def test_a_call_on_its_way_is_still_taken(self):
        connection = self.connect()
        self.assert_serves(connection)
        connection.auto = False
        connection.wait_for(lambda: connection.goaways)
        stream = connection.get(b"big:3")
        self.assertTrue(connection.wait(stream).data.endswith(b"abc"))
        connection.auto = True
        self.assertEqual([g[0] for g in connection.wait_closed()], [LAST_ID, stream])

    def test_a_client_without_an_answer_to_pings_is_dropped(self):
        connection = self.connect()
        connection.ping()
        stream = connection.get(b"slow:60000:x")
        connection.auto = False
        began = time.monotonic()
        self.assertEqual(connection.wait_closed(), [])
        self.assertGreaterEqual(time.monotonic() - began, 0.55)
        self.assertIsNone(connection.answer(stream).code)

    def test_a_client_that_answers_pings_stays(self):
        connection = self.connect()
        stream = connection.get(b"slow:2500:x")
        self.assertEqual(connection.wait(stream).code, NOT_FOUND)

    @classmethod
    def tearDownClass(cls):
        cls.host.process.kill()  # one request takes a minute
        cls.host.process.wait()
        cls.host.process.stdin.close()
        cls.host.process.stdout.close()


class Steady(Case):
    PARAMETERS = "workers: 1, keepalive_interval: 400ms, keepalive_timeout: 400ms"

    def test_a_client_that_reads_slowly_stays(self):
        """The ping is behind much that is still to be read, so that its answer takes longer than it may."""
        connection = self.connect(greeting=PREFACE + settings(window=LAST_ID) + window(0, 0x7FFF0000), receive_buffer=65536)
        connection.ping()
        count, size = 4, 8 << 20
        for _ in range(count):
            connection.get(b"big:%d" % size)
        got, began = 0, time.monotonic()
        while got < count * size:
            more = len(connection.socket.recv(200000))
            self.assertGreater(more, 0)
            got += more
            time.sleep(max(0, began + 2 * got / (count * size) - time.monotonic()))


class Ends(unittest.TestCase):
    def setUp(self):
        self.host = Host("workers: 2, max_connections: 3")

    def tearDown(self):
        self.host.close()

    def test_one_connection_too_many(self):
        connections = [Connection(self.host) for _ in range(3)]
        for connection in connections:
            connection.ping()
        with Connection(self.host) as extra:
            goaways = extra.wait_closed()
            self.assertEqual([(g[0], g[1], g[2]) for g in goaways], [(0, ENHANCE_YOUR_CALM, b"too many connections")])
        self.assertEqual(self.host.stats()["refused"], 1)
        for connection in connections:
            self.assertEqual(connection.wait(connection.get(b"big:1")).code, OK)
            connection.socket.close()

    def test_draining(self):
        """A notice, a round trip in which calls are still taken, the last word, and the end when all are answered."""
        with Connection(self.host) as connection, Connection(self.host) as idle:
            idle.ping()
            slow = connection.get(b"slow:600:x")
            connection.ping()
            connection.auto = False
            self.host.send_command("drain 60000")
            connection.wait_for(lambda: connection.goaways)
            self.assertEqual(connection.goaways, [(LAST_ID, NO_ERROR, b"")])
            late = connection.get(b"big:3")
            self.assertTrue(connection.wait(late).data.endswith(b"abc"))
            connection.wait_for(lambda: connection.server_pings)
            connection.send(frame(PING, ACK, 0, connection.server_pings[0]))
            connection.ping()
            self.assertEqual(connection.goaways[1:], [(late, NO_ERROR, b"")])
            too_late = connection.get(b"big:3")
            self.assertEqual(connection.wait(slow).code, NOT_FOUND)
            connection.wait_closed()
            self.assertIsNone(connection.answer(too_late).code)
            idle.wait_closed()
            self.assertEqual([g[0] for g in idle.goaways], [LAST_ID, 0])
        self.assertEqual(self.host.process.stdout.readline(), "drained\n")
        with self.assertRaises(OSError):
            Connection(self.host).socket.close()

    def test_draining_ends_without_an_answer_to_the_ping(self):
        with Connection(self.host) as connection:
            connection.ping()
            connection.auto = False
            self.host.send_command("drain 60000")
            self.assertEqual([g[0] for g in connection.wait_closed()], [LAST_ID, 0])
        self.assertEqual(self.host.process.stdout.readline(), "drained\n")

    def test_draining_does_not_wait_for_who_has_said_nothing(self):
        with Connection(self.host, greeting=b"") as silent:
            while self.host.stats()["connections"] == 0:
                time.sleep(0.01)
            self.assertEqual(self.host.command("drain 60000"), "drained")
            self.assertEqual(silent.wait_closed(), [(0, NO_ERROR, b"")])  # not after the time for the handshake

    def test_draining_keeps_its_deadline(self):
        with Connection(self.host) as connection:
            stream = connection.get(b"slow:1500:x")
            connection.ping()
            self.assertEqual(self.host.command("drain 100"), "drained")
            self.assertEqual(connection.wait(stream).code, NOT_FOUND)


class RoundTrip(Case):
    PARAMETERS = "workers: 1, handshake_timeout: 2080ms"  # the clock is looked at four times within it, and deadlines are

    def test_a_drain_leaves_time_for_it(self):
        """From when the drain begins, and not from when the clock was last looked at."""
        connection = self.connect()
        connection.ping()
        connection.auto = False
        time.sleep(0.9)
        self.host.send_command("drain 60000")
        connection.wait_for(lambda: connection.goaways)
        began = time.monotonic()
        connection.wait_for(lambda: len(connection.goaways) == 2)
        self.assertGreaterEqual(time.monotonic() - began, 0.9)
        connection.socket.close()
        self.assertEqual(self.host.process.stdout.readline(), "drained\n")


if __name__ == "__main__":
    unittest.main()
