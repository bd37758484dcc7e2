"""Every option has an effect: nothing is parsed, printed and then not used (fault 26).

The last test compares the reference that larderd prints with the options that are tried here and elsewhere.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess

from grpc_options import GrpcOptions
from kit import LARDER, LARDERD, PATIENCE, Case, Client, key_path, loader, main, value_of, wait_until

GROUP = "default"

# Where the options are tried that no test of this file is about.
ELSEWHERE = {
    "node.name": "test_views: who is a member",
    "node.role": "test_gateway",
    "node.load_queue": "unit tests: only callbacks of embedding programs queue for a worker",
    "plugins.path": "unit tests of the plugin loader",
    "cluster.peer_transport": "system.data.grpc and others: nodes that call each other over gRPC",
    "cluster.hash": "test_views: nodes that differ refuse each other",
    "cluster.virtual_nodes": "test_views: nodes that differ refuse each other",
    "cluster.replicas": "test_copies",
    "discovery static.members[].zone": "test_copies",
    "cluster.tombstone_ttl": "test_copies",
    "cluster.handoff_bandwidth": "test_copies",
    "cluster.write_acks": "test_copies, sim_cluster: all needs a discovery with leases",
    "cluster.fence_peer": "sim_cluster: with write_acks: all only",
    "cluster.orphan_wait": "sim_cluster: with write_acks: all only",
    "node.zone": "unit.test_settings_rows: told by discoveries with leases; a static list has the zones of all",
    "node.leave_timeout": "where members come and go by themselves",
    "cluster.discovery": "test_views",
    "groups.name": "every test",
    "groups.loader": "test_origin",
    "groups.load_timeout": "test_origin: the only thing there that ends a load",
    "groups.negative_ttl": "test_origin",
    "node.max_waiting": "test_overload",
    "cluster.max_calls": "test_overload",
    "transport http.max_requests": "tests/http",
    "discovery etcd.endpoints": "tests/etcd: test_parameters, test_nodes",
    "discovery etcd.prefix": "tests/etcd: test_parameters",
    "discovery etcd.lease_ttl": "tests/etcd: test_faults",
    "discovery etcd.username": "tests/etcd: test_auth",
    "discovery etcd.password_file": "tests/etcd: test_auth",
    "discovery etcd.tls": "tests/etcd: test_tls",
    "discovery etcd.tls.ca": "tests/etcd: test_tls",
    "discovery etcd.tls.cert": "tests/etcd: test_tls",
    "discovery etcd.tls.key": "tests/etcd: test_tls",
    "discovery etcd.tls.server_name": "tests/etcd: test_tls",
    "discovery etcd.advertise": "tests/etcd: test_registration",
    "discovery etcd.dial_timeout": "tests/etcd: test_parameters",
    "discovery etcd.request_timeout": "tests/etcd: test_parameters",
    "discovery etcd.start_timeout": "tests/etcd: test_parameters",
    "discovery etcd.check_interval": "tests/etcd: test_parameters",
    "discovery etcd.retry_max": "tests/etcd: test_parameters",
    "groups.exact_hits": "unit tests: what the store is told; no client can see whether a hit was told in order",
    "transport http.listen": "every test",
    "transport http.max_pipeline": "tests/http",
    "transport http.max_request_line": "tests/http",
    "transport http.max_header_bytes": "tests/http",
    "transport http.max_headers": "tests/http",
    "transport http.max_body_bytes": "tests/http",
    "transport http.header_timeout": "tests/http",
    "transport http.body_timeout": "tests/http",
    "transport http.connect_timeout": "tests/unit: loopback has no address that does not answer",
    "transport grpc.connect_timeout": "tests/unit: loopback has no address that does not answer",
    "loader http.url": "test_origin",
    "loader http.connect_timeout": "tests/unit",
    "loader http.follow": "tests/unit",
    "loader http.headers": "tests/unit",
    "loader http.user_agent": "tests/unit",
    "loader http.verify": "tests/unit",
    "loader http.ca_file": "tests/unit",
    "discovery static.members": "test_views",
    "discovery static.members[].name": "test_views",
    "discovery static.members[].weight": "ClusterOptions.test_weight",
    "discovery static.members[].*": "every test with a cluster",
}


def threads_of(node):
    return len(os.listdir(f"/proc/{node.pid}/task"))


class NodeOptions(Case):
    """node.*"""

    def test_log_level(self):
        quiet, talkative = self.started("quiet", node={"log_level": "error"}), self.started("loud", node={"log_level": "info"})
        wait_until(lambda: "level=info" in talkative.log_text(), "a line is written")
        self.assertEqual(quiet.log_text(), "")

    def test_log_format(self):
        node = self.started(node={"log_format": "json"})
        wait_until(lambda: "\n" in node.log_text(), "a line is written")
        line = json.loads(node.log_text().splitlines()[0])
        self.assertEqual(line["node"], "solo")
        self.assertIn("listens on", line["msg"])

    def test_workers(self):
        few, many = self.started("few", node={"workers": 1}), self.started("many", node={"workers": 30})
        self.assertEqual(threads_of(many) - threads_of(few), 29)

    def test_hot_keys(self):
        few, many, none = (self.started(f"keep{keys}", node={"hot_keys": keys}) for keys in (16, 512, 0))
        kept = []
        for node in (few, many, none):
            with node.client() as client:
                for i in range(100):
                    for _ in range(4):
                        client.get(GROUP, str(i))
            kept.append((node.metric("hot_keys"), len(node.ask("GET", "/v1/top?count=1000").json()["keys"])))
        self.assertTrue(0 < kept[0][0] <= 16 and 0 < kept[0][1] <= 16, kept)
        self.assertEqual(kept[1:], [(100, 100), (0, 0)])

    def test_request_timeout(self):
        source = self.origin()
        source.behave(hang={"hang": True})
        groups = [{"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m"}]
        node = self.started(node={"request_timeout": "300ms", "drain_timeout": "100ms"}, groups=groups)
        self.assertEqual(node.get("users", "hang").status, 504)

    def test_drain_timeout(self):
        """What is under way when a node ends is waited for so long: until it is done, or not at all."""
        source = self.origin()
        groups = [{"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m"}]
        for drain, status in (("10m", 200), ("0", None)):
            source.behave(hang={"hang": True})
            node = self.started(f"drain{drain}", node={"request_timeout": "10m", "drain_timeout": drain}, groups=groups)
            caller = self.begun_get(node, "users", "hang " + drain)
            wait_until(lambda: source.count("hang " + drain) == 1, "the load has begun")
            node.signal(signal.SIGTERM)
            if status:
                wait_until(lambda: not node.ready(), "the node takes no new requests")
                self.assertTrue(node.running(), "it waits for the request under way")
                source.behave()
                with caller.getresponse() as response:
                    self.assertEqual(response.status, status)
            self.assertEqual(node.process.wait(PATIENCE), 0)


class GroupOptions(Case):
    """groups[].*"""

    def test_ttl(self):
        node = self.started(groups=[{"name": "short", "ttl": "200ms"}, {"name": "long", "ttl": "1h"}, {"name": "none"}])
        for group in ("short", "long", "none"):
            node.put(group, "k", "v")
        wait_until(lambda: node.get("short", "k").status == 404, "it expires")
        age = int(node.get("long", "k").headers["Cache-Control"].removeprefix("max-age="))
        self.assertTrue(3000 < age <= 3600, age)
        self.assertIsNone(node.get("none", "k").headers["Cache-Control"])
        wait_until(lambda: node.metric("expirations_total", group="short") == 1, "it is counted")

    def test_max_value(self):
        node = self.started(groups=[{"name": GROUP, "max_value": "1KiB"}])
        self.assertEqual(node.put(GROUP, "k", b"x" * 1024).status, 201)
        self.assertEqual(node.put(GROUP, "k", b"x" * 1025).status, 413)

    def test_max_bytes(self):
        node = self.started(groups=[{"name": "small", "max_bytes": "8KiB"}, {"name": "large", "max_bytes": "1MiB"}])
        for i in range(100):
            for group in ("small", "large"):
                node.put(group, str(i), b"x" * 200)
        self.assertLess(node.metric("entries", group="small"), 50)
        self.assertEqual(node.metric("entries", group="large"), 100)
        self.assertEqual(node.metric("bytes_limit", group="small"), 8192)

    def test_eviction(self):
        kept = {"lru": 200, "clock": 200, "fifo": 404}
        node = self.started(groups=[{"name": name, "max_bytes": "8KiB", "eviction": name} for name in kept])
        for group in kept:
            with node.client() as client:
                client.put(group, "read", "x")
                for i in range(200):
                    client.put(group, str(i), b"x" * 100)
                    client.get(group, "read")
        self.assertEqual({group: node.get(group, "read").status for group in kept}, kept)


    @staticmethod
    def ask_often(client, group):
        for _ in range(50):
            last = client.get(group, "k").headers["Larder-Source"]
        return last

    def test_near_bytes(self):
        nodes = self.cluster("ab", groups=[{"name": "none", "near_bytes": 0}, {"name": "some", "near_bytes": "128KiB"}])
        for group, limit, source in (("none", 0, "peer"), ("some", 128 << 10, "near")):
            nodes["a"].put(group, "k", "v")
            with nodes["a"].client() as a, nodes["b"].client() as b:
                self.assertEqual({self.ask_often(a, group), self.ask_often(b, group)}, {"local", source})
            self.assertEqual(nodes["a"].metric("near_bytes_limit", group=group), limit)

    def test_near_ttl(self):
        nodes = self.cluster("ab", groups=[{"name": "long", "near_ttl": "1h"}, {"name": "short", "near_ttl": "300ms"}])
        for group in ("long", "short"):
            nodes["a"].put(group, "k", "v")
            for node in nodes.nodes():
                with node.client() as client:
                    self.ask_often(client, group)
        hits = nodes.total("near_hits_total", group="short")
        self.assertGreater(hits, 0)
        wait_until(lambda: all(node.get("short", "k").headers["Larder-Source"] != "near" for node in nodes.nodes()),
                   "its near copy ends")
        self.assertIn("near", {node.get("long", "k").headers["Larder-Source"] for node in nodes.nodes()})

    def test_max_entries(self):
        node = self.started(groups=[{"name": "few", "max_entries": 10}, {"name": "many"}])
        for i in range(50):
            for group in ("few", "many"):
                node.put(group, str(i), b"x" * (i + 1))
        self.assertEqual(node.metric("entries", group="few"), 10)
        self.assertEqual(node.metric("entries_limit", group="few"), 10)
        self.assertEqual(node.metric("entries", group="many"), 50)


    def hanging(self, **settings):
        """A node whose group has these settings; afterwards its origin hangs, but for the key `warm`, which is there."""
        source = self.origin()
        node = self.started(node={"request_timeout": "10m", "drain_timeout": "100ms"}, groups=[
            {"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m", **settings}])
        self.assertEqual(node.get("users", "warm").status, 200)
        source.behave(**{"": {"hang": True}})
        return node, source

    def test_max_loads(self):
        node, source = self.hanging(max_loads=2)
        callers = [self.begun_get(node, "users", f"key {i}") for i in range(2)]
        wait_until(lambda: node.metric("loads_waiting") == 2, "two loads are under way")
        answer = node.get("users", "key 2")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "1"))
        self.assertEqual(node.get("users", "warm").status, 200)
        self.assertEqual(node.ask("PUT", "/v1/groups/users", '{"max_loads": 3}').status, 204)
        callers.append(self.begun_get(node, "users", "key 2"))
        wait_until(lambda: node.metric("loads_waiting") == 3, "now there is room for it")
        node.config["groups"][0]["max_loads"] = 1
        node.reload()
        wait_until(lambda: node.ask("GET", "/v1/groups/users").json()["max_loads"] == 1, "a reload changes it, too")
        self.assertEqual(node.get("users", "key 3").status, 503)
        source.behave()
        for caller in callers:
            with caller.getresponse() as response:
                self.assertEqual(response.status, 200)

    def test_stale_while_revalidate(self):
        node, source = self.hanging(ttl="200ms", refresh_ahead=0, stale_while_revalidate="1h")
        wait_until(lambda: "Larder-Stale" in node.get("users", "warm").headers, "it is past its time, and answered")
        wait_until(lambda: source.count("warm") == 2, "and loaded anew")
        source.behave()
        wait_until(lambda: "Larder-Stale" not in node.get("users", "warm").headers, "which brings it")
        node.config["groups"][0]["stale_while_revalidate"] = "0"
        node.reload()
        wait_until(lambda: node.ask("GET", "/v1/groups/users").json()["stale_while_revalidate"] == "0ms", "without it")
        self.assertEqual(node.get("users", "later").status, 200)
        stale = node.metric("stale_hits_total")
        for _ in range(20):
            self.assertNotIn("Larder-Stale", node.get("users", "later").headers)
        wait_until(lambda: node.get("users", "later") and source.count("later") > 1, "it is loaded when it has expired")
        self.assertEqual(node.metric("stale_hits_total"), stale)

    def test_stale_if_error(self):
        node, source = self.hanging(ttl="200ms", refresh_ahead=0, stale_if_error="1h", load_timeout="10m")
        source.behave(**{"": {"status": 500}})
        self.assertEqual(node.get("users", "cold").status, 502)
        wait_until(lambda: "Larder-Stale" in node.get("users", "warm").headers, "it is past its time, and answered")
        self.assertEqual(node.ask("PUT", "/v1/groups/users", '{"stale_if_error": "1ms"}').status, 204)
        source.behave()
        self.assertEqual(node.get("users", "cold").status, 200)
        source.behave(**{"": {"status": 500}})
        wait_until(lambda: node.get("users", "cold").status == 502, "one that is loaded now has another window")

    def test_refresh_ahead(self):
        """The slower the origin, and the larger the factor, the sooner values are loaded anew."""
        for factor in (100, 0):
            source = self.origin(delay=300)
            node = self.started(groups=[
                {"name": "users", "loader": loader(source), "ttl": "20s", "refresh_ahead": factor}])
            self.assertEqual(node.get("users", "warm").status, 200)
            if factor > 0:  # 30 s of 20: at once
                wait_until(lambda: node.get("users", "warm") and node.metric("refreshes_total") > 0, "it is loaded anew")
            else:
                for _ in range(100):
                    self.assertEqual(node.get("users", "warm").status, 200)
                self.assertEqual(node.metric("refreshes_total"), 0)


class EvictionOptions(Case):
    """groups[].eviction.*: a group with a parameter misses what the simulator misses with it, and not what it does without."""

    VALUES = {
        "2q": {"in_share": 0.8, "ghost_share": 0.05},
        "s3fifo": {"small_share": 0.7, "ghost_share": 0.02, "promotion": 3},
        "wtinylfu": {"window_share": 0.9, "protected_share": 1},
    }
    SKETCHES = {"wtinylfu"}  # depend on the digests of keys, which in a node are of a random seed
    ENTRIES = 100

    def keys(self):
        """Keys of which few are asked for often, whose part moves on, and a loop."""
        chance = random.Random(20)
        often = [chance.randrange(chance.randrange(1, 400)) + i // 50 for i in range(2500)]
        return [str(i % 250 if i % 5 == 0 else key) for i, key in enumerate(often)]

    def simulated(self, keys, policies):
        path = os.path.join(self.directory, "trace.txt")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(key + "\n" for key in keys)
        run = subprocess.run([LARDER, "sim", "--trace", path, "--policy", ",".join(policies), "--size",
                              str(self.ENTRIES), "--json"], capture_output=True, check=True, text=True)
        return [row["misses"] for row in json.loads(run.stdout)]

    def misses(self, node, group, keys):
        missed = 0
        with node.client() as client:
            for key in keys:
                if client.get(group, key).status == 404:
                    missed += 1
                    client.put(group, key, "x")
        return missed

    def try_option(self, option):
        keys = self.keys()
        for plugin, values in self.VALUES.items():
            if option not in values:
                continue
            with_it, without = self.simulated(keys, [f"{plugin}:{option}={values[option]}", plugin])
            node = self.started(plugin, groups=[{"name": GROUP, "max_entries": self.ENTRIES, "exact_hits": True,
                                                 "eviction": {"plugin": plugin, option: values[option]}}])
            missed = self.misses(node, GROUP, keys)
            self.assertNotEqual(with_it, without, plugin)
            if plugin in self.SKETCHES:
                self.assertLess(abs(missed - with_it), abs(missed - without), (plugin, missed, with_it, without))
            else:
                self.assertEqual(missed, with_it, plugin)

    def test_in_share(self):
        self.try_option("in_share")

    def test_ghost_share(self):
        self.try_option("ghost_share")

    def test_small_share(self):
        self.try_option("small_share")

    def test_promotion(self):
        self.try_option("promotion")

    def test_window_share(self):
        self.try_option("window_share")

    def test_protected_share(self):
        self.try_option("protected_share")


class TransportOptions(Case):
    """transports[] http"""

    def test_workers(self):
        few, many = self.started("few", http={"workers": 1}), self.started("many", http={"workers": 12})
        self.assertEqual(threads_of(many) - threads_of(few), 11)

    def test_max_connections(self):
        node = self.started(http={"max_connections": 3, "workers": 1})
        with Client(node.port) as one, Client(node.port) as two, Client(node.port) as three, Client(node.port) as four:
            for client in (one, two, three):
                self.assertEqual(client.ask("GET", "/health").status, 200)
            self.assertEqual(four.ask("GET", "/health").status, 503)
            self.assertEqual(one.ask("GET", "/health").status, 200)

    def test_idle_timeout(self):
        node = self.started(http={"idle_timeout": "100ms"})
        with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
            received = b"".join(iter(lambda: connection.recv(65536), b""))  # ends when the server closes
        self.assertTrue(received.startswith(b"HTTP/1.1 200 "), received)

    def test_peer_connections(self):
        """Loads that hang at the owner hold the connections they came on: so many and no more."""
        source = self.origin()
        source.behave(hang={"hang": True})
        groups = [{"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m"}]
        for most in (2, 64):
            nodes = self.cluster("ab", groups=groups, cluster={"peer_transport": "http"},
                                 http={"peer_connections": most, "idle_timeout": "10m", "workers": 2},
                                 node={"drain_timeout": "100ms", "request_timeout": "10m"})
            callers = [self.begun_get(nodes["a"], "users", f"hang {most} {i}") for i in range(24)]
            wait_until(lambda: nodes["a"].metric("loads_waiting") == 24, "all callers wait")
            wait_until(lambda: nodes["b"].metric("loads_waiting") == nodes["a"].metric("peer_requests_total"),
                       "the calls have arrived")
            self.assertGreater(nodes["a"].metric("peer_requests_total"), 4)
            # The reading's own connection is one of those counted; one of an earlier reading may still be closing.
            if most == 2:
                wait_until(lambda: nodes["b"].metric("connections") <= 2 + 1, "two connections carry all calls")
            else:
                self.assertGreater(nodes["b"].metric("connections"), 2 + 2)
            for caller in callers:
                caller.close()
            for node in nodes.nodes():
                self.assertEqual(node.stop(), 0)


class ClusterOptions(Case):
    """cluster.*"""

    GROUPS = ({"name": GROUP},)

    def key_of(self, owner, nodes):
        """A key that one node owns, stored there."""
        with nodes["a"].client() as client:
            for i in range(1000):
                before = nodes[owner].metric("entries", group=GROUP)
                client.put(GROUP, f"key {i}", "x")
                if nodes[owner].metric("entries", group=GROUP) > before:
                    return f"key {i}"
        raise AssertionError(f"{owner} owns nothing")

    def failing(self, calls, **options):
        """A cluster of two whose b has died; after so many puts through a for a key of b."""
        settings = {"probe_interval": "1h", "suspend_after": 100, "suspend": "1h", "backoff": "1ms", **options}
        nodes = self.cluster("ab", cluster={**settings, "probe_interval": "100ms"}, start=False)
        for node in nodes.nodes():
            node.start()
        nodes.wait_ready()
        nodes.wait_up()
        key = self.key_of("b", nodes)
        nodes["b"].kill()
        nodes["b"].process = None  # it stays away
        nodes["a"].kill()
        nodes["a"].config["cluster"].update(settings)
        nodes["a"].start()
        nodes["a"].wait_ready()
        for _ in range(calls):
            self.assertEqual(nodes["a"].put(GROUP, key, "x").status in (201, 204), True)
        return nodes["a"], key

    def test_retries(self):
        for retries in (0, 4):
            node, _ = self.failing(1, retries=retries)
            self.assertEqual(node.metric("peer_retries_total"), retries)
            self.assertEqual(node.metric("peer_requests_total"), 1 + retries)

    def test_backoff(self):
        """A pause of a minute does not fit into any request: the one attempt is all there is."""
        node, _ = self.failing(1, retries=4, backoff="1m")
        self.assertEqual(node.metric("peer_requests_total"), 1)

    def test_suspend_after(self):
        for after in (1, 6):
            node, key = self.failing(0, retries=0, suspend_after=after)
            wait_until(lambda: node.put(GROUP, key, "x") and node.members()["b"]["state"] == "suspended", "b is suspended")
            calls = node.metric("peer_requests_total")
            pings = node.metric("peer_probes_total")  # each failed, too
            self.assertTrue(after - pings <= calls <= after, (after, calls, pings))

    def test_suspend_and_probe_interval(self):
        """After `suspend`, or after `probe_interval` when that is sooner, a ping looks whether the peer is back."""
        patient, _ = self.failing(3, suspend="1h", probe_interval="1h", suspend_after=1)
        hurried, _ = self.failing(3, suspend="100ms", probe_interval="1h", suspend_after=1)
        pinging, _ = self.failing(3, suspend="1h", probe_interval="50ms", suspend_after=1)
        for node in (hurried, pinging):
            before = node.metric("peer_probes_total")
            wait_until(lambda: node.metric("peer_probes_total") >= before + 5, f"node {node.name} pings")
        self.assertLessEqual(patient.metric("peer_probes_total"), 1)

    def test_fallback_ttl(self):
        node, key = self.failing(1, retries=0, suspend_after=1, fallback_ttl="400ms")
        self.assertEqual(node.members()["b"]["state"], "suspended")
        node.put(GROUP, key, "stand-in")
        wait_until(lambda: node.get(GROUP, key).status == 404, "what was stored in another's place is forgotten")
        node, key = self.failing(2, retries=0, suspend_after=1, fallback_ttl="1h")
        age = int(node.get(GROUP, key).headers["Cache-Control"].removeprefix("max-age="))
        self.assertTrue(3000 < age <= 3600, age)

    def test_peer_timeout(self):
        """A peer that hangs holds a write up for so long: less than the deadline, or until it."""
        for timeout, deadline, status in (("200ms", "1m", {201, 204}), ("1h", "1s", {504})):
            nodes = self.cluster("ab", cluster={"peer_timeout": timeout, "retries": 0, "probe_interval": "100ms"},
                                 node={"drain_timeout": "100ms"})
            key = self.key_of("b", nodes)
            nodes["b"].pause()
            answer = nodes["a"].ask("PUT", key_path(GROUP, key), "x", {"Larder-Timeout": deadline})
            self.assertIn(answer.status, status)
            nodes["b"].resume()
            for node in nodes.nodes():
                self.assertEqual(node.stop(), 0)

    def test_seed(self):
        """Nodes that place keys with another seed refuse each other."""
        nodes = self.cluster("ab", start=False)
        nodes["b"].config["cluster"]["seed"] = 7
        for node in nodes.nodes():
            node.start()
        nodes.wait_ready()
        wait_until(lambda: nodes["a"].members()["b"]["state"] == "refused", "a refuses b")
        self.assertRegex(nodes["a"].log_text(), r"seed=7.*seed=0")

    def test_weight(self):
        nodes = self.cluster("ab", start=False)
        for node in nodes.nodes():
            node.config["cluster"]["discovery"]["members"][1]["weight"] = 3
            node.start()
        nodes.wait_ready()
        self.assertAlmostEqual(nodes["a"].members()["b"]["share"], 0.75, delta=0.08)


class LoaderOptions(Case):
    """loader http"""

    def test_timeout(self):
        source = self.origin()
        source.behave(hang={"hang": True})
        node = self.started(node={"request_timeout": "10m"}, groups=[
            {"name": "users", "loader": loader(source, timeout="3s"), "load_timeout": "10m"}])
        self.assertIn(node.get("users", "hang").status, (502, 504))
        source.behave()
        self.assertEqual(node.get("users", "hang").body, value_of(b"hang"))

    def test_max_connections(self):
        source = self.origin()
        node = self.started(node={"request_timeout": "10m", "drain_timeout": "100ms"}, groups=[
            {"name": group, "load_timeout": "10m", "loader": loader(source, timeout="10m", max_connections=most)}
            for group, most in (("few", 2), ("many", 32))])

        def made_for(group, at_once):
            """Connections that 16 loads make while the origin hangs, which it does until so many have arrived."""
            source.behave(**{group: {"hang": True}})
            with Client(source.port) as client:
                before = int(client.ask("GET", "/connections").body)
                callers = [self.begun_get(node, group, f"{group} {i}") for i in range(16)]
                wait_until(lambda: node.metric("loads_waiting") == 16, "all loads have begun")
                wait_until(lambda: len([key for key in client.ask("GET", "/count").json() if key.startswith(group)]) >= at_once,
                           f"{at_once} of them are at the origin")
                client.ask("PUT", "/behaviour", "{}")
                for caller in callers:
                    with caller.getresponse() as response:
                        self.assertEqual(response.status, 200)
                return int(client.ask("GET", "/connections").body) - before
        self.assertLessEqual(made_for("few", 2), 2)
        self.assertGreater(made_for("many", 3), 2)


class Reference(Case):
    # Options that tests of this file are about, by the class they stand in.
    HERE = {
        "node": NodeOptions, "groups": GroupOptions, "transport http": TransportOptions, "transport grpc": GrpcOptions,
        "cluster": ClusterOptions,
        "loader http": LoaderOptions, "eviction 2q": EvictionOptions, "eviction s3fifo": EvictionOptions,
        "eviction wtinylfu": EvictionOptions,
    }

    def test_fault_26_every_option_is_tried_somewhere(self):
        text = subprocess.run([LARDERD, "--reference"], capture_output=True, check=True, text=True,
                              env={**os.environ, "LARDER_PLUGIN_PATH": ""}).stdout
        section, missing, count = None, [], 0
        for line in text.splitlines():
            heading = re.match(r"## (?:`(\w+)`|(\w+) plugin `(\w+)`)", line)
            if heading:
                section = heading[1] or f"{heading[2]} {heading[3]}"
            option = re.match(r"\| `([^`]+)` \|", line)
            if option:
                count += 1
                tests = " ".join(dir(self.HERE.get(section, object)))
                if option[1] not in tests and f"{section}.{option[1]}" not in ELSEWHERE:
                    missing.append(f"{section}.{option[1]}")
        self.assertGreater(count, 40, text[:500])
        self.assertEqual(missing, [])


if __name__ == "__main__":
    main()
