"""Sizes, counts, times and descriptors: everything is bounded, and going over a bound has one clear answer."""

import json
import resource
import socket
import time
import unittest

from server import KEYS, PATIENCE, Case, Closed, Connection, Host, needs_host, request, wait_until


class Sizes(Case):
    def refused(self, data, status):
        with self.connect() as connection:
            try:
                connection.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = connection.response()
            self.assert_problem(answer, status)
            self.assertEqual(connection.closed(), b"")

    def test_request_line(self):
        self.refused("GET /" + "x" * (1 << 20), 414)
        self.refused("GET /" + "x" * (256 * 1024) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414)
        self.assertEqual(self.ask("GET", "/" + "x" * (255 * 1024)).status, 404)

    def test_header_bytes(self):
        self.refused("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * (1 << 20), 431)
        self.refused("GET / HTTP/1.1\r\nHost: a\r\nX: " + " " * (1 << 20), 431)
        self.refused("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 16384 + "\r\n\r\n", 431)
        self.assertEqual(self.ask("GET", "/health", X="x" * 16000).status, 200)

    def test_headers(self):
        self.refused("GET / HTTP/1.1\r\nHost: a\r\n" + "".join(f"X{i}: y\r\n" for i in range(1000)) + "\r\n", 431)
        self.refused("GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 100 + "\r\n", 431)
        with self.connect() as connection:
            connection.send("GET /health HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 99 + "\r\n")
            self.assertEqual(connection.response().status, 200)

    def test_endless_headers(self):
        with self.connect() as connection:
            connection.send("GET /health HTTP/1.1\r\nHost: a\r\n")
            with self.assertRaises((BrokenPipeError, ConnectionResetError, Closed)):
                while True:
                    connection.send("X: y\r\n" * 1000)

    def test_endless_chunk_extension(self):
        head = f"PUT {KEYS}x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.refused(head + "1;" + "x" * (1 << 20), 400)
        self.refused(head + "0" * (1 << 20), 400)
        self.refused(head + "0\r\n" + "X: y\r\n" * 1000, 400)
        self.refused(head + "0\r\nX: " + "y" * (1 << 20), 400)

    @needs_host
    def test_value_limit(self):
        limit = 8 << 20
        with self.connect() as connection:
            self.assertIn(connection.ask("PUT", KEYS + "limit", b"x" * limit).status, (201, 204))
        head = f"PUT {KEYS}limit2 HTTP/1.1\r\nHost: a\r\n"
        for length in (limit + 1, 1 << 31, (1 << 63) - 1, (1 << 64) - 1):
            self.refused(head + f"Content-Length: {length}\r\n\r\n", 413)
            self.refused(head + f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n", 413)
            self.refused(head + f"Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n", 413)
        body = b"".join(b"%x\r\n%s\r\n" % (65536, b"x" * 65536) for _ in range(129))
        self.refused(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + body, 413)
        self.assertEqual(self.ask("GET", KEYS + "limit2").status, 404)

    @needs_host
    def test_value_limit_of_a_group(self):
        tiny = "/v1/groups/tiny/keys/x"
        self.assertEqual(self.ask("PUT", tiny, b"x" * 1000).status, 201)
        for path, status in ((tiny, 413), ("/api/set?group=tiny&key=x", 413), ("/v1/groups/none/keys/x", 404)):
            method = "POST" if "api" in path else "PUT"
            with self.connect() as connection:
                connection.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n")
                self.assertEqual(connection.response().status, status)
                self.assertEqual(connection.closed(), b"")
        self.refused("PUT /v1/groups/none/keys/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n", 404)
        self.refused("POST /v1/groups/none/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n", 404)
        self.refused("POST /v1/groups/tiny/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n", 413)
        answer = self.ask("PUT", "/v1/groups/none/keys/x", b"x" * 1000)
        self.assertEqual((answer.status, answer.json()["type"]), (404, "urn:larder:problem:no-group"))

    @needs_host
    def test_a_batch_of_brackets_is_not_built(self):
        """Each of these would become millions of objects in memory, many times the body's size."""
        for body in (b'{"get":[' + b"[]," * 2000000 + b"[]]}", b'{"get":' + b"[" * 5000000, b'{"a":' * 1000000,
                     b'{"get":[' + b"1," * 3000000 + b"1]}"):
            before = self.resident()
            self.assert_problem(self.ask("POST", "/v1/groups/g/batch", body), 413)
            self.assertLess(self.resident() - before, 64 << 20)

    def resident(self):
        with open(f"/proc/{self.host.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024

    @needs_host
    def test_what_is_announced_is_not_allocated(self):
        def size():
            with open(f"/proc/{self.host.process.pid}/statm") as statm:
                return int(statm.read().split()[0]) * resource.getpagesize()
        before = size()
        for _ in range(200):
            connection = self.connect()
            connection.send(f"PUT {KEYS}claim HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.response().status, 100)
            connection.send("x")
        wait_until(lambda: self.host.stats()["connections"] >= 200, "200 connections")
        self.assertLess(size() - before, 500 << 20)


@needs_host
class Bodies(Case):
    PARAMETERS = "workers: 2, max_body_bytes: 1MiB"

    def half(self):
        connection = self.connect()
        connection.send(f"PUT {KEYS}half HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n")
        connection.send(b"x" * 600000)
        return connection

    def test_all_bodies_together_are_bounded(self):
        for framing, body in (("Content-Length: 700000", b"x" * 700000),
                              ("Transfer-Encoding: chunked", b"aae60\r\n" + b"x" * 700000 + b"\r\n0\r\n\r\n")):
            wait_until(lambda: self.second_refused(framing, body), "of two bodies the second is refused")
            wait_until(lambda: self.host.stats()["connections"] == 0, "no body of these is left")
            self.assertIn(self.ask("PUT", KEYS + "half", b"y" * 700000).status, (201, 204))

    def second_refused(self, framing, body):
        """False when the second was the faster one."""
        with self.half() as first, self.connect() as connection:
            connection.send(f"PUT {KEYS}more HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")
            try:
                connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = connection.response()
            if answer.status == 503:
                self.assertEqual(answer.field("retry-after"), "1")
                self.assertEqual(connection.closed(), b"")
            try:
                first.send(b"x" * 100000)
                return answer.status == 503 and first.response().status in (201, 204)
            except (BrokenPipeError, ConnectionResetError, Closed):
                return False

    def test_what_batches_are_made_of_is_counted(self):
        """Few bytes ask for a thousand keys."""
        body = json.dumps({"get": [f"slow:3000:{i}" for i in range(1024)]})
        batches = [self.connect() for _ in range(8)]
        for connection in batches:
            connection.send(request("POST", KEYS[:-len("keys/")] + "batch", body))
        answers = [connection.response() for connection in batches]
        refused = [answer for answer in answers if answer.status == 503]
        self.assertEqual({answer.status for answer in answers}, {200, 503})
        self.assertGreater(len(refused), 3)
        self.assertEqual({answer.field("retry-after") for answer in refused}, {"1"})
        for connection in batches:
            connection.socket.close()
        self.assertEqual(self.ask("POST", KEYS[:-len("keys/")] + "batch", json.dumps({"get": ["a"] * 1024})).status, 200)

    def test_a_batch_that_waits_for_its_last_key(self):
        """Values that its answer has no room for are not held until then."""
        self.ask("PUT", KEYS + "slow:50:x", b"v" * 1000000)
        body = json.dumps({"get": ["slow:50:x"] * 100 + ["slow:5000:y"]})
        completed = self.host.stats()["completed"]
        connection = self.connect()
        connection.send(request("POST", KEYS[:-len("keys/")] + "batch", body))
        wait_until(lambda: self.host.stats()["completed"] == completed + 100, "all but the last have come")
        self.assertIn(self.host.stats()["pins"], (14, 15))  # one may be on its way to be released
        statuses = [result["status"] for result in connection.response().json()["results"]]
        self.assertEqual([statuses.count(s) for s in ("OK", "TOO_LARGE")], [14, 86])
        self.assertEqual(statuses[100], "NOT_FOUND")
        wait_until(lambda: self.host.stats()["pins"] == 0, "nothing is held")

    def test_batches_that_wait_together(self):
        """What all hold is bounded by the memory of all bodies, and given back."""
        self.ask("PUT", KEYS + "slow:50:x", b"v" * 300000)
        body = json.dumps({"get": ["slow:50:x"] + ["slow:5000:y"]})
        for _ in range(2):
            completed = self.host.stats()["completed"]
            connections = [self.connect() for _ in range(10)]
            for connection in connections:
                connection.send(request("POST", KEYS[:-len("keys/")] + "batch", body))
            wait_until(lambda: self.host.stats()["completed"] == completed + 10, "all but the last have come")
            self.assertIn(self.host.stats()["pins"], (3, 4))
            results = [connection.response().json()["results"] for connection in connections]
            statuses = [result["status"] for pair in results for result in pair]
            self.assertEqual([statuses.count(s) for s in ("OK", "NO_MEMORY", "NOT_FOUND")], [3, 7, 10])
            wait_until(lambda: self.host.stats()["pins"] == 0, "nothing is held")

    def test_clients_that_leave_take_their_bodies_along(self):
        for _ in range(3):
            self.half().socket.close()
        wait_until(lambda: self.host.stats()["connections"] == 0, "all connections are closed")
        self.assertIn(self.ask("PUT", KEYS + "alone", b"x" * 3000000).status, (201, 204))

    def test_one_body_alone_may_be_larger(self):
        for _ in range(3):
            self.assertIn(self.ask("PUT", KEYS + "alone", b"x" * 3000000).status, (201, 204))
        self.assertEqual(len(self.ask("GET", KEYS + "alone").body), 3000000)


@needs_host
class Times(Case):
    PARAMETERS = "workers: 2, header_timeout: 500ms, body_timeout: 700ms, idle_timeout: 1s"

    def test_idle(self):
        with self.connect() as connection:
            self.assertEqual(connection.closed(), b"")
        with self.connect() as connection:
            self.assertEqual(connection.ask("GET", "/health").status, 200)
            self.assertEqual(connection.closed(), b"")

    def test_slow_header(self):
        with self.connect() as connection:
            answer = None
            connection.send("GET / HTTP/1.1\r\nX: ")
            connection.socket.settimeout(0.02)
            end = time.monotonic() + PATIENCE
            while answer is None and time.monotonic() < end:
                try:
                    answer = connection.response()
                except TimeoutError:
                    connection.send("x")
            self.assert_problem(answer, 408)

    def test_slow_body(self):
        for framing, first in (("Content-Length: 100000", "x"), ("Transfer-Encoding: chunked", "5\r\nx")):
            with self.connect() as connection:
                connection.send(f"PUT {KEYS}slow HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{first}")
                self.assert_problem(connection.response(), 408)
                self.assertEqual(connection.closed(), b"")
        self.assertEqual(self.ask("GET", KEYS + "slow").status, 404)

    def test_a_slow_answer_is_no_idleness(self):
        with self.connect() as connection:
            self.assertEqual(connection.ask("GET", KEYS + "slow:2500:x").status, 404)

    def test_a_client_that_sends_on_but_does_not_read(self):
        """An answer waits to be read, and the head of the next request arrives byte by byte: no end to either."""
        connections, accepted = [], self.host.stats()["accepted"]
        for size in range(2000000, 6000000, 100000):  # of some, a little is left that the kernel does not take
            connection = self.connect(receive_buffer=4096)
            connection.send(request("GET", KEYS + f"big:{size}") + b"GET /")
            connections.append(connection)
        wait_until(lambda: self.host.stats()["accepted"] == accepted + len(connections), "all have been there")

        def drip():
            for connection in connections:
                try:
                    connection.send("x")
                except (BrokenPipeError, ConnectionResetError):
                    pass
            time.sleep(0.02)
            return self.host.stats()["connections"] == 0

        wait_until(drip, "all are closed")
        self.assertEqual(self.host.stats()["pins"], 0)

    def test_a_head_that_is_slow_while_a_request_is_answered(self):
        with self.connect() as connection:
            connection.send(request("GET", KEYS + "slow:2500:x") + b"GET /")
            self.assertEqual(connection.response().status, 404)
            self.assert_problem(connection.response(), 408)
            self.assertEqual(connection.closed(), b"")

    def test_a_client_that_does_not_read(self):
        accepted = self.host.stats()["accepted"]
        connection = self.connect(receive_buffer=4096)
        connection.send(request("GET", KEYS + "big:8000000") * 20)
        wait_until(lambda: self.host.stats()["accepted"] == accepted + 1, "it has been there")
        wait_until(lambda: self.host.stats()["connections"] == 0, "the connection is closed")
        self.assertEqual(self.host.stats()["pins"], 0)


@needs_host
class Readers(Case):
    PARAMETERS = "workers: 1, idle_timeout: 60s"

    def test_output_is_bounded(self):
        """A client that asks for much and reads nothing does not make the server collect answers without an end."""
        connection = self.connect(receive_buffer=4096)
        connection.socket.settimeout(0.5)
        answered = 0
        try:
            for _ in range(2000):
                connection.send(request("GET", KEYS + "big:100000"))
        except TimeoutError:
            pass
        self.assertLess(self.host.stats()["submitted"], 500)
        self.assertEqual(self.ask("GET", "/health").status, 200)
        connection.socket.settimeout(PATIENCE)
        for answered in range(100):
            self.assertEqual(len(connection.response().body), 100000)
        connection.socket.close()
        wait_until(lambda: self.host.stats()["connections"] == 0, "the connection is closed")
        self.assertEqual(self.host.stats()["pins"], 0)

    def test_values_are_not_held_beyond_the_output(self):
        """Gets that come at once go to the node one after the other when there is something to be written already."""
        self.ask("GET", "/health")  # a get of the test before, gathered when its connection ended, is counted by now
        connection = self.connect(receive_buffer=4096)
        for count in range(1, 100):
            submitted, completed = (self.host.stats()[name] for name in ("submitted", "completed"))
            connection.send(request("GET", KEYS + "big:700000"))
            wait_until(lambda: self.host.stats()["completed"] == completed + 1, "the node has answered it")
            time.sleep(0.1)
            if self.host.stats()["pins"] == 1:
                break
        connection.send(request("GET", KEYS + "big:5000000") * 15)
        wait_until(lambda: self.host.stats()["submitted"] > submitted + 1, "more is at the node")
        self.assertEqual(self.ask("GET", "/health").status, 200)
        self.assertEqual(self.host.stats()["pins"], 2)
        sizes = [len(connection.response().body) for _ in range(count + 15)]
        self.assertEqual(sizes, [700000] * count + [5000000] * 15)
        connection.socket.close()
        wait_until(lambda: self.host.stats()["connections"] == 0, "the connection is closed")

    def test_a_slow_reader_gets_everything(self):
        connection = self.connect(receive_buffer=4096)
        connection.send(request("GET", KEYS + "big:3000000") + request("GET", KEYS + "big:10"))
        body = connection.response().body
        self.assertEqual(body, (b"abcdefghijklmnopqrstuvwxyz" * 115385)[:3000000])
        self.assertEqual(connection.response().body, b"abcdefghij")


@needs_host
class PatientServer(Case):
    PARAMETERS = "workers: 1, header_timeout: 2s"

    def test_time_in_which_the_server_does_not_read_is_not_the_clients(self):
        """Half a request is in the server's buffer, the rest in the kernel's, while the client reads slowly."""
        with self.connect() as connection:
            connection.send(request("GET", KEYS + "big:30000") * 2000)
            time.sleep(0.2)
            for _ in range(2000):
                self.assertEqual(len(connection.response().body), 30000)


@needs_host
class Connections(Case):
    PARAMETERS = "workers: 2, max_connections: 10"

    def test_too_many(self):
        connections = [self.connect() for _ in range(10)]
        for connection in connections:
            self.assertEqual(connection.ask("GET", "/health").status, 200)
        before = self.host.stats()["refused"]
        for _ in range(5):
            with self.connect() as connection:
                answer = connection.response()
                self.assert_problem(answer, 503)
                self.assertEqual(connection.closed(), b"")
        self.assertEqual(self.host.stats()["refused"], before + 5)
        self.assertEqual(connections[0].ask("GET", "/health").status, 200)
        for connection in connections:
            connection.socket.close()
        wait_until(lambda: self.host.stats()["connections"] == 0, "all are closed")
        self.assertEqual(self.ask("GET", "/health").status, 200)


@needs_host
class Descriptors(unittest.TestCase):
    def test_none_left(self):
        host = Host("workers: 2", environment={"TEST_NOFILE": "1"},
                    before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        connections, refused = [], 0
        for _ in range(80):
            connection = Connection(host)
            try:
                connection.send(request("GET", "/health"))
                answer = connection.response()
                refused += answer.status == 503
                if answer.status == 200:
                    connections.append(connection)
                    continue
            except (Closed, ConnectionResetError, BrokenPipeError):
                refused += 1
            connection.socket.close()
        self.assertGreater(len(connections), 20)
        self.assertGreater(refused, 0)
        self.assertGreaterEqual(host.stats()["refused"], refused)
        for connection in connections:
            self.assertEqual(connection.ask("GET", "/health").status, 200)
            connection.socket.close()
        wait_until(lambda: host.stats()["connections"] == 0, "all are closed")
        with Connection(host) as connection:
            self.assertEqual(connection.ask("GET", "/health").status, 200)
        host.close()

    def test_thousands_of_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(10000, hard - 200)
        host = Host("workers: 2, max_connections: 20000")
        connections = [Connection(host) for _ in range(count)]
        wait_until(lambda: host.stats()["connections"] == count, f"{count} connections")
        for connection in connections[::100]:
            self.assertEqual(connection.ask("GET", "/health").status, 200)
        host.close()
        for connection in connections:
            connection.socket.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@needs_host
class Memory(unittest.TestCase):
    """Failing allocations: a request or a connection is lost, nothing else."""

    def test_every_nth_allocation_fails(self):
        host = Host("workers: 2, header_timeout: 2s")
        requests = [request("GET", KEYS + "x"), request("PUT", KEYS + "x", b"y" * 100000), request("GET", KEYS + "%"),
                    request("GET", KEYS + "k" * 2000), request("GET", KEYS + "fail:9"), request("GET", KEYS + "hop:x"),
                    request("GET", KEYS + "big:100000"), request("GET", "/status"), request("GET", "/api/stats"),
                    request("POST", "/v1/groups/g/batch", '{"get": ["x", "hop:y", "fail:3"]}'),
                    request("GET", "/nothing", None, If_None_Match='"1.1"'),
                    f"PUT {KEYS}c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode() +
                    b"5000\r\n" + b"z" * 0x5000 + b"\r\n0\r\n\r\n"]
        for every in range(1, 13):
            before = int(host.command("failed"))
            host.send_command(f"fail {every}")
            for data in requests:
                try:
                    with Connection(host) as connection:
                        connection.send(data[:50])
                        connection.send(data[50:] + data)
                        for _ in range(2):
                            self.assertLess(connection.response().status, 600)
                except (Closed, ConnectionResetError, BrokenPipeError):
                    pass
            self.assertGreater(int(host.command("failed")), before, f"one allocation in {every} has failed")
        host.send_command("fail 0")
        wait_until(lambda: host.stats()["connections"] == 0, "all connections are closed")
        with Connection(host) as connection:
            for data, status in zip(requests, (200, 204, 400, 404, 503, 404, 200, 200, 200, 200, 404, 204)):
                connection.send(data)
                self.assertIn(connection.response().status, (status, status - 3))
        host.close()


if __name__ == "__main__":
    unittest.main()
