"""A gateway: it routes to the members, serves every route that they do, and holds nothing itself."""

import base64
import json

from kit import Case, in_threads, key_path, loader, main, value_of, wait_until

GROUP = "default"


class Gateway(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin()
        self.nodes = self.cluster(groups=[{"name": GROUP}, {"name": "users", "loader": loader(self.source)}])
        self.gate = self.gateway(self.nodes)
        wait_until(lambda: all(member["state"] == "up" for member in self.gate.members().values()), "it sees all members")

    def test_every_data_route(self):
        gate, a = self.gate, self.nodes["a"]
        with gate.client() as client:
            for i in range(50):
                self.assertEqual(client.put(GROUP, f"key {i}", str(i)).status, 201)
                self.assertEqual(client.put(GROUP, f"key {i}", str(i)).status, 204)
                self.assertEqual(client.get(GROUP, f"key {i}").body, str(i).encode())
                self.assertEqual(a.get(GROUP, f"key {i}").body, str(i).encode())
                self.assertEqual(client.get("users", f"user {i}").body, value_of(f"user {i}".encode()))
            head = client.ask("HEAD", key_path(GROUP, "key 1"))
            self.assertEqual((head.status, head.headers["Content-Length"]), (200, "1"))
            tag = client.get(GROUP, "key 1").headers["ETag"]
            self.assertEqual(client.put(GROUP, "key 1", "x", **{"If-None-Match": "*"}).status, 412)
            self.assertEqual(client.put(GROUP, "key 1", "y", **{"If-Match": tag}).status, 204)
            self.assertEqual(client.ask("PATCH", key_path(GROUP, "key 1") + "?ttl=1h").status, 204)
            self.assertIn("max-age", client.get(GROUP, "key 1").headers["Cache-Control"])
            self.assertEqual(client.delete(GROUP, "key 1").status, 204)
            self.assertEqual(client.get(GROUP, "key 1").status, 404)
            self.assertEqual(client.delete(GROUP, "key 1").status, 404)
            self.assertEqual(client.get("nothing", "key").status, 404)
            large = b"l" * (1 << 20)
            self.assertEqual(client.put(GROUP, "large", large).status, 201)
            self.assertEqual(client.get(GROUP, "large").body, large)
        self.assertEqual(set(self.source.counts().values()), {1})
        self.assertEqual(gate.metric("memory_budgeted_bytes"), 0, "it owns nothing")
        self.assertNotIn("gate", a.members())
        self.assertNotIn("gate", gate.members())

    def test_batches_and_the_earlier_routes(self):
        gate = self.gate
        sets = [{"key": f"batch {i}", "value": base64.b64encode(b"v%d" % i).decode()} for i in range(30)]
        self.assertEqual(gate.ask("POST", f"/v1/groups/{GROUP}/batch", json.dumps({"set": sets})).status, 200)
        answer = gate.ask("POST", f"/v1/groups/{GROUP}/batch", json.dumps({"get": [each["key"] for each in sets]}))
        self.assertEqual([result["value"] for result in answer.json()["results"]], [each["value"] for each in sets])
        self.assertEqual(gate.ask("POST", "/api/set?key=Tom", "630").body, b"OK")
        self.assertEqual(gate.ask("GET", "/api?key=Tom").body, b"630")
        self.assertEqual(self.nodes["c"].ask("GET", "/api?key=Tom").body, b"630")
        self.assertEqual(json.loads(gate.ask("GET", "/api/stats").body)["keys_count"], 31)
        self.assertEqual(gate.ask("DELETE", "/api/delete?key=Tom").body, b"OK")
        self.assertEqual(gate.ask("GET", "/api?key=Tom").status, 404)

    def test_groups_and_pages(self):
        gate = self.gate
        self.assertEqual(gate.ask("PUT", "/v1/groups/made", '{"max_bytes": "1MiB"}').status, 201)
        for node in self.nodes.nodes():
            self.assertEqual(node.ask("GET", "/v1/groups/made").json()["max_bytes"], 1 << 20)
        self.assertEqual(gate.ask("GET", "/v1/groups/made").json()["max_bytes"], 1 << 20)
        self.assertEqual(gate.ask("GET", "/v1/groups/none").status, 404)
        self.assertEqual({group["name"] for group in gate.ask("GET", "/v1/groups").json()["groups"]},
                         {GROUP, "users", "made"})
        self.assertEqual(gate.put("made", "k", "x").status, 201)
        self.assertEqual(gate.ask("GET", "/v1/groups/made/stats").json()["entries"], 1)
        self.assertEqual(gate.ask("DELETE", "/v1/groups/made/keys").status, 204)
        self.assertEqual(gate.get("made", "k").status, 404)
        self.assertEqual(gate.ask("DELETE", "/v1/groups/made").status, 204)
        for page in ("/health", "/ready", "/stats", "/status", "/v1/cluster", "/v1/groups"):
            self.assertEqual(gate.ask("GET", page).status, 200, page)
        gate.metrics()
        self.assertEqual(gate.ask("GET", "/v1/cluster").json()["role"], "gateway")

    def test_many_callers_cause_one_load(self):
        self.source.behave(hot={"delay": 150})
        for turn in range(5):
            before = self.gate.metric("peer_requests_total")
            answers = in_threads(12, lambda i: self.gate.get("users", f"hot {turn}").body)
            self.assertEqual(set(answers), {value_of(f"hot {turn}".encode())})
            self.assertEqual(self.source.count(f"hot {turn}"), 1)
            self.assertLessEqual(self.gate.metric("peer_requests_total") - before, 12)

    def test_a_node_behind_it_is_killed_and_comes_back(self):
        def ask_all(name):
            with self.gate.client() as client:
                for i in range(60):
                    answer = client.get("users", f"{name} {i}")
                    self.assertEqual((answer.status, answer.body), (200, value_of(f"{name} {i}".encode())))
                    self.assertIn(client.put(GROUP, f"{name} {i}", "x").status, (201, 204))
                    self.assertEqual(client.get(GROUP, f"{name} {i}").body, b"x")
                self.assertEqual(client.connects, 1)
        ask_all("before")
        before = self.gate.metric("peer_requests_total")
        self.nodes["b"].kill()
        wait_until(lambda: self.gate.members()["b"]["state"] == "suspended", "b is suspended")
        ask_all("meanwhile")
        self.assertLessEqual(self.gate.metric("peer_requests_total") - before, 3 * 180)
        self.nodes["b"].start()
        self.nodes["b"].wait_ready()
        wait_until(lambda: self.gate.members()["b"]["state"] == "up", "b is re-admitted")
        ask_all("after")
        self.assertGreater(self.nodes["b"].metric("entries", group="users"), 0)

    def test_errors_end_with_the_suspension(self):
        """A gateway cannot answer in the place of a dead member: until it is suspended, its clients are told to come back."""
        self.nodes["b"].kill()
        refused = []
        with self.gate.client() as client:
            for i in range(60):
                answer = client.get("users", f"key {i}")
                if answer.status == 503:
                    self.assertIsNotNone(answer.headers["Retry-After"])
                    refused.append(i)
                    answer = client.get("users", f"key {i}")
                self.assertIn(answer.status, (200, 503))
                if answer.status == 200:
                    self.assertEqual(answer.body, value_of(f"key {i}".encode()))
        self.assertLessEqual(len(refused), 3, "three failed calls suspend it")


if __name__ == "__main__":
    main()
