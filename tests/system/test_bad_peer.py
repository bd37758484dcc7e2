"""A member that is no node: it says nothing, or nonsense, or all too slowly. Gets of its keys are answered, and ask it a few times at most."""

import contextlib
import socketserver
import threading

from kit import PEERS, Case, loader, main, value_of, wait_until

RETRIES = 1
HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.larder.peer\r\nContent-Length: 4096\r\n\r\n"
LONG_SETTINGS = b"\x00\x3f\xfc\x04\x00\x00\x00\x00\x00"  # the head of a frame of 16380 bytes
BEGINNING = LONG_SETTINGS if PEERS == "grpc" else HTTP_ANSWER  # of what a node would say


class Handler(socketserver.BaseRequestHandler):
    """Once something has come, does what the server is told to do with it, until the other end closes."""

    def handle(self):
        with contextlib.suppress(OSError):
            while self.request.recv(65536):
                self.server.asked = True
                if not self.server.behave(self.request, self.server.ended):
                    return


class BadServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.ended, self.asked = behave, threading.Event(), False
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.shutdown()
        self.server_close()
        self.thread.join()


def say_nothing(connection, ended):
    return True


def say_nonsense(connection, ended):
    connection.sendall(bytes(range(256)))
    return True


def say_what_is_no_reply(connection, ended):
    """An answer of HTTP, with a body that is none of a peer."""
    connection.sendall(HTTP_ANSWER + bytes(4096))
    return True


def refuse_the_form(connection, ended):
    """As something does that does not know the path: a node answers what it does not understand in the form of peers."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    return True


def speak_slowly(connection, ended):
    for i in range(1 << 20):
        connection.sendall(BEGINNING[i:i + 1] or b"\0")
        if ended.wait(0.02):
            break
    return False


def hang_up(connection, ended):
    return False


class BadPeer(Case):
    def check(self, behave):
        """Node a asks it whatever happens; b sees by its pings that nothing comes of that, for a reason that is returned."""
        bad, source = BadServer(behave), self.origin()
        self.addCleanup(bad.stop)
        nodes = self.cluster(groups=[{"name": "users", "loader": loader(source), "load_timeout": "1s"}], start=False,
                             cluster={"retries": RETRIES, "peer_timeout": "200ms", "probe_interval": "100ms"})
        a, b = nodes["a"], nodes["b"]
        a.config["cluster"].update(probe_interval="1h", suspend_after=100)
        for node in (a, b):
            for member in node.config["cluster"]["discovery"]["members"]:
                if member["name"] == "c":
                    member.update(http=bad.address, grpc=bad.address)
            node.start()
        for node in (a, b):
            node.wait_ready()
        key = self.ask_whatever_happens(a)
        self.assertTrue(bad.asked)
        self.assertEqual(source.count(key), 1)
        wait_until(lambda: b.members()["c"]["state"] == "suspended", "it is given up")
        before = b.members()["c"]["requests"]
        self.assertEqual(b.get("users", key).body, value_of(key.encode()))
        self.assertEqual(b.members()["c"]["requests"], before)
        return b.members()["c"]["reason"]

    def ask_whatever_happens(self, node):
        """A key for which the bad member was asked: one is enough, as some calls take all their time."""
        for i in range(1000):
            key, all_before, before = f"key {i}", node.metric("peer_requests_total"), node.members()["c"]["requests"]
            answer = node.get("users", key)
            self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
            self.assertLessEqual(node.metric("peer_requests_total") - all_before, 1 + RETRIES)
            if node.members()["c"]["requests"] > before:
                return key
        raise AssertionError("it was never asked")

    def test_it_says_nothing(self):
        self.check(say_nothing)

    def test_it_says_nonsense(self):
        self.check(say_nonsense)

    def test_it_says_what_is_no_reply(self):
        self.check(say_what_is_no_reply)

    def test_it_knows_no_peers(self):
        reason = self.check(refuse_the_form)
        if PEERS == "http":  # nonsense, over grpc
            self.assertIn("answered with HTTP status 400", reason)

    def test_it_speaks_slowly(self):
        self.check(speak_slowly)

    def test_it_hangs_up(self):
        self.check(hang_up)


if __name__ == "__main__":
    main()
