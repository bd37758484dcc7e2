#!/usr/bin/env python3
"""An origin for the demo and the tests: it makes up a value for every key, and counts who asks for what.

    GET /users/KEY   the value of KEY, always the same; 404 when KEY starts with "missing"
    GET /count       {"KEY": requests, ...} as JSON, keys percent-encoded
    GET /count/KEY   the number alone
    GET /connections how many connections were made
    PUT /behaviour   {"PREFIX": {"delay": MS, "status": CODE, "cache": TEXT, "max_age": SECONDS, "hang": true}, ...}: how
                     keys are answered from now on; the longest prefix of a key decides, every member may be left out.
                     TEXT is the Cache-Control; max_age is short for one. A key that hangs is answered when the behaviour
                     is changed again.

value_of() may be imported to know what a value must be.
"""

import argparse
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote_from_bytes, unquote_to_bytes


def value_of(key: bytes) -> bytes:
    """What the origin holds for a key."""
    return b"user %s %s" % (quote_from_bytes(key, safe="").encode(), hashlib.sha256(key).hexdigest().encode())


class Origin(ThreadingHTTPServer):
    """The server and its counts, one for each key that was asked for."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, delay):
        super().__init__(address, Handler)
        self.delay = delay
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.counts = {}
        self.connections = 0
        self.behaviour = {}

    def process_request(self, request, client_address):
        with self.lock:
            self.connections += 1
        super().process_request(request, client_address)

    def count(self, key: bytes):
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + 1

    def counted(self):
        with self.lock:
            return dict(self.counts)

    def behave(self, behaviour):
        with self.lock:
            self.behaviour = behaviour
            self.changed.notify_all()

    def rule(self, key: bytes):
        """How the key is answered; for one that hangs, once it does no more."""
        with self.lock:
            while True:
                prefixes = [prefix for prefix in self.behaviour if key.startswith(prefix.encode())]
                rule = self.behaviour[max(prefixes, key=len)] if prefixes else {}
                if not rule.get("hang"):
                    return rule
                self.changed.wait()

    def handle_error(self, request, client_address):
        """A client that hangs up is no event."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/users/"):
            self.user(unquote_to_bytes(path[len("/users/"):]))
        elif path == "/count":
            counts = {quote_from_bytes(key, safe=""): n for key, n in self.server.counted().items()}
            self.answer(200, json.dumps(counts).encode(), "application/json")
        elif path == "/connections":
            self.answer(200, b"%d" % self.server.connections, "text/plain")
        elif path.startswith("/count/"):
            key = unquote_to_bytes(path[len("/count/"):])
            self.answer(200, b"%d" % self.server.counted().get(key, 0), "text/plain")
        else:
            self.answer(404, b"no such path", "text/plain")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/behaviour":
            self.server.behave(json.loads(body))
            self.answer(200, b"", "text/plain")
        else:
            self.answer(404, b"no such path", "text/plain")

    def user(self, key: bytes):
        self.server.count(key)
        rule = self.server.rule(key)
        time.sleep(rule.get("delay", self.server.delay * 1000) / 1000)
        cache = rule.get("cache", "max-age=%d" % rule["max_age"] if "max_age" in rule else None)
        headers = {"Cache-Control": cache} if cache else {}
        if "status" in rule:
            self.answer(rule["status"], b"as told", "text/plain")
        elif key.startswith(b"missing"):
            self.answer(404, b"no such user", "text/plain")
        else:
            self.answer(200, value_of(key), "application/octet-stream", headers)

    def answer(self, status, body, kind, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Quiet: the counts are the log."""


def main():
    parser = argparse.ArgumentParser(description="an origin that counts its requests")
    parser.add_argument("--port", type=int, default=0, help="0, the default: any free one")
    parser.add_argument("--port-file", help="where to write the port, once it listens")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds that every value takes")
    options = parser.parse_args()
    server = Origin(("127.0.0.1", options.port), options.delay / 1000)
    if options.port_file:
        partial = options.port_file + ".part"
        with open(partial, "w", encoding="ascii") as file:
            file.write("%d\n" % server.server_address[1])
        os.replace(partial, options.port_file)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
