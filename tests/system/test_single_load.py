"""One load for a key that nobody has, however many ask for it and wherever they ask."""

import time

from kit import Case, Client, in_threads, loader, main, value_of, wait_until

CALLERS = 8  # at each node
ROUNDS = 6


class SingleLoad(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin(delay=150)
        # However long it takes until all have asked, no time of a load or a request passes.
        self.nodes = self.cluster(node={"request_timeout": "10m"}, groups=[
            {"name": "users", "loader": loader(self.source, timeout="10m"), "load_timeout": "10m"}])

    def callers(self, keys):
        """All callers ask for all keys, each on a connection of its own, every second one in the other order."""
        nodes = self.nodes.nodes()

        def call(i):
            with Client(nodes[i % len(nodes)].port) as client:
                return [(key, client.get("users", key)) for key in (keys if i % 2 else keys[::-1])]
        return [answer for answers in in_threads(CALLERS * len(nodes), call) for answer in answers]

    def test_many_callers_on_all_nodes_cause_one_request_of_the_origin(self):
        for turn in range(ROUNDS):
            key = f"hot-{turn}"
            for _, answer in self.callers([key]):
                self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
            self.assertEqual(self.source.count(key), 1)

    def test_many_keys_at_once(self):
        keys = [f"many-{i}" for i in range(5)]
        for key, answer in self.callers(keys):
            self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
        self.assertEqual(self.source.counts(), {key: 1 for key in keys})

    def test_fault_23_nobody_loads_again_what_a_load_has_just_brought(self):
        """Callers that come at any moment around the end of a load: one request all the same."""
        self.source.behave(**{"": {"delay": 3}})
        keys = [f"late-{i}" for i in range(60)]
        self.callers(keys)
        self.assertEqual(self.source.counts(), {key: 1 for key in keys})

    def test_fault_24_many_callers_are_one_request_to_the_owner(self):
        for turn in range(ROUNDS):
            key = f"remote-{turn}"
            before = {node.name: node.metric("peer_requests_total") for node in self.nodes.nodes()}
            self.source.behave(**{"remote": {"hang": True}})
            joined = self.nodes.total("loads_deduplicated_total", group="users")
            results = in_threads(2, lambda i: self.callers([key]) if i else self.let_go_when_all_wait(joined))
            for _, answer in results[1]:
                self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
            sent = sorted(node.metric("peer_requests_total") - before[node.name] for node in self.nodes.nodes())
            self.assertEqual(sent, [0, 1, 1], "the owner asks nobody, the others ask it once for all their callers")
            self.assertEqual(self.source.count(key), 1)

    def let_go_when_all_wait(self, joined):
        """Lets the origin answer once every caller waits for what another, the first at each node, has begun."""
        others = len(self.nodes) - 1  # whose one request waits at the owner, too
        wanted = joined + len(self.nodes) * (CALLERS - 1) + others
        wait_until(lambda: self.nodes.total("loads_deduplicated_total", group="users") == wanted, "all callers wait")
        self.source.behave()

    def test_a_load_that_takes_longer_than_what_it_brings_lives(self):
        """It is for all who asked before, wherever they did; those who asked when it may have passed ask the owner again."""
        for replicas in (1, 2):
            with self.subTest(replicas=replicas):
                source = self.origin(delay=2000)
                nodes = self.cluster(cluster={"replicas": replicas}, groups=[
                    {"name": "brief", "ttl": "1s", "refresh_ahead": 0, "loader": loader(source, timeout="1m"),
                     "load_timeout": "1m"}])
                doors = [*nodes.nodes(), self.gateway(nodes, f"gate-{replicas}")]

                def call(i, doors=doors):
                    time.sleep(1.8 * (i % 2))  # later than what the first asked for lives, and before it has come
                    return doors[i // 2].get("brief", "key")
                for answer in in_threads(2 * len(doors), call):
                    self.assertEqual((answer.status, answer.body), (200, value_of(b"key")))
                self.assertEqual(source.counts(), {"key": 1})
                if replicas == 1:  # each of the others asked the owner twice, and each get counts once
                    self.assertEqual(sorted(door.metric("peer_requests_total") for door in doors), [0, 2, 2, 2])
                    for node in nodes.nodes():
                        if node.metric("peer_requests_total") != 0:
                            counts = [node.metric(f"{name}_total", group="brief") for name in ("gets", "misses", "hits")]
                            self.assertEqual(counts, [2, 2, 0])

    def test_nobody_keeps_what_is_not_to_be_stored(self):
        """And yet each get is one load, at a member that does not hold the key and at a gateway, too."""
        self.source.behave(key={"delay": 300, "cache": "no-store"})
        for i, node in enumerate([*self.nodes.nodes(), self.gateway(self.nodes)], 1):
            answer = node.get("users", "key")
            self.assertEqual((answer.status, answer.body), (200, value_of(b"key")))
            self.assertEqual(self.source.count("key"), i)


if __name__ == "__main__":
    main()
