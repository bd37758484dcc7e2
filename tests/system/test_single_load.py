"""One load for a key that nobody has, however many ask for it and wherever they ask."""

from kit import Case, Client, in_threads, loader, main, value_of, wait_until

CALLERS = 8  # at each node
ROUNDS = 6


class SingleLoad(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin(delay=150)
        self.nodes = self.cluster(groups=[{"name": "users", "loader": loader(self.source)}])

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
            waiting = [node.metric("gets_total", group="users") for node in self.nodes.nodes()]
            results = in_threads(2, lambda i: self.callers([key]) if i else self.let_go_when_all_wait(waiting))
            for _, answer in results[1]:
                self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
            sent = sorted(node.metric("peer_requests_total") - before[node.name] for node in self.nodes.nodes())
            self.assertEqual(sent, [0, 1, 1], "the owner asks nobody, the others ask it once for all their callers")
            self.assertEqual(self.source.count(key), 1)

    def let_go_when_all_wait(self, before):
        """Lets the origin answer once every caller is known to wait at its node."""
        nodes = self.nodes.nodes()
        wait_until(lambda: all(node.metric("gets_total", group="users") >= known + CALLERS
                               for node, known in zip(nodes, before)), "all callers wait")
        self.source.behave()


if __name__ == "__main__":
    main()
