"""What comes over the wire: pieces, pipelines, bodies, and requests that are none."""

import os
import random
import socket
import unittest

from server import KEYS, Case, request

GET = f"GET {KEYS}wire HTTP/1.1\r\nHost: a\r\n\r\n"


class Malformed(Case):
    """Each of these is answered with an error and the connection closed: nothing after it is taken for a request."""

    def refused(self, data, *statuses):
        with self.connect() as connection:
            connection.send(data)
            # What follows would be smuggled in, if it was taken for a request.
            try:
                connection.send(request("PUT", KEYS + "smuggled", "x"))
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = connection.response()
            self.assert_problem(answer, answer.status)
            self.assertIn(answer.status, statuses or (400,), data)
            self.assertEqual(answer.field("connection"), "close", data)
            self.assertEqual(connection.closed(), b"", data)
        self.assertEqual(self.ask("GET", KEYS + "smuggled").status, 404, data)

    def test_line_ends(self):
        self.refused(f"GET {KEYS}a HTTP/1.1\nHost: a\n\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\r\nHost: a\n\r\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\r\nHost: a\r\n\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\nHost: a\r\n\r\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\r\nHost: a\rX: b\r\n\r\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\r\nHost: a\r\r\n\r\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\r\nHost: a\r\nX:\rY: b\r\n\r\n")

    def test_fields(self):
        for field in ("X : a", " X: a", "\tX: a", ": a", "X", "X y: a", "X: a\r\n folded", "X: a\r\n\tfolded", "X: \0",
                      "X: a\x01b", "X\0: a", "X\xff: a", "(X): a", "X: a\x7f"):
            self.refused(f"GET {KEYS}a HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")
        self.refused(f"GET {KEYS}a HTTP/1.1\r\n Host: a\r\n\r\n")

    def test_request_lines(self):
        for line in ("GET", "GET ", "GET /", "GET / ", "GET / HTTP", "GET / HTTP/1", "GET / HTTP/1.", "GET / HTTP/1.1 ",
                     "GET  / HTTP/1.1", "GET / HTTP/1.10", "GET / HTTP/11", "GET / http/1.1", "get / HTTP/1.1",
                     "G\0T / HTTP/1.1", "GET /\0 HTTP/1.1", "GET /a b HTTP/1.1", "GET /a\tb HTTP/1.1", "GET\t/ HTTP/1.1",
                     "NOSUCH / HTTP/1.1", "GET /\xff HTTP/1.1", "GET / RTSP/1.0", "SOURCE / ICE/1.0", "GET / HTTP/0.9",
                     "GET / HTTP/1.1x", " GET / HTTP/1.1", "GET / HTTP/1.9"):
            self.refused(f"{line}\r\nHost: a\r\n\r\n")
        self.refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505)
        self.refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)

    def test_hosts(self):
        self.refused("GET / HTTP/1.1\r\n\r\n")
        self.refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        self.refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n")
        self.refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")

    def test_fields_given_twice(self):
        for name in ("If-Match", "If-None-Match", "Larder-Timeout"):
            self.refused(f'GET / HTTP/1.1\r\nHost: a\r\n{name}: "1.1"\r\n{name}: "1.1"\r\n\r\n')

    def test_lengths(self):
        for value in ("+3", "-3", "3, 3", "3,3", "0x3", "3 3", "3.0", "", " ", "three", "18446744073709551616",
                      "99999999999999999999999", "3\t4", "\x0b3"):
            self.refused(f"PUT {KEYS}l HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\nabc")
        for second in ("3", "4", "0"):
            self.refused(f"PUT {KEYS}l HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: {second}\r\n\r\nabc")

    def test_two_ways_to_delimit(self):
        chunks = "3\r\nabc\r\n0\r\n\r\n"
        for fields in ("Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3",
                       "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding:",
                       "Transfer-Encoding: \x0bchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked, gzip",
                       "Transfer-Encoding: chunked, identity", "Transfer-Encoding: ,chunked"):
            self.refused(f"PUT {KEYS}l HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{chunks}", 400, 501)
        for value in ("identity", "gzip", "gzip, chunked", "xchunked", "chunkedx", "chunked;q=1"):
            self.refused(f"PUT {KEYS}l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}\r\n\r\n{chunks}", 400, 501)
        self.refused(f"PUT {KEYS}l HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")

    def test_chunks(self):
        for body in ("3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\rabc\r\n0\r\n\r\n",
                     " 3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n",
                     "3 \r\nabc\r\n0\r\n\r\n", "\r\nabc\r\n0\r\n\r\n", "g\r\nabc\r\n0\r\n\r\n", "3;a=b\nabc\r\n0\r\n\r\n",
                     "3;a=\x01\r\nabc\r\n0\r\n\r\n", "0\r\n\n", "0\n\r\n", "3\r\nabc\r\n0\r\nA: b\n\r\n",
                     "3\r\nabc\r\n0\r\n folded\r\n\r\n", "3\r\nabc\r\n0\r\nA\rB: b\r\n\r\n",
                     "3\r\nabc\r\n0\r\nA\r\n\r\n", "3\r\nabc\r\n0\r\nA : b\r\n\r\n", "3\r\nabc\r\n0\r\nA: \0\r\n\r\n",
                     "3\r\nabc\r\n0\r\nA\0: b\r\n\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n"):
            self.refused(f"PUT {KEYS}l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}", 400, 413)

    def test_tls_on_the_plain_port(self):
        hello = bytes.fromhex("160301020001000000") + os.urandom(503)
        with self.connect() as connection:
            connection.send(hello)
            self.assertEqual(connection.response().status, 400)
            self.assertEqual(connection.closed(), b"")

    def test_noise(self):
        noise = random.Random(1)
        words = [b"GET ", b"/", KEYS.encode(), b" HTTP/1.1", b"\r\n", b"\n", b"Host: a\r\n", b"\r\n\r\n", b"\0", b"%",
                 b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"0\r\n\r\n", b"PUT ", b"\xff", b" ", b":"]
        for _ in range(300):
            with self.connect() as connection:
                data = b"".join(noise.choice(words) for _ in range(noise.randrange(1, 12)))
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                for line in connection.closed().split(b"\r\n"):
                    if line.startswith(b"HTTP/"):
                        self.assertRegex(line, rb"^HTTP/1\.1 \d\d\d ")
        self.assertEqual(self.ask("GET", "/health").status, 200)


class Pieces(Case):
    def setUp(self):
        self.ask("PUT", KEYS + "wire", "value")

    def test_byte_by_byte(self):
        with self.connect() as connection:
            for byte in request("PUT", KEYS + "slow%20coach?ttl=30s", "body") + GET.encode():
                connection.send(bytes([byte]))
            self.assertIn(connection.response().status, (201, 204))
            self.assertEqual(connection.response().body, b"value")

    def test_pipeline_split_at_every_byte(self):
        chunked = (f"PUT {KEYS}c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n").encode()
        data = (request("PUT", KEYS + "p", "first") + request("GET", KEYS + "p") + chunked + request("GET", KEYS + "c") +
                request("HEAD", KEYS + "p") + request("DELETE", KEYS + "p") + request("GET", KEYS + "p"))
        for cut in range(len(data) + 1):
            with self.connect() as connection:
                connection.send(data[:cut])
                connection.send(data[cut:])
                answers = [connection.response(head_only=i == 4) for i in range(7)]
                self.assertIn(answers[0].status, (201, 204))
                self.assertIn(answers[2].status, (201, 204))
                self.assertEqual([a.body for a in answers[:6]], [b"", b"first", b"", b"abcde", b"", b""], cut)
                self.assertEqual([a.status for a in answers[3:]], [200, 200, 204, 404], cut)

    def test_long_pipeline(self):
        with self.connect() as connection:
            connection.send(GET * 2000)
            for _ in range(2000):
                self.assertEqual(connection.response().body, b"value")

    def test_half_a_request(self):
        for data in ("", "G", GET[:20], GET[:-2], f"PUT {KEYS}half HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"):
            with self.connect() as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                self.assertEqual(connection.closed(), b"")
        self.assertEqual(self.ask("GET", KEYS + "half").status, 404)

    def test_half_close_after_a_request(self):
        with self.connect() as connection:
            connection.send(GET + GET)
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([connection.response().body for _ in range(2)], [b"value"] * 2)
            self.assertEqual(connection.closed(), b"")

    def test_an_empty_line_before_a_request(self):
        with self.connect() as connection:
            connection.send("\r\n" + GET + "\r\n" + GET)
            self.assertEqual([connection.response().body for _ in range(2)], [b"value"] * 2)
            connection.send("\r\n\r\n")
            self.assertEqual(connection.response().status, 400)


class Bodies(Case):
    def test_large_values_both_ways(self):
        value = random.Random(2).randbytes(5 << 20)
        with self.connect() as connection:
            self.assertIn(connection.ask("PUT", KEYS + "large", value).status, (201, 204))
            self.assertEqual(connection.ask("GET", KEYS + "large").body, value)
            connection.send(request("GET", KEYS + "large") * 3)
            for _ in range(3):
                self.assertEqual(connection.response().body, value)

    def test_chunked(self):
        value = random.Random(3).randbytes(1 << 20)
        for size in (7, 1000, 65536, 1 << 20):
            parts = [value[i:i + size] for i in range(0, min(len(value), size * 5000), size)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            with self.connect() as connection:
                connection.send(f"PUT {KEYS}chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n")
                connection.send(body)
                self.assertIn(connection.response().status, (201, 204))
                self.assertEqual(connection.ask("GET", KEYS + "chunked").body, b"".join(parts))

    def test_chunked_with_upgrade(self):
        with self.connect() as connection:
            connection.send(f"PUT {KEYS}up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            self.assertIn(connection.response().status, (201, 204))
            self.assertEqual(connection.ask("GET", KEYS + "up").body, b"ok")

    def test_upgrade_is_ignored(self):
        with self.connect() as connection:
            answer = connection.ask("GET", "/health", Connection="Upgrade, HTTP2-Settings", Upgrade="h2c")
            self.assertEqual(answer.status, 200)
            self.assertEqual(connection.ask("GET", "/health").status, 200)

    def test_a_body_that_means_nothing_is_dropped(self):
        with self.connect() as connection:
            self.assertEqual(connection.ask("GET", "/health", "ignored" * 100).status, 200)
            self.assertEqual(connection.ask("POST", "/nothing", "ignored" * 100).status, 404)
            self.assertEqual(connection.ask("PUT", KEYS + "%", "ignored" * 100).status, 400)
            self.assertEqual(connection.ask("GET", "/health").status, 200)
            self.assertEqual(connection.ask("GET", "/health", "x" * 70000).status, 413)
            self.assertEqual(connection.closed(), b"")

    def test_expect_continue(self):
        with self.connect() as connection:
            connection.send(f"PUT {KEYS}expect HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n")
            self.assertEqual(connection.response().status, 100)
            connection.send("body")
            self.assertIn(connection.response().status, (201, 204))
            connection.send(f"PUT {KEYS}expect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                            "Expect: 100-continue\r\n\r\n")
            self.assertEqual(connection.response().status, 100)
            connection.send("2\r\nok\r\n0\r\n\r\n")
            self.assertEqual(connection.response().status, 204)
            connection.send(f"PUT {KEYS}% HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.response().status, 400)
            self.assertEqual(connection.closed(), b"")
        answer = self.ask("GET", "/health", Expect="200-ok")
        self.assertEqual((answer.status, answer.field("connection")), (417, "close"))


class OldClients(Case):
    def test_http_1_0(self):
        with self.connect() as connection:
            connection.send("GET /health HTTP/1.0\r\n\r\n")
            answer = connection.response()
            self.assertEqual((answer.status, answer.field("connection")), (200, "close"))
            self.assertEqual(connection.closed(), b"")
        with self.connect() as connection:
            for _ in range(3):
                connection.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                answer = connection.response()
                self.assertEqual((answer.status, answer.field("connection")), (200, "keep-alive"))

    def test_connection_close(self):
        with self.connect() as connection:
            connection.send(request("GET", "/health", Connection="close") + GET.encode())
            answer = connection.response()
            self.assertEqual((answer.status, answer.field("connection")), (200, "close"))
            self.assertEqual(connection.closed(), b"")
        with self.connect() as connection:
            self.assertEqual(connection.ask("GET", "/health", Connection="keep-alive, close").field("connection"), "close")
            self.assertEqual(connection.closed(), b"")


if __name__ == "__main__":
    unittest.main()
