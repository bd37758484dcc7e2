"""What the tests of larder share: the program, real nodes, and a stand-in for nodes that misbehave."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import pty
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

LARDER, LARDERD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PATIENCE = 90  # seconds for what should take none; only a hanging program gets there
DONE, NO, USAGE, REFUSED = 0, 1, 2, 3


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LARDER_")}
    return {**clean, "LC_ALL": "C.UTF-8", **more}


class Test(unittest.TestCase):
    """Runs larder; `node` is what it talks to when a test says nothing else."""

    node = "http://127.0.0.1:1"

    def scratch(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        return holder.name

    def silent_port(self):
        """A port that stays bound until the test ends, and on which nobody listens."""
        holder = socket.socket()
        self.addCleanup(holder.close)
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]

    def larder(self, *arguments, code=DONE, stdin=b"", env=None):
        """Standard output and error, as bytes."""
        done = subprocess.run([LARDER, *arguments], input=stdin, capture_output=True, timeout=PATIENCE, check=False,
                              env=environment(**{"LARDER_NODE": self.node, **(env or {})}))
        self.assertEqual(done.returncode, code, (arguments, done.stdout[:500], done.stderr))
        return done.stdout, done.stderr

    def out(self, *arguments, **more):
        """Standard output, when all went well without a word."""
        out, err = self.larder(*arguments, **more)
        self.assertEqual(err, b"")
        return out

    def complaint(self, *arguments, code, **more):
        """The one line of standard error, when nothing was written to standard output."""
        out, err = self.larder(*arguments, code=code, **more)
        self.assertEqual(out, b"")
        self.assertTrue(err.startswith(b"larder: ") and err.endswith(b"\n") and err.count(b"\n") == 1, err)
        return err.decode()

    def document(self, *arguments, **more):
        return json.loads(self.out(*arguments, "--json", **more))

    def on_terminal(self, *arguments, stream):
        """What larder writes to a terminal that is its `stream`, "stdout" or "stderr"."""
        ours, theirs = pty.openpty()
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: theirs}
        with subprocess.Popen([LARDER, *arguments], stdin=subprocess.DEVNULL, **streams,
                              env=environment(LARDER_NODE=self.node)) as process:
            os.close(theirs)
            seen = b""
            with contextlib.suppress(OSError):  # a terminal whose last writer is gone
                while piece := os.read(ours, 65536):
                    seen += piece
            os.close(ours)
            self.assertEqual(process.wait(PATIENCE), DONE, seen)
        return seen


def get(url, path):
    host = url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(host, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


class Nodes:
    """Real nodes, `count` of them in one cluster; one alone has no cluster."""

    def __init__(self, groups, count=1):
        self.scratch = tempfile.TemporaryDirectory()
        self.ports = [free_port() for _ in range(count)]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.names = [chr(ord("a") + i) for i in range(count)]
        self.processes = []
        members = ", ".join(f'{{name: {n}, http: "127.0.0.1:{p}"}}' for n, p in zip(self.names, self.ports))
        cluster = f"cluster: {{peer_transport: http, discovery: {{plugin: static, members: [{members}]}}}}\n"
        try:
            for name, port in zip(self.names, self.ports):
                self.start(name, port, (cluster if count > 1 else "") + "groups:\n" + groups)
            for url in self.urls:
                self.wait_ready(url)
        except BaseException:
            self.stop()
            raise

    def start(self, name, port, more):
        config = os.path.join(self.scratch.name, name + ".yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'node: {{name: {name}}}\ntransports: [{{plugin: http, listen: "127.0.0.1:{port}"}}]\n{more}')
        os.chmod(config, 0o600)
        with open(self.log(name), "wb") as log:
            self.processes.append(subprocess.Popen([LARDERD, "--config", config], stderr=log, env=environment()))

    def log(self, name):
        return os.path.join(self.scratch.name, name + ".log")

    def wait_ready(self, url):
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up and all(process.poll() is None for process in self.processes):
            with contextlib.suppress(OSError):
                if get(url, "/ready")[0] == 200:
                    return
            time.sleep(0.01)
        logs = [pathlib.Path(self.log(name)).read_text(encoding="utf-8") for name in self.names]
        raise AssertionError("no node is ready at " + url + "\n" + "\n".join(logs))

    def stop(self):
        for process in self.processes:
            process.terminate()
        codes = [process.wait(PATIENCE) for process in self.processes]
        logs = [pathlib.Path(self.log(name)).read_text(encoding="utf-8", errors="replace") for name in self.names]
        self.scratch.cleanup()
        if any(codes):
            raise AssertionError(f"larderd ended with {codes}\n" + "\n".join(logs))


class WithNodes(Test):
    """Tests that share nodes; `groups` and `count` are the class's own."""

    groups = "  - {name: users, max_bytes: 64MiB}\n"
    count = 1

    @classmethod
    def setUpClass(cls):
        cls.nodes = Nodes(cls.groups, cls.count)
        cls.addClassCleanup(cls.nodes.stop)
        cls.node = cls.nodes.urls[0]


class StandIn(http.server.ThreadingHTTPServer):
    """Answers every request with the same status, type and body; remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, status=200, body=b"", kind="application/json"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.kind, self.asked = status, body, kind, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def handle_error(self, request, client_address):
        """A client that hangs up is no event."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        self.send_response(self.server.status)
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_):
        pass
