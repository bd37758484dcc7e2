#!/usr/bin/python3
"""An HTTP origin for tests: what it answers is decided by the first part of the path.

Prints the port it listens on. GET /counts tells how many connections were accepted and how many requests came.
"""
import json
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
counts = {"connections": 0, "requests": 0}
gate = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        with lock:
            counts["connections"] += 1

    def log_message(self, *args):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        what, _, rest = self.path[1:].partition("/")
        key = urllib.parse.unquote_to_bytes(rest)
        if what == "counts":
            with lock:
                self.answer(json.dumps(counts).encode())
            return
        if what == "open":
            gate.set()
            self.answer(b"")
            return
        if what == "close":
            gate.clear()
            self.answer(b"")
            return
        with lock:
            counts["requests"] += 1
        getattr(self, "on_" + what)(key)

    def on_echo(self, key):  # the key itself
        self.answer(key)

    def on_path(self, key):  # the path as it came
        self.answer(self.path.encode())

    def on_status(self, key):
        self.answer(b"a page", int(key))

    def on_cache(self, key):
        self.answer(b"value", Cache_Control=key.decode())

    def on_aged(self, key):
        self.answer(b"value", Cache_Control="max-age=100", Age=key.decode())

    def on_fields(self, key):  # several fields of the same name
        self.send_response(200)
        for value in key.decode().split("|"):
            self.send_header("cache-control", value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def on_headers(self, key):  # what the request brought
        self.answer("".join(f"{n}: {v}\n" for n, v in self.headers.items()).encode())

    def on_slow(self, key):
        gate.wait()
        self.answer(key)

    def on_stuck(self, key):  # half a body, then nothing
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"half.")
        self.wfile.flush()
        gate.wait()
        self.wfile.write(b"other")

    def on_cut(self, key):  # half a body, then the end
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"half.")
        self.close_connection = True

    def on_cutchunks(self, key):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nhalf.\r\n")
        self.close_connection = True

    def on_nothing(self, key):
        self.close_connection = True

    def on_garbage(self, key):
        self.wfile.write(b"this is not HTTP\r\n\r\n")
        self.close_connection = True

    def on_length(self, key):  # so many bytes
        self.answer(b"x" * int(key))

    def on_chunks(self, key):  # so many bytes, not announced
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = int(key)
        try:
            while left > 0:
                size = min(left, 1000)
                self.wfile.write(b"%x\r\n%s\r\n" % (size, b"x" * size))
                left -= size
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def on_announced(self, key):  # a length, and never a byte
        self.send_response(200)
        self.send_header("Content-Length", key.decode())
        self.end_headers()
        self.close_connection = True
        gate.wait()

    def on_endless(self, key):  # an error page without an end
        self.send_response(int(key))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"400\r\n%s\r\n" % (b"x" * 1024))
        except OSError:
            self.close_connection = True

    def on_redirect(self, key):
        self.answer(b"elsewhere", 302, Location="/echo/there", Cache_Control="max-age=7")

    def on_loop(self, key):
        self.answer(b"here", 302, Location="/loop/x")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()  # until whoever started it is gone
