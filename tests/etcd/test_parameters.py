"""Every parameter has an effect (fault 26). Those of logins and certificates are in test_auth and test_tls, advertise in
test_registration."""

import json
import re
import socket

from world import PREFIX, World, free_port, main, wait_until


def timed_out_after(host):
    """The milliseconds after which it gave up, as it told."""
    line = host.wait(lambda event: event["event"] == "log" and re.search(r"time(d |-)out after \d+", event["text"]),
                     "a request is given up")
    return int(re.search(r"out after (\d+)", line["text"])[1])


class Parameters(World):
    def test_prefix(self):
        etcd = self.etcd()
        for prefix, members in (("/one", "/one/members/"), ("two/", "two/members/"), ("/", "/members/")):
            host = self.started(etcd, "a", {"prefix": prefix})
            self.assertEqual(list(etcd.kvs(members)), [members + "a"])
            host.close()
        for prefix in ("", "a b", "a\tb", "x" * 513):
            self.assertIn("prefix", self.host(etcd, "a", {"prefix": prefix}).refused())

    def test_two_prefixes_are_two_clusters(self):
        etcd = self.etcd()
        one, other = self.started(etcd, "a", {"prefix": "/one"}), self.started(etcd, "a", {"prefix": "/one0"})
        self.started(etcd, "b", {"prefix": "/one"})
        one.wait_names("a", "b")
        self.assertEqual(other.names(), ["a"])

    def test_endpoints(self):
        etcd = self.etcd()
        for text in (f"127.0.0.1:{etcd.port}", f"http://127.0.0.1:{etcd.port}/", f"http://localhost:{etcd.port}"):
            self.started(text, "a").close()
        for text in ("", "ftp://x:1", "http://x:1/path", "http://user@x:1", "http://x:1?y", "http://x:99999", "http://", "a b"):
            self.assertIn(f'endpoints: got "{text}", wanted http://host:port or https://host:port',
                          self.host(text, "a").refused())
        self.assertIn("endpoints", self.host([], "a").refused())

    def test_the_default_port(self):
        host = self.started("127.0.0.1", "a", {"start_timeout": "0", "dial_timeout": "500ms"})
        host.wait_log("127.0.0.1:2379")

    def test_lease_ttl(self):
        etcd = self.etcd()
        for ttl, seconds in (("7s", 7), ("1500ms", 2), ("24h", 86400)):
            host = self.started(etcd, "a", {"lease_ttl": ttl})
            lease = etcd.kvs(PREFIX)[f"{PREFIX}/members/a"]["lease"]
            told = json.loads(etcd.ctl("lease", "timetolive", f"{lease:x}", "-w", "json"))
            self.assertEqual(told["granted-ttl"], seconds)
            host.close()

    def test_start_timeout(self):
        dead = f"127.0.0.1:{free_port()}"
        took = [self.started(dead, "a", {"start_timeout": f"{ms}ms"}).all("started")[0]["took"] for ms in (0, 400, 1200)]
        self.assertLess(took[0], took[1])
        self.assertLess(took[1], took[2])
        self.assertGreaterEqual(took[1], 0.4)
        self.assertGreaterEqual(took[2], 1.2)

    def test_request_timeout(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            place = f"127.0.0.1:{silent.getsockname()[1]}"
            for ms in (300, 900):
                host = self.started(place, "a", {"request_timeout": f"{ms}ms", "start_timeout": "0"})
                self.assertGreaterEqual(timed_out_after(host), ms)

    def test_a_request_takes_a_third_of_the_lease_at_most(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", {"request_timeout": "1h", "lease_ttl": "2s"})
        etcd.pause()
        self.assertLess(timed_out_after(host), 60000)
        etcd.resume()

    def test_dial_timeout(self):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            callers = []
            for _ in range(4):  # those that are not accepted fill the queue: whoever comes later is not answered
                caller = socket.socket()
                caller.setblocking(False)
                caller.connect_ex(full.getsockname())
                callers.append(caller)
            place = f"127.0.0.1:{full.getsockname()[1]}"
            for ms in (300, 900):
                host = self.started(place, "a", {"dial_timeout": f"{ms}ms", "request_timeout": "1h", "start_timeout": "0"})
                line = host.wait(lambda event: event["event"] == "log" and "no endpoint answers" in event["text"], "it gives up")
                waited = int(re.search(r"after (\d+) m", line["text"])[1])
                self.assertGreaterEqual(waited, ms)
                self.assertLess(waited, 60000)
            for caller in callers:
                caller.close()

    def test_check_interval(self):
        etcd = self.etcd()
        often, never = self.proxy(etcd), self.proxy(etcd)
        self.started(often, None, {"check_interval": "100ms", "start_timeout": "0"})
        self.started(never, None, {"check_interval": "1h", "start_timeout": "0"})
        self.started(etcd, "a")
        wait_until(lambda: never.watches, "it watches")
        before = never.requests
        start = often.requests
        wait_until(lambda: often.requests > start + 15, "the list is compared again and again")
        self.assertEqual(never.requests, before)

    def test_retry_max(self):
        etcd = self.etcd()
        etcd.kill()
        often, seldom = self.proxy(etcd), self.proxy(etcd)
        self.started(often, "a", {"retry_max": "20ms", "start_timeout": "0"})
        self.started(seldom, "b", {"retry_max": "10m", "start_timeout": "0"})
        wait_until(lambda: often.accepted > 200, "it tries again and again")
        self.assertLess(seldom.accepted, 30)


if __name__ == "__main__":
    main()
