"""Starts the test host, and speaks HTTP to it byte by byte.

With LARDER_HTTP_URL=http://127.0.0.1:8001 the tests talk to a server that runs already; those that need the host's special
keys, its parameters or its commands are skipped then. The group they use is LARDER_HTTP_GROUP, "g" by default.
"""

import json
import os
import re
import socket
import sys
import time
import unittest
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "transport"))
import host  # noqa: E402
from host import PATIENCE  # noqa: E402

URL = os.environ.get("LARDER_HTTP_URL")
GROUP = os.environ.get("LARDER_HTTP_GROUP", "g")
KEYS = f"/v1/groups/{GROUP}/keys/"
needs_host = unittest.skipIf(URL, "needs the test host")


class Host(host.Host):
    """A running server: the test host with these parameters, or the one that LARDER_HTTP_URL names."""

    def __init__(self, parameters="workers: 2", environment=None, before=None):
        self.process = None
        if URL:
            parts = urlsplit(URL)
            self.address = (parts.hostname, parts.port)
        else:
            super().__init__(parameters, environment, before)


class Response:
    def __init__(self, status, fields, body, minor):
        self.status, self.fields, self.body, self.minor = status, fields, body, minor

    def field(self, name):
        values = [value for key, value in self.fields if key == name.lower()]
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


class Closed(Exception):
    """The server closed the connection where a response was expected."""


class Connection:
    def __init__(self, host, timeout=PATIENCE, receive_buffer=None):
        family = socket.AF_INET6 if ":" in host.address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(host.address)
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.socket.sendall(data)

    def _fill(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def _take_until(self, mark):
        while mark not in self.buffer:
            self._fill()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def response(self, head_only=False):
        head = self._take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.(\d) (\d{3}) [ -~]+", head[0])
        assert match, head[0]
        fields = []
        for line in head[1:]:
            name, value = line.split(": ", 1)
            fields.append((name.lower(), value))
        response = Response(int(match[2]), fields, b"", int(match[1]))
        size = int(response.field("content-length") or 0)
        if response.status in (100, 204, 304) or head_only:
            size = 0
        while len(self.buffer) < size:
            self._fill()
        response.body, self.buffer = self.buffer[:size], self.buffer[size:]
        return response

    def closed(self):
        """Waits until the server closes, and gives what it sent before."""
        try:
            while True:
                self._fill()
        except (Closed, ConnectionResetError):
            return self.buffer

    def ask(self, method, target, body=None, **fields):
        self.send(request(method, target, body, **fields))
        return self.response(head_only=method == "HEAD")


def request(method, target, body=None, **fields):
    if isinstance(body, str):
        body = body.encode()
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def wait_until(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {seconds} s: {what}")
        time.sleep(0.01)


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

    def ask(self, method, target, body=None, **fields):
        with Connection(self.host) as connection:
            return connection.ask(method, target, body, **fields)

    def assert_problem(self, response, status):
        self.assertEqual(response.status, status, response.body)
        self.assertEqual(response.field("content-type"), "application/problem+json")
        document = response.json()
        self.assertEqual(document["status"], status)
        for member in ("type", "title", "detail"):
            self.assertIsInstance(document[member], str)
            self.assertNotEqual(document[member], "")
