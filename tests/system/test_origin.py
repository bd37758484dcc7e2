"""An origin that is slow, fails, hangs or is not there: everybody gets an answer, and nobody else is served worse."""

from kit import Case, Client, Origin, in_threads, loader, main, value_of, wait_until

# So long that only the group's load_timeout can end a load, and no answer comes from a retry.
LONG = {"node": {"request_timeout": "10m"}}


class Failing(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin()
        users = {"name": "users", "loader": loader(self.source, timeout="10m"), "load_timeout": "2s",
                 "negative_ttl": "1h"}
        self.nodes = self.cluster(groups=[users, {**users, "name": "patient", "load_timeout": "5m", "negative_ttl": "300ms"}],
                                  **LONG)
        self.clients = [self.enterContext(node.client()) for node in self.nodes.nodes()]

    def assert_value(self, key, group="users"):
        for client in self.clients:
            answer = client.get(group, key)
            self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())), key)

    def everywhere(self, key, each=3):
        """Status codes that callers on all nodes get for one key; meanwhile every node serves others."""
        nodes = self.nodes.nodes()

        def call(i):
            with Client(nodes[i % 3].port) as client:
                return client.get("users", key).status
        return in_threads(3 * each, call)

    def test_fault_22_an_origin_that_hangs_is_a_timeout_and_no_poisoned_key(self):
        self.assert_value("known")
        self.source.behave(hang={"hang": True})
        for turn in range(2):
            self.assertEqual(set(self.everywhere(f"hang-{turn}")), {504})
        self.source.behave()
        for turn in range(2):
            self.assert_value(f"hang-{turn}")

    def test_fault_22_an_origin_that_is_slow_is_a_timeout(self):
        self.source.behave(slow={"delay": 60000})
        self.assertEqual(set(self.everywhere("slow")), {504})
        self.source.behave()
        self.assert_value("slow")

    def test_fault_22_an_origin_that_fails_is_a_bad_gateway(self):
        for code in (500, 503, 403):
            self.source.behave(bad={"status": code})
            key = f"bad-{code}"
            self.assertEqual(set(self.everywhere(key)), {502})
            self.source.behave()
            self.assert_value(key)

    def test_others_are_served_while_the_origin_hangs(self):
        self.source.behave(hang={"hang": True})
        nodes = self.nodes.nodes()
        callers = [self.begun_get(nodes[i // 4], "patient", f"hang-{i % 6}") for i in range(12)]
        wait_until(lambda: sum(self.source.count(f"hang-{i}") for i in range(6)) == 6, "six loads hang")
        for i in range(100):
            self.assert_value(f"fine {i}")
            self.assertEqual(self.clients[i % 3].put("users", f"set {i}", "x").status, 201)
        self.source.behave()
        for i, caller in enumerate(callers):
            with caller.getresponse() as response:
                self.assertEqual((response.status, response.read()), (200, value_of(f"hang-{i % 6}".encode())))
        self.assertEqual([self.source.count(f"hang-{i}") for i in range(6)], [1] * 6)

    def test_fault_22_a_caller_that_gives_up_spoils_nothing_for_others(self):
        self.source.behave(hang={"hang": True})
        for node in self.nodes.nodes():
            key = f"hang-{node.name}"
            answer = node.get("patient", key, **{"Larder-Timeout": "200ms"})
            self.assertEqual(answer.status, 504)
            patient = self.begun_get(node, "patient", key)
            self.begun_get(node, "patient", key).close()
            self.assertEqual(node.get("patient", key, **{"Larder-Timeout": "200ms"}).status, 504)
            self.source.behave()
            with patient.getresponse() as response:
                self.assertEqual((response.status, response.read()), (200, value_of(key.encode())))
            self.assertEqual(self.source.count(key), 1)
            self.source.behave(hang={"hang": True})
        self.source.behave()

    def test_not_found_is_an_answer_that_is_remembered(self):
        for turn in range(3):
            self.assertEqual(set(self.everywhere("missing-key")), {404})
        self.assertEqual(self.source.count("missing-key"), 1, "remembered for an hour")
        self.assertEqual(self.clients[0].get("patient", "missing-soon").status, 404)

        def asked_again():
            self.assertEqual(self.clients[0].get("patient", "missing-soon").status, 404)
            return self.source.count("missing-soon") > 1
        wait_until(asked_again, "what was not found is asked for again after negative_ttl")
        self.assertEqual(self.nodes.peer_failures(), 0)
        self.assertEqual(self.nodes.total("load_errors_total", group="users"), 0)
        self.assertEqual(self.clients[1].put("users", "missing-key", "now").status, 201)
        for client in self.clients:
            self.assertEqual(client.get("users", "missing-key").body, b"now")

    def test_max_age_of_the_origin_is_the_time_to_live(self):
        self.source.behave(short={"max_age": 1}, long={"max_age": 1000})
        for client in self.clients:
            age = client.get("users", "long").headers["Cache-Control"]
            self.assertTrue(900 < int(age.removeprefix("max-age=")) <= 1000, age)
        self.assert_value("short")

        def loaded_again():
            self.assert_value("short")
            return self.source.count("short") > 1
        wait_until(loaded_again, "a value is loaded again after its time")
        self.assertEqual(self.source.count("long"), 1)


class Absent(Case):
    def test_an_origin_that_is_away_and_back(self):
        source = self.origin()
        nodes = self.cluster(groups=[{"name": "users", "loader": loader(source)}])
        self.assertEqual(nodes["a"].get("users", "before").status, 200)
        source.kill()
        for node in nodes.nodes():
            for i in range(3):
                self.assertEqual(node.get("users", f"away {i}").status, 502)
            self.assertEqual(node.get("users", "before").body, value_of(b"before"), "what is cached is served")
        self.assertEqual(nodes.peer_failures(), 0, "not the peers' fault")
        again = Origin(self.directory, port=source.port)
        self.processes.append(again)
        for node in nodes.nodes():
            for i in range(3):
                self.assertEqual(node.get("users", f"away {i}").body, value_of(f"away {i}".encode()))


if __name__ == "__main__":
    main()
