"""Origins and peers that hang until every bound is reached: busy at once, what is cached is served, and all is well again."""

import json
import os
import sys
import types

from kit import ROOT, SANITIZER, Case, Client, key_path, loader, main, owner_of, value_of, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "grpc"))
import wire  # noqa: E402

MIB = 1 << 20
LONG = {"request_timeout": "10m", "drain_timeout": "100ms"}


class Overload(Case):
    def assert_busy(self, answer):
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.assertEqual(answer.json()["type"], "urn:larder:problem:busy")

    def assert_answers(self, callers, wanted):
        for key, caller in callers.items():
            with caller.getresponse() as response:
                self.assertEqual((response.status, response.read()), (200, wanted(key)))


class HangingOrigin(Overload):
    """Three members, whose group may have six loads each."""

    def setUp(self):
        super().setUp()
        self.source = self.origin()
        users = {"name": "users", "loader": loader(self.source, timeout="10m"), "load_timeout": "10m", "max_loads": 6}
        # Late pings are no failures: it is not the machine that is tested.
        self.nodes = self.cluster(groups=[users, {**users, "name": "other"}], node=LONG,
                                  cluster={"probe_interval": "200ms", "peer_timeout": "10s"}, grpc={})
        self.a = self.nodes["a"]
        self.cached = [f"cached {i}" for i in range(20)]
        for key in self.cached:
            self.assertEqual(self.a.get("users", key).status, 200)

    def fill(self):
        """Gets that hang, one a key, until every member has all the loads it may have. The keys and their callers."""
        self.source.behave(hang={"hang": True})
        callers = {}
        for i in range(1000):
            if sum(1 for node in self.nodes.nodes() if self.full(node)) == 3:
                return callers
            key = f"hang {i}"
            answer = self.a.get("users", key, **{"Larder-Timeout": "50ms"})  # the load it begins goes on
            if answer.status == 504:
                callers[key] = self.begun_get(self.a, "users", key)
            else:
                self.assert_busy(answer)
        raise AssertionError("the members are not full")

    def full(self, node):
        page = node.metrics()
        return page.value("loads_total", group="users") - page.value("load_duration_seconds_count", group="users") == 6

    def assert_cached_keys_are_served(self):
        for node in self.nodes.nodes():
            with node.client() as client:
                for key in self.cached:
                    self.assertEqual(client.get("users", key).body, value_of(key.encode()))
                self.assertIn(client.put("users", "set " + node.name, "x").status, (201, 204))
                self.assertEqual(client.get("other", "key " + node.name).status, 200, "another group loads")

    def assert_busy_over_grpc(self):
        for node in self.nodes.nodes():
            with wire.Connection(types.SimpleNamespace(address=(node.host, node.grpc_port))) as connection:
                refused = [connection.wait(connection.get(b"hang over grpc %d" % i, group=b"users")) for i in range(10)]
                self.assertEqual({(answer.code, answer.fields["larder-status"]) for answer in refused},
                                 {(wire.RESOURCE_EXHAUSTED, "BUSY")})
                got = connection.wait(connection.get(self.cached[0].encode(), group=b"users"))
                self.assertEqual(got.code, wire.OK)

    def test_busy_at_once_and_what_is_cached_is_served(self):
        callers = self.fill()
        refused = self.nodes.total("busy_refused_total")
        for node in self.nodes.nodes():
            with node.client() as client:
                for i in range(200):
                    self.assert_busy(client.get("users", f"hang more {node.name} {i}"))
        self.assertEqual(self.nodes.total("busy_refused_total") - refused, 600, "each is counted, by the owner, once")
        self.assert_busy_over_grpc()
        self.assert_cached_keys_are_served()
        batch = self.a.ask("POST", "/v1/groups/users/batch", json.dumps({"get": ["hang never", self.cached[0]]})).json()
        self.assertEqual([result["status"] for result in batch["results"]], ["BUSY", "OK"])
        self.assertEqual(self.nodes.peer_failures(), 0)
        for name in ("peer_retries_total", "peer_suspended"):
            self.assertEqual(self.nodes.total(name), 0, name)
        self.assertEqual(len(self.source.counts()) - len(self.cached) - 3, 18)
        self.source.behave()
        self.assert_answers(callers, lambda key: value_of(key.encode()))
        for node in self.nodes.nodes():
            wait_until(lambda: node.metric("loads_waiting") == 0, "nothing is left over")
            self.assertEqual(node.get("users", "hang after " + node.name).status, 200)

    def test_memory_is_bounded(self):
        self.fill()
        with self.a.client() as client:
            def flood(count):
                for i in range(count):
                    self.assert_busy(client.get("users", f"hang flood {i} " + "x" * 1000))
                return self.a.metric("memory_resident_bytes")
            before = flood(300)
            after = flood(6000)  # each of a key of a kilobyte
        self.assertLessEqual(self.a.metric("loads_waiting"), 2 * 18)
        if not SANITIZER:
            self.assertLess(after - before, 4 * MIB)
        self.source.behave()

    def test_gets_that_wait_for_one_key_are_bounded(self):
        """A key has a quarter of the node's places, all callers of its group half."""
        node = self.started("solo", node={**LONG, "max_waiting": 40}, groups=[
            {"name": "users", "loader": loader(self.source, timeout="10m"), "load_timeout": "10m"}])
        self.assertEqual(node.get("users", "cached").status, 200)
        self.source.behave(hang={"hang": True})
        callers = [self.begun_get(node, "users", "hang") for _ in range(10)]
        wait_until(lambda: node.metric("loads_deduplicated_total") == 9, "all wait for one load")
        self.assert_busy(node.get("users", "hang"))
        more = [self.begun_get(node, "users", f"hang {i}") for i in range(10)]
        wait_until(lambda: node.metric("loads_waiting") == 11, "half of the places are taken")
        self.assert_busy(node.get("users", "hang once more"))
        self.assertEqual(node.get("users", "cached").status, 200)
        self.assertEqual(node.metric("busy_refused_total"), 2)
        self.source.behave()
        for caller in callers + more:
            with caller.getresponse() as response:
                self.assertEqual(response.status, 200)
        self.assertEqual(node.get("users", "hang once more").status, 200)


class HangingPeer(Overload):
    def test_calls_to_a_peer_are_bounded(self):
        nodes = self.cluster("ab", node=LONG, cluster={"peer_timeout": "10m", "probe_interval": "1h", "max_calls": 5},
                             start=False)
        a, b = nodes["a"], nodes["b"]
        for node in nodes.nodes():
            node.start()
        nodes.wait_ready()
        keys = {"a": [], "b": []}
        for i in range(1000):
            if min(map(len, keys.values())) >= 12:
                break
            key = f"key {i}"
            keys[owner_of(nodes.nodes(), "default", lambda: a.put("default", key, key))].append(key)
        wait_until(lambda: a.members()["b"]["state"] == "up", "b is there")
        b.pause()
        before, failed = a.metric("peer_requests_total"), a.metric("peer_failures_total")
        callers = {key: self.begun_get(a, "default", key) for key in keys["b"][:5]}
        wait_until(lambda: a.metric("peer_requests_total") == before + 5, "all calls are under way")
        for i in range(100):
            key = keys["b"][5 + i % 7]
            self.assert_busy(a.get("default", key) if i % 2 else a.put("default", key, "x"))
        self.assertEqual(a.metric("busy_refused_total"), 100)
        for key in keys["a"]:
            self.assertEqual(a.get("default", key).body, key.encode())
        self.assertEqual(a.metric("peer_requests_total"), before + 5)
        self.assertEqual(a.metric("peer_failures_total"), failed)
        b.resume()
        self.assert_answers(callers, str.encode)
        for key in keys["b"]:
            self.assertEqual(a.get("default", key).body, key.encode())

    def test_a_peer_without_room_for_connections_is_not_dead(self):
        """Its door turns a caller away: busy, and neither a failure nor a reason to answer in its place."""
        nodes = self.cluster("ab", http={"workers": 1}, start=False,
                             cluster={"probe_interval": "1h", "suspend_after": 2, "peer_transport": "http"})
        a, b = nodes["a"], nodes["b"]
        b.config["transports"][0].update(max_connections=4, idle_timeout="10m")
        for node in nodes.nodes():
            node.start()
        nodes.wait_ready()
        with b.client() as watcher:
            self.assertEqual(watcher.ask("GET", "/health").status, 200)
            key = next(f"key {i}" for i in range(1000) if self.is_of_b(a, watcher, f"key {i}"))
            a.kill()  # and with it its connections
            a.start()
            wait_until(lambda: self.connections(watcher) == 1, "the watcher is alone")
            crowd = [Client(b.port) for _ in range(3)]
            for client in crowd:
                self.assertEqual(client.ask("GET", "/health").status, 200)
            a.wait_ready()
            for _ in range(10):
                self.assertIn(a.get("default", key).status, (503,))
            self.assertEqual(a.members()["b"]["state"] == "suspended", False)
            for client in crowd:
                client.close()
            wait_until(lambda: a.get("default", key).body == key.encode(), "b has room again")

    @staticmethod
    def connections(client):
        return json.loads(client.ask("GET", "/stats").body)["node"]["connections"]

    @staticmethod
    def is_of_b(a, watcher, key):
        before = json.loads(watcher.ask("GET", "/stats").body)["groups"][0]["sets"]
        a.put("default", key, key)
        return json.loads(watcher.ask("GET", "/stats").body)["groups"][0]["sets"] > before


class Stale(Overload):
    """Values past their time, while the origin is away."""

    def setUp(self):
        super().setUp()
        self.source = self.origin()
        users = {"name": "users", "loader": loader(self.source, timeout="10m"), "load_timeout": "10m", "ttl": "100ms",
                 "refresh_ahead": 0}
        self.nodes = self.cluster(node=LONG, groups=[{**users, "stale_if_error": "1h"},
                                                     {**users, "name": "quick", "stale_while_revalidate": "1h"}])

    def assert_stale(self, answer, key):
        self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
        self.assertEqual((answer.headers["Larder-Stale"], answer.headers["Cache-Control"]), ("1", "max-age=0"))

    def stale(self, node, group, key):
        """The answer once the key's time is over."""
        return wait_until(lambda: next((answer for answer in [node.get(group, key)]
                                        if "Larder-Stale" in answer.headers), None), "the value is stale")

    def test_when_the_origin_is_down(self):
        for node in self.nodes.nodes():
            answer = node.get("users", "key " + node.name)
            self.assertEqual(answer.status, 200)
            self.assertNotIn("Larder-Stale", answer.headers)
        self.source.behave(key={"status": 500})
        for node in self.nodes.nodes():
            for other in self.nodes:
                self.assert_stale(self.stale(node, "users", "key " + other), "key " + other)
        self.assertGreater(self.nodes.total("stale_hits_total", group="users"), 8)
        batch = self.nodes["a"].ask("POST", "/v1/groups/users/batch", json.dumps({"get": ["key a"]})).json()
        self.assertEqual((batch["results"][0]["status"], batch["results"][0]["ttl_ms"]), ("OK", 0))
        self.assertEqual(self.nodes["b"].get("users", "key never loaded").status, 502)
        self.assertEqual(self.nodes["b"].delete("users", "key a").status, 404)
        for node in self.nodes.nodes():
            self.assertEqual(node.get("users", "key a").status, 502, "what was deleted is not answered")
        self.source.behave()
        for node in self.nodes.nodes():
            wait_until(lambda: "Larder-Stale" not in node.get("users", "key b").headers, "it is loaded anew")

    def test_while_the_origin_is_slow(self):
        self.assertEqual(self.nodes["a"].get("quick", "key").status, 200)
        self.source.behave(key={"hang": True})
        for node in self.nodes.nodes():
            self.assert_stale(self.stale(node, "quick", "key"), "key")
        for _ in range(30):  # at once, by everybody, for one load
            for node in self.nodes.nodes():
                self.assert_stale(node.get("quick", "key"), "key")
        wait_until(lambda: self.source.count("key") == 2, "one load has begun")
        self.assertEqual(self.nodes.total("refreshes_total", group="quick"), 1)
        before = self.nodes.total("loads_total", group="quick")
        self.source.behave()
        for node in self.nodes.nodes():
            wait_until(lambda: "Larder-Stale" not in node.get("quick", "key").headers, "it is loaded anew")
        self.assertGreaterEqual(self.nodes.total("loads_total", group="quick"), before)

    def test_the_origin_decides(self):
        self.source.behave(strict={"cache": "max-age=1, must-revalidate"}, easy={"cache": "max-age=1, stale-if-error=3600"})
        a = self.nodes["a"]
        for key in ("strict", "easy"):
            self.assertEqual(a.get("quick", key).status, 200)
        self.source.behave(strict={"status": 500}, easy={"status": 500})
        self.assert_stale(self.stale(a, "quick", "easy"), "easy")
        wait_until(lambda: a.get("quick", "strict").status == 502, "its time is over")


if __name__ == "__main__":
    main()
