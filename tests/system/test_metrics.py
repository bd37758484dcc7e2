"""Every metric moves when its event happens, and pages are what their readers expect."""

import kit
from kit import Case, Client, in_threads, key_path, loader, main, wait_until

GROUP = "users"

# Families that no event of shipped nodes and modules moves, and why. They are there all the same, and are 0.
NEVER = {
    "larder_policy_faults_total": "no shipped policy answers nonsense; the unit tests have one that does",
    "larder_forwarded_refused_total": "a request of a peer is never routed; the unit tests call it on purpose",
}

# Families that chance moves, or not.
CHANCE = {
    "larder_dropped_hits_total": "only when more gets come at once than a policy can be told of; unit tests of the store",
    "larder_handoff_entries_left": "only while a hand-off is under way; test_copies",
    "larder_handoff_entries_spared_total": "only when a member that was away has its copies yet; test_copies",
    "larder_handoff_entries_received_total": "a node that was there all the time is given nothing; test_copies",
}


class Metrics(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin()
        users = {"name": GROUP, "max_bytes": "64KiB", "negative_ttl": "1h", "load_timeout": "10m",
                 "loader": loader(self.source, timeout="10m")}
        # So many failures before a peer is suspended that pings alone have not suspended it when it is asked.
        self.nodes = self.cluster(groups=[users], http={"max_connections": 40}, node={"request_timeout": "10m"},
                                  cluster={"probe_interval": "200ms", "retries": 1, "suspend_after": 30})
        self.a = self.nodes["a"]

    def seen(self):
        """Every family on a's page, with the sum of its samples."""
        page = self.a.metrics()
        sums = dict.fromkeys((name for name, kind in page.types.items() if kind != "histogram"), 0)
        for (name, _), value in page.samples.items():
            if name.endswith("_duration_seconds_count"):
                sums[name] = sums.get(name, 0) + value
            elif name in sums:
                sums[name] += value
        return sums

    def moved(self, what, *names):
        """Runs `what` until the families have grown on a's page, and notes them."""
        before = self.seen()
        what()
        for name in names:
            full = "larder_" + name
            self.assertIn(full, before)
            wait_until(lambda: self.seen()[full] > before[full], f"{full} grows")
            self.grown.add(full)

    def keys(self, owned, count, prefix):
        """Keys that a owns, or does not: found by where their entries are, then deleted."""
        found, i = [], 0
        with self.a.client() as client:
            while len(found) < count:
                key, i = f"{prefix} {i}", i + 1
                before = self.a.metric("sets_total", group=GROUP)
                client.put(GROUP, key, "x")
                if (self.a.metric("sets_total", group=GROUP) > before) == owned:
                    found.append(key)
                client.delete(GROUP, key)
        return found

    def test_fault_29_every_metric_moves(self):
        self.grown = set()
        a, here, there = self.a, self.keys(True, 12, "here"), self.keys(False, 12, "there")
        put = lambda key, query="": a.put(GROUP, key, "value", query)  # noqa: E731
        get = lambda key: a.get(GROUP, key)  # noqa: E731

        # More than what was deleted above, or kept for another node for a while, and has not gone yet.
        self.moved(lambda: [a.put(GROUP, key, "v" * 5000) for key in (here[0], *here[8:])], "sets_total", "entries", "bytes_used",
                   "value_bytes", "set_duration_seconds_count")
        self.moved(lambda: get(here[0]), "gets_total", "hits_total", "hit_ratio", "get_duration_seconds_count")
        self.moved(lambda: a.delete(GROUP, here[0]), "deletes_total")
        self.moved(lambda: get(here[1]), "misses_total", "loads_total", "load_duration_seconds_count")
        self.moved(lambda: [put(there[0]), get(there[0])], "peer_requests_total", "peer_hits_total",
                   "peer_duration_seconds_count")
        self.moved(lambda: [get(there[0]) for _ in range(50)], "near_hits_total", "near_bytes_used", "hot_keys")
        self.negative()
        self.waiting(here[2])
        self.aging(here[5:])
        self.source.behave(here={"status": 500})
        self.moved(lambda: get(here[3]), "load_errors_total")
        self.source.behave()
        self.moved(lambda: put(here[4], "?ttl=100ms"), "expirations_total")
        self.moved(lambda: [put(f"many {i} " + "x" * 300) for i in range(1500)], "evictions_total",
                   "evictions_unexpired_total")
        self.moved(lambda: a.ask("GET", "/health"), "connections_accepted_total", "requests_total")
        self.moved(lambda: a.ask("PUT", key_path(GROUP, "k") + "?tll=1", "x"), "requests_refused_total")
        self.connections()
        self.failing_peer(there[1:])
        self.members()
        self.constants()
        names = set(self.seen()) | {"larder_ring_info"}
        self.assertEqual(names - self.grown - set(NEVER) - set(CHANCE), set(), "families that no event above moved")
        self.assertEqual({name: self.seen()[name] for name in NEVER}, dict.fromkeys(NEVER, 0))

    def aging(self, keys):
        """Values past their time, one of which is answered, and bounds that are reached."""
        self.source.behave(here={"cache": "max-age=1, stale-while-revalidate=3600"})
        self.assertEqual(self.a.get(GROUP, keys[0]).status, 200)
        self.moved(lambda: wait_until(lambda: "Larder-Stale" in self.a.get(GROUP, keys[0]).headers, "it is stale"),
                   "stale_hits_total", "refreshes_total")
        self.source.behave()  # and the last refresh is over, which would be the one load that there may be
        wait_until(lambda: "Larder-Stale" not in self.a.get(GROUP, keys[0]).headers, "it is fresh")
        self.source.behave(here={"hang": True})
        self.assertEqual(self.a.ask("PUT", f"/v1/groups/{GROUP}", '{"max_loads": 1}').status, 204)
        caller = self.begun_get(self.a, GROUP, keys[1])
        wait_until(lambda: self.a.metric("loads_waiting") > 0, "a load is under way")
        self.moved(lambda: self.assertEqual(self.a.get(GROUP, keys[2]).status, 503), "busy_refused_total")
        self.source.behave()
        with caller.getresponse() as response:
            self.assertEqual(response.status, 200)
        self.assertEqual(self.a.ask("PUT", f"/v1/groups/{GROUP}", '{"max_loads": 100}').status, 204)

    def negative(self):
        """A key of a that the origin does not know, and one of another node."""
        for i in range(30):
            self.a.get(GROUP, f"missing {i}")
        page = self.a.metrics()
        self.assertGreater(page.value("peer_misses_total", group=GROUP), 0)
        self.moved(lambda: [self.a.get(GROUP, f"missing {i}") for i in range(30)], "negative_hits_total", "peer_misses_total")

    def waiting(self, key):
        """Two callers for one key while the origin hangs, until one waits for the load of the other."""
        self.source.behave(here={"hang": True})
        before = self.a.metric("loads_deduplicated_total")

        def look(i):
            if i < 2:
                return self.a.get(GROUP, key).status
            wait_until(lambda: self.a.metric("loads_deduplicated_total") > before, "both wait for one load")
            waiting = self.a.metric("loads_waiting")
            self.source.behave()
            return waiting > 0
        self.assertEqual(in_threads(3, look), [200, 200, True])
        self.grown |= {"larder_loads_deduplicated_total", "larder_loads_waiting"}

    def connections(self):
        clients = [Client(self.a.port) for _ in range(20)]

        def connect():
            for client in clients:
                client.ask("GET", "/health")
        self.moved(connect, "connections")

        def too_many():
            more = [Client(self.a.port) for _ in range(60)]
            statuses = {client.ask("GET", "/health").status for client in more}
            for client in more:
                client.close()
            self.assertEqual(statuses, {200, 503})
            # Each worker notices for itself that its clients have gone; until then a new connection may be one too many.
            wait_until(lambda: self.connections_now(clients[0]) < 40, "there is room again")
        self.moved(too_many, "connections_refused_total")
        for client in clients:
            client.close()

    @staticmethod
    def connections_now(client):
        """Read over a connection that is open already."""
        return kit.Metrics(client.ask("GET", "/metrics").body.decode()).value("connections")

    def failing_peer(self, keys):
        b = self.nodes["b"]

        def ask():
            b.kill()
            for key in keys:
                self.assertEqual(self.a.get(GROUP, key).status, 200)
        self.moved(ask, "peer_failures_total", "peer_retries_total", "peer_suspended", "peer_probes_total")
        b.start()
        b.wait_ready()
        wait_until(lambda: self.a.metric("peer_suspended") == 0, "b is re-admitted")

    def members(self):
        """The others get a longer list than a has, then a has it, too."""
        extra = self.node("d", cluster=self.a.config["cluster"], groups=self.a.config["groups"])
        for node in self.nodes.nodes():
            node.config["cluster"]["discovery"]["members"].append(extra.member())
        extra.config["cluster"] = self.a.config["cluster"]
        extra.start()
        extra.wait_ready()

        def others():
            for name in "bc":
                self.nodes[name].reload()
        self.moved(others, "ring_mismatches_total")
        before = self.a.metrics()
        self.moved(self.a.reload, "members", "ring_epoch", "handoff_entries_sent_total", "peer_exchanges_total")
        after = self.a.metrics()
        infos = [{labels for name, labels in page.samples if name == "larder_ring_info"} for page in (before, after)]
        self.assertNotEqual(*infos)
        self.grown.add("larder_ring_info")

    def constants(self):
        """What says how the node is set up; it moves with the budget."""
        users = self.a.config["groups"][0]
        users["max_bytes"], users["max_entries"], users["near_bytes"] = "1MiB", 100000, "2MiB"
        self.moved(self.a.reload, "bytes_limit", "entries_limit", "near_bytes_limit", "memory_budgeted_bytes")
        value = b"x" * 100000
        self.moved(lambda: [self.a.put(GROUP, f"large {i}", value) for i in range(30)], "memory_resident_bytes")
        start = self.a.metric("start_time_seconds")
        self.nodes["c"].restart()
        self.assertGreaterEqual(self.nodes["c"].metric("start_time_seconds"), start)
        self.grown.add("larder_start_time_seconds")

    def test_fault_30_histograms_resolve_microseconds(self):
        with self.a.client() as client:
            for i in range(300):
                client.put(GROUP, f"key {i % 50}", b"x" * (i % 200))
                client.get(GROUP, f"key {i % 50}")
                client.get(GROUP, f"missing {i % 20}")
        page = self.a.metrics()
        for operation in ("get", "set", "peer"):
            buckets = page.buckets(operation, GROUP)
            bounds = [bound for bound, _ in buckets]
            self.assertGreaterEqual(len([bound for bound in bounds if bound <= 1e-3]), 10)
            self.assertEqual((bounds[0], bounds[-2]), (1e-7, 100))
            self.assertGreater(sum(count for _, count in buckets), 50)
        used = [bound for bound, count in page.buckets("get", GROUP) if count and bound <= 1e-3]
        self.assertGreater(len(used), 3, "gets that hit, miss and go to a peer fall into different buckets")

    def test_requests_are_counted_by_status(self):
        def count(status):
            return self.a.metric("requests_total", transport="http", status=status)
        for status, ask in (("NOT_FOUND", lambda: self.a.get(GROUP, "missing")),
                            ("NO_GROUP", lambda: self.a.get("nothing", "k")),
                            ("PRECONDITION", lambda: self.a.ask("PUT", key_path(GROUP, "k"), "x", {"If-Match": "*"})),
                            ("INVALID", lambda: self.a.get("no%20name", "k")),
                            ("OK", lambda: self.a.put(GROUP, "k", "x"))):
            before = count(status)
            ask()
            self.assertGreater(count(status), before, status)

    def test_every_page_tells_the_same(self):
        with self.a.client() as client:
            for i in range(40):
                client.put(GROUP, f"key {i}", "x")
                client.get(GROUP, f"key {i}")
        page = self.a.metrics()
        stats = self.a.ask("GET", "/stats").json()
        group = next(group for group in stats["groups"] if group["name"] == GROUP)
        self.assertEqual(group, self.a.ask("GET", f"/v1/groups/{GROUP}/stats").json())
        for name, value in group.items():
            if name in ("name", "latency", "hit_ratio"):
                continue
            suffix = "" if "larder_" + name in page.types else "_total"
            self.assertEqual(page.value(name + suffix, group=GROUP), value, name)
        for name in ("get", "set", "load", "peer"):
            self.assertEqual(page.value(f"{name}_duration_seconds_count", group=GROUP), group["latency"][name]["count"])


if __name__ == "__main__":
    main()
