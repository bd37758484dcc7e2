"""Answers that come later, from other threads, in another order, after the client has gone, or while the server ends."""

import socket
import threading
import time
import unittest

from server import KEYS, Case, Connection, Host, needs_host, request, wait_until


@needs_host
class Order(Case):
    def test_concurrent_answers_in_order(self):
        keys = [f"slow:{ms}:x" for ms in (300, 200, 100, 0, 250, 50)] + ["hop:x", "plain", "big:5000", "slow:10:y"]
        for key in keys:
            self.ask("PUT", KEYS + key, key)
        with self.connect() as connection:
            began = time.monotonic()
            connection.send(b"".join(request("GET", KEYS + key) for key in keys))
            bodies = [connection.response().body for _ in keys]
            took = time.monotonic() - began
        expected = [key.encode() for key in keys]
        expected[8] = (b"abcdefghijklmnopqrstuvwxyz" * 200)[:5000]
        self.assertEqual(bodies, expected)
        self.assertGreaterEqual(took, 0.3)

    def test_they_run_at_the_same_time(self):
        """The first answer is due after all others: when it arrives, all have been submitted and answered."""
        with self.connect() as connection:
            before = self.host.stats()
            connection.send(request("GET", KEYS + "slow:700:x") + request("GET", KEYS + "slow:1:x") * 50)
            wait_until(lambda: self.host.stats()["completed"] - before["completed"] >= 50, "the others are answered")
            self.assertEqual(self.host.stats()["submitted"] - before["submitted"], 51)
            for _ in range(51):
                self.assertEqual(connection.response().status, 404)

    def test_writes_wait_for_what_was_sent_before(self):
        with self.connect() as connection:
            key = KEYS + "slow:100:order"
            connection.send(request("PUT", key, "one") + request("GET", key) + request("PUT", key, "two") +
                            request("GET", key) + request("DELETE", key) + request("GET", key))
            answers = [connection.response() for _ in range(6)]
            self.assertEqual([a.body for a in answers[:5]], [b"", b"one", b"", b"two", b""])
            self.assertEqual(answers[5].status, 404)

    def test_a_deadline_begins_when_the_request_is_complete(self):
        with self.connect() as connection:
            connection.send(f"GET {KEYS}left:x HTTP/1.1\r\nHost: a\r\nLarder-Timeout: 1s\r\nContent-Length: 1\r\n\r\n")
            time.sleep(1.1)
            connection.send("x")
            self.assertGreater(int(connection.response().body), 0)

    def test_hops_between_threads(self):
        self.ask("PUT", KEYS + "hop:1", "hopped")
        connections = [self.connect() for _ in range(8)]
        for connection in connections:
            connection.send(request("GET", KEYS + "hop:1") * 300)
        for connection in connections:
            for _ in range(300):
                self.assertEqual(connection.response().body, b"hopped")

    def test_after_an_error_what_came_before_is_still_answered(self):
        self.ask("PUT", KEYS + "slow:100:e", "late")
        with self.connect() as connection:
            connection.send(request("GET", KEYS + "slow:100:e") + b"NONSENSE\r\n\r\n" + request("GET", "/health"))
            self.assertEqual(connection.response().body, b"late")
            self.assertEqual(connection.response().status, 400)
            self.assertEqual(connection.closed(), b"")

    def test_expect_continue_waits_for_answers_before(self):
        self.ask("PUT", KEYS + "slow:100:c", "late")
        with self.connect() as connection:
            connection.send(request("GET", KEYS + "slow:100:c") + f"PUT {KEYS}after HTTP/1.1\r\nHost: a\r\n"
                            "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
            self.assertEqual(connection.response().body, b"late")
            self.assertEqual(connection.response().status, 100)
            connection.send("ok")
            self.assertIn(connection.response().status, (201, 204))


@needs_host
class Pipeline(Case):
    PARAMETERS = "workers: 1, max_pipeline: 4"

    def test_no_more_than_allowed_at_a_time(self):
        with self.connect() as connection:
            before = self.host.stats()
            connection.send(request("GET", KEYS + "slow:3000:x") + request("GET", KEYS + "slow:1:x") * 100)
            wait_until(lambda: self.host.stats()["completed"] - before["completed"] >= 3, "those that fit are answered")
            self.assertEqual(self.host.stats()["submitted"] - before["submitted"], 4)
            for _ in range(101):
                self.assertEqual(connection.response().status, 404)


@needs_host
class Requests(Case):
    PARAMETERS = "workers: 1, max_requests: 3"

    def test_no_more_than_allowed_at_a_time_on_all_connections(self):
        before = self.host.stats()

        def submitted():
            return self.host.stats()["submitted"] - before["submitted"]
        with self.connect() as one, self.connect() as two:
            one.send(request("GET", KEYS + "slow:3000:x") + request("GET", KEYS + "slow:1:x") * 50)
            wait_until(lambda: submitted() == 3, "those that fit are there")
            # A connection that has nothing under way is served all the same, one request at a time.
            two.send(request("GET", KEYS + "slow:1:y") * 20)
            for _ in range(20):
                self.assertEqual(two.response().status, 404)
            self.assertEqual(submitted(), 3 + 20)
            for _ in range(51):
                self.assertEqual(one.response().status, 404)


@needs_host
class Gone(Case):
    def test_clients_that_leave(self):
        self.ask("PUT", KEYS + "slow:100:gone", "x" * 100000)
        for reset in (False, True):
            for _ in range(30):
                connection = Connection(self.host)
                connection.send(request("GET", KEYS + "slow:100:gone") * 5 + request("PUT", KEYS + "gone", "y" * 1000))
                if reset:
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.socket.close()
        with self.connect() as last:  # connections are accepted in their order: those before are
            last.send(request("GET", KEYS + "gone"))
            last.response()

        def settled():
            stats = self.host.stats()
            return stats["connections"] == stats["pins"] == 0 and stats["completed"] == stats["submitted"]
        wait_until(settled, "all connections are closed, all pins released, and all requests completed")

    def test_clients_that_close_their_side_at_once(self):
        """The end may arrive together with the last bytes, and is then told of once."""
        self.ask("PUT", KEYS + "half", "x" * 10)
        for size in (0, 10, 65536 - 60, 65536, 3 * 65536):
            for _ in range(20):
                with self.connect() as connection:
                    connection.send(request("PUT", KEYS + "half", "x" * size) + request("GET", KEYS + "half"))
                    connection.socket.shutdown(socket.SHUT_WR)
                    self.assertEqual(connection.response().status, 204)
                    self.assertEqual(len(connection.response().body), size)
                    self.assertEqual(connection.closed(), b"")

    def test_much_at_once_is_read_to_its_end(self):
        """More than is read at a time, on several connections, and nothing after it that would wake the server."""
        connections = [self.connect() for _ in range(4)]
        for connection in connections:
            connection.send(request("PUT", KEYS + "much", "x" * 1_000_000) + request("GET", KEYS + "slow:0:x") * 100)
        for connection in connections:
            self.assertIn(connection.response().status, (201, 204))
            for _ in range(100):
                self.assertEqual(connection.response().status, 404)

    def test_large_answers_nobody_reads(self):
        for _ in range(10):
            connection = Connection(self.host, receive_buffer=4096)
            connection.send(request("GET", KEYS + "big:5000000") * 3)
            connection.socket.recv(1000)
            connection.socket.close()
        wait_until(lambda: self.host.stats()["pins"] == 0, "all pins are released")


@needs_host
class Ending(unittest.TestCase):
    def test_close_with_requests_under_way(self):
        host = Host("workers: 2")
        connections = [Connection(host) for _ in range(20)]
        for connection in connections:
            connection.send(request("GET", KEYS + "slow:4000:x") * 3 + b"GET /half")
        wait_until(lambda: host.stats()["submitted"] == 60, "all requests are submitted")
        host.close()
        for connection in connections:
            self.assertEqual(connection.closed(), b"")
            connection.socket.close()

    def test_drain(self):
        host = Host("workers: 2")
        idle = [Connection(host) for _ in range(10)]
        self.assertEqual(idle[0].ask("GET", "/health").status, 200)
        busy = [Connection(host) for _ in range(10)]
        for connection in busy:
            connection.send(request("GET", KEYS + "slow:3000:x") + request("GET", KEYS + "slow:3100:x"))
        half = Connection(host)
        half.send("GET /health HTTP/1.1\r\nHost: a\r\n")
        wait_until(lambda: host.stats()["submitted"] == 21 and host.stats()["connections"] == 21, "all are there")
        answer = []
        drain = threading.Thread(target=lambda: answer.append(host.command("drain 20000")))
        drain.start()
        for connection in idle:
            self.assertEqual(connection.closed(), b"")
            connection.socket.close()
        for connection in busy:
            first, second = connection.response(), connection.response()
            self.assertEqual((first.status, second.status), (404, 404))
            self.assertEqual((first.field("connection"), second.field("connection")), (None, "close"))
            self.assertEqual(connection.closed(), b"")
            connection.socket.close()
        with self.assertRaises(ConnectionRefusedError):
            Connection(host)
        half.send("\r\n")
        last = half.response()
        self.assertEqual((last.status, last.field("connection")), (200, "close"))
        half.socket.close()
        drain.join()
        self.assertEqual(answer, ["drained"])
        self.assertEqual(host.stats()["connections"], 0)
        host.close()

    def test_drain_gives_up_at_its_deadline(self):
        host = Host("workers: 1")
        with Connection(host) as connection:
            connection.send(request("GET", KEYS + "slow:4000:x"))
            wait_until(lambda: host.stats()["submitted"] == 1, "the request is submitted")
            self.assertEqual(host.command("drain 50"), "drained")
            self.assertEqual(host.stats()["completed"], 0)
            host.close()


@needs_host
class Addresses(unittest.TestCase):
    def test_where_it_listens(self):
        for listen in ("127.0.0.1:0", "[::1]:0", ":0", "localhost:0"):
            host = Host(f'listen: "{listen}", workers: 3')
            self.assertNotEqual(host.address[1], 0)
            with Connection(host) as connection:
                self.assertEqual(connection.ask("GET", "/health").status, 200)
            if listen == ":0":
                host.address = ("127.0.0.1", host.address[1])
                with Connection(host) as connection:
                    self.assertEqual(connection.ask("GET", "/health").status, 200)
            host.close()

    def test_addresses_that_are_none(self):
        for listen in ("x", "127.0.0.1", "127.0.0.1:", "::1:80", "[::1:80", "127.0.0.1:99999", "127.0.0.1:x"):
            with self.assertRaises(RuntimeError):
                Host(f'listen: "{listen}"')

    def test_an_address_in_use(self):
        host = Host("workers: 2")
        with self.assertRaises(RuntimeError):
            Host(f'listen: "{host.text}", workers: 2')
        host.close()


if __name__ == "__main__":
    unittest.main()
