"""Answers that are spoilt on the way, cut short, or not etcd's at all: they are refused, and the truth is found later."""

import random
import socket
import threading

from world import PREFIX, World, main, wait_until

MEMBERS = f"{PREFIX}/members/"
QUICK = {"retry_max": "50ms", "request_timeout": "500ms", "dial_timeout": "500ms", "check_interval": "200ms",
         "lease_ttl": "60s", "start_timeout": "0"}

ANSWERS = [
    "", "{", "[]", "null", "17", '""', "{}", '{"header": {}}', '{"header": 17}', '{"result": 1}', '{"result": {}}',
    '{"error": null}', '{"error": {}}', '{"code": 16}', '{"code": "x", "message": 5}', "\0", "\xff" * 100, "{" * 100000,
    '{"header": {"revision": "-1"}, "succeeded": true, "responses": []}',
    '{"header": {"revision": "99999999999999999999999"}, "responses": [{"response_range": {"kvs": [{}]}}]}',
    '{"header": {"revision": "5"}, "succeeded": true, "responses": {"0": 1}}',
    '{"header": {"revision": "5"}, "succeeded": true, "responses": [1, 2, 3, 4]}',
    '{"header": {"revision": "5"}, "responses": [{"response_range": {"kvs": [{"key": "!", "mod_revision": "1"}]}}]}',
    '{"header": {"revision": "5"}, "responses": [{"response_range": {"kvs": "x", "count": "5"}}]}',
    '{"ID": "0", "TTL": "5"}', '{"ID": "7", "TTL": "-5"}', '{"ID": 7, "TTL": 1e300}', '{"ID": "7", "TTL": "99999999999"}',
    '{"token": "a\\r\\nX: y"}', '{"token": 5}', '{"ID": "7", "TTL": "2"}',
]


class Liar:
    """An HTTP server that answers every request with the same body, or the next of several."""

    def __init__(self, bodies, status="200 OK"):
        self.bodies, self.status, self.asked = bodies, status, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if not connection.recv(1 << 16):
                    continue
                body = self.bodies[self.asked % len(self.bodies)]
                body = body.encode("latin-1") if isinstance(body, str) else body
                self.asked += 1
                try:
                    connection.sendall(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                                       .encode() + body)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


class Hostile(World):
    def test_answers_that_make_no_sense(self):
        for status in ("200 OK", "400 Bad Request", "503 Service Unavailable"):
            liar = Liar(ANSWERS, status)
            self.addCleanup(liar.close)
            hosts = [self.started(liar.endpoint, name, QUICK) for name in ("a", None)]
            wait_until(lambda: liar.asked > 4 * len(ANSWERS), "every step had every answer")
            for host in hosts:
                self.assertEqual(host.lists() + host.all("lease"), [])
                self.assertLess(max(len(line) for line in host.lines()), 1000)

    def test_an_answer_without_end(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host = self.started(f"http://127.0.0.1:{listener.getsockname()[1]}", "a", {**QUICK, "request_timeout": "1h"})
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                sent = 0
                try:
                    while sent < 1 << 28:
                        connection.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
                        sent += 0x100000
                except OSError:
                    pass
            self.assertLess(sent, 100 << 20, "64 MiB are taken at most")
            host.wait_log("more came than is taken")

    def test_bytes_that_are_spoilt_on_the_way(self):
        etcd = self.etcd()
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        proxy = self.proxy(etcd)

        def spoil(data):
            data = bytearray(data)
            if chance.random() < 0.3:
                for _ in range(chance.randrange(1, 4)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.05:
                del data[chance.randrange(len(data)):]
            return bytes(data) or b"\n"

        hosts = [self.started(proxy, name, QUICK) for name in ("a", "b", None)]
        proxy.change = spoil
        for i in range(150):
            etcd.transaction(("put", f"{MEMBERS}m{i % 7}", '{"addresses": {"http": "x:1"}}'), ("del", f"{MEMBERS}m{(i + 3) % 7}"))
        spoilt = proxy.requests
        wait_until(lambda: proxy.requests > spoilt + 100, f"it goes on trying, seed {seed}")
        # What was changed into something else that makes sense is believed until the list is read anew: etcd's answers have no
        # sums of their own. A compaction is what has it read for certain.
        proxy.refuse()
        proxy.change = None
        etcd.transaction(*[("del", f"{MEMBERS}m{i}") for i in range(7)])
        last = etcd.transaction(("put", MEMBERS + "z", '{"addresses": {}}'))
        etcd.compact()
        proxy.refuse(False)
        for host in hosts:
            host.wait(lambda event: event["event"] == "members" and event["epoch"] >= last, f"the truth, seed {seed}")
            wait_until(lambda: host.names() == ["a", "b", "z"], f"{host.name} sees {host.names()}, seed {seed}")


if __name__ == "__main__":
    main()
