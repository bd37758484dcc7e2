"""Nodes that see the cluster differently, or not at all: every request is answered, after one hop at most."""

import http.client

from kit import (PATIENCE, Case, Client, in_threads, key_path, loader, main, owner_of, static_members, value_of,
                 wait_until)

GROUP = "default"
RETRIES = 2


def members_of(nodes, names, host="127.0.0.1"):
    return [nodes[name].member(host) for name in names]


class Agreement(Case):
    def test_fault_5_all_nodes_agree_on_the_owner_of_every_key(self):
        nodes = self.cluster()
        documents = [node.ask("GET", "/v1/cluster").json() for node in nodes.nodes()]
        self.assertEqual(len({document["checksum"] for document in documents}), 1)
        clients = [self.enterContext(node.client()) for node in nodes.nodes()]
        mismatches = nodes.total("ring_mismatches_total")  # while they found each other
        for i in range(300):
            self.assertEqual(clients[i % 3].put(GROUP, f"key {i}", str(i)).status, 201)
        for i in range(300):
            for client in clients:
                self.assertEqual(client.get(GROUP, f"key {i}").body, str(i).encode())
        self.assertEqual(nodes.total("entries", group=GROUP), 300)
        self.assertEqual(nodes.total("ring_mismatches_total"), mismatches)

    def test_fault_3_a_delete_is_one_request(self):
        nodes = self.cluster()
        for i in range(30):
            path = key_path(GROUP, f"gone {i}")
            owner = owner_of(nodes.nodes(), GROUP, lambda: nodes["a"].ask("PUT", path, "x"))
            for node in nodes.nodes():
                node.ask("PUT", path, "x")
                before = nodes.total("peer_requests_total")
                self.assertEqual(node.ask("DELETE", path).status, 204)
                self.assertEqual(nodes.total("peer_requests_total") - before, 0 if node.name == owner else 1)
                self.assertEqual(nodes["b"].ask("GET", path).status, 404)

    @static_members("tests/etcd has it with addresses that are announced")
    def test_fault_4_a_node_knows_itself_by_its_name(self):
        for host in ("127.0.0.1", "localhost"):
            nodes = self.cluster("ab", start=False)
            for node in nodes.nodes():
                for transport in node.config["transports"]:
                    transport["listen"] = transport["listen"].removeprefix("127.0.0.1")
                node.config["cluster"]["discovery"]["members"] = members_of(nodes, "ab", host)
                node.start()
            nodes.wait_ready()
            nodes.wait_up()
            for node in nodes.nodes():
                self.assertEqual(node.members()[node.name]["state"], "self")
            with nodes["a"].client() as client:
                for i in range(100):
                    self.assertEqual(client.put(GROUP, str(i), "x").status, 201)
                    self.assertEqual(client.get(GROUP, str(i)).body, b"x")
            away = nodes["b"].metric("entries", group=GROUP)
            self.assertGreater(away, 0)
            self.assertGreater(nodes["a"].metric("entries", group=GROUP), 0)
            retries, failures = (nodes["a"].metric(f"peer_{what}_total") for what in ("retries", "failures"))
            self.assertEqual(nodes["a"].metric("peer_requests_total") - retries, 2 * away,
                             f"its own keys go to nobody ({retries} retries, {failures} failures)")
            self.assertEqual(nodes["b"].metric("peer_requests_total"), 0)
            for node in nodes.nodes():
                self.assertEqual(node.stop(), 0)


class Differing(Case):
    def differ(self, nodes, views):
        for name, view in views.items():
            nodes[name].config["cluster"]["discovery"]["members"] = members_of(nodes, view)
            nodes[name].reload()
        for name, view in views.items():
            wait_until(lambda: nodes[name].metric("members") == len(view) and set(nodes[name].members()) == set(view),
                       f"node {name} has taken its list")
        for name in views:  # else what is written meanwhile goes from hand to hand, as each has another owner for it
            wait_until(lambda: nodes[name].ask("GET", "/v1/cluster").json()["handoff"]["finished"],
                       f"node {name} has handed over what it had")

    @static_members("tests/etcd has it with a list that lags")
    def test_fault_1_views_that_differ_cost_one_hop(self):
        nodes = self.cluster()
        clients = {name: self.enterContext(node.client()) for name, node in nodes.items()}
        self.differ(nodes, {"a": "ab", "b": "bc", "c": "ca"})
        before, requests = nodes.total("peer_requests_total"), 0
        for i in range(300):
            for name, client in clients.items():
                key, value = f"{name} {i}", f"value {i}".encode()
                self.assertEqual(client.put(GROUP, key, value).status, 201)
                self.assertEqual(client.get(GROUP, key).body, value)
                requests += 2
                if i % 3 == 0:
                    self.assertEqual(client.delete(GROUP, key).status, 204)
                    self.assertEqual(client.get(GROUP, key).status, 404)
                    requests += 2
        self.assertLessEqual(nodes.settled_total("peer_requests_total") - before, requests)
        self.assertEqual(nodes.total("peer_retries_total"), 0)
        self.assertEqual(nodes.total("forwarded_refused_total"), 0)
        for node in nodes.nodes():
            self.assertGreater(node.metric("ring_mismatches_total"), 0)
            wait_until(lambda: "sees another ring" in node.log_text(), f"node {node.name} tells of it")
        self.differ(nodes, dict.fromkeys("abc", "abc"))
        for node in nodes.nodes():
            wait_until(lambda: all(m["agrees"] for m in node.members().values() if m["state"] != "self"),
                       f"node {node.name} agrees with all others again")
        settled = nodes.settled_total("ring_mismatches_total")
        for i in range(100):
            for client in clients.values():
                self.assertEqual(client.get(GROUP, f"other {i}").status, 404)
        self.assertEqual(nodes.total("ring_mismatches_total"), settled)

    @static_members("each node has other weights")
    def test_fault_1_nodes_that_take_each_other_for_the_owner_do_not_wait_for_each_other(self):
        """Both are asked at once, again and again: each serves what the other sends it, whatever it waits for itself."""
        source = self.origin(delay=50)
        nodes = self.cluster("ab", groups=[{"name": "users", "loader": loader(source, timeout="10m"),
                                            "load_timeout": "10m"}], node={"request_timeout": "10m"}, start=False)
        for heavy, node in ((1, nodes["a"]), (0, nodes["b"])):
            node.config["cluster"]["discovery"]["members"][heavy]["weight"] = 100
            node.start()
        nodes.wait_ready()
        nodes.wait_up()
        for i in range(20):
            key = f"key {i}"
            answers = in_threads(4, lambda n: nodes["ab"[n % 2]].get("users", key))
            self.assertEqual([(answer.status, answer.body) for answer in answers], [(200, value_of(key.encode()))] * 4)
        self.assertLessEqual(nodes.settled_total("peer_requests_total"), 80)
        self.assertGreater(min(node.metric("peer_requests_total") for node in nodes.nodes()), 0, "each asks the other")

    def test_fault_2_an_owner_that_is_down_costs_a_bounded_number_of_requests(self):
        source = self.origin()
        nodes = self.cluster(groups=[{"name": GROUP}, {"name": "users", "loader": loader(source)}],
                             cluster={"retries": RETRIES, "probe_interval": "10s"})
        keys = self.keys_of("c", nodes, 12)
        nodes["c"].kill()
        rest = [nodes["a"], nodes["b"]]

        def peer_requests():
            return sum(node.metric("peer_requests_total") for node in rest)

        def cost(node, key):
            """Peer requests that one get causes; the second reading would show what goes on after the answer."""
            before = peer_requests()
            self.assertEqual(node.get("users", key).status, 200, "loaded by whoever stands in")
            first = peer_requests() - before
            wait_until(lambda: all(n.metric("loads_waiting") == 0 for n in rest), "nothing is under way any more")
            return max(first, peer_requests() - before)

        down = [cost(nodes["ab"[i % 2]], key) for i, key in enumerate(keys)]
        self.assertLessEqual(max(down), 1 + RETRIES)
        self.assertGreater(max(down), 0, "the owner was tried")
        for node in rest:
            self.assertEqual(node.members()["c"]["state"], "suspended")
        suspended = [cost(node, key + " later") for key in keys for node in rest]
        self.assertLessEqual(max(suspended), 1, "nobody waits for it any more")

    def keys_of(self, owner, nodes, count):
        """Keys of the group `users` that one node owns: found by their entries, then removed again."""
        found, i = [], 0
        with nodes["a"].client() as client:
            while len(found) < count:
                key, i = f"key {i}", i + 1
                before = nodes[owner].metric("entries", group="users")
                client.put("users", key, "x")
                if nodes[owner].metric("entries", group="users") > before:
                    found.append(key)
                client.delete("users", key)
        return found

    @static_members("with etcd the second one does not start, as tests/etcd shows")
    def test_nodes_with_other_settings_refuse_each_other(self):
        for key, value, texts in (("virtual_nodes", 64, ("virtual_nodes=256", "virtual_nodes=64")),
                                  ("hash", "crc32", ("hash=xxhash", "hash=crc32"))):
            nodes = self.cluster("ab", start=False)
            nodes["b"].config["cluster"][key] = value
            for node in nodes.nodes():
                node.start()
            nodes.wait_ready()
            for node in nodes.nodes():
                other = "b" if node.name == "a" else "a"
                wait_until(lambda: node.members()[other]["state"] == "refused", f"node {node.name} refuses {other}")
                line = wait_until(lambda: [line for line in node.log_text().splitlines() if
                                           f"peer {other} and this node refuse each other" in line], "it is told")[0]
                for text in texts:
                    self.assertIn(text, line)
                with node.client() as client:
                    for i in range(50):
                        self.assertEqual(client.put(GROUP, str(i), node.name).status, 201)
                        self.assertEqual(client.get(GROUP, str(i)).body, node.name.encode())
                self.assertEqual(node.metric("entries", group=GROUP), 50, "answered by the node that was asked")
            for node in nodes.nodes():
                self.assertEqual(node.stop(), 0)


class BeforeTheList(Case):
    @static_members("it stands in no list")
    def test_fault_8_a_node_that_is_no_member_does_not_start(self):
        members = [self.node(name).member() for name in "abc"]
        node = self.node("stranger", cluster={"discovery": {"plugin": "static", "members": members}})
        node.start()
        self.assertEqual(node.process.wait(PATIENCE), 1)
        self.assertIn('node.name is "stranger", which is no member of cluster.discovery.members: a, b, c',
                      node.log_text())

    def test_fault_8_a_node_that_starts_never_takes_all_keys_for_its_own(self):
        nodes = self.cluster("ab")
        keys = []
        with nodes["a"].client() as client:
            for i in range(100):
                before = nodes["a"].metric("entries", group=GROUP)
                client.put(GROUP, str(i), "there")
                if nodes["a"].metric("entries", group=GROUP) > before:
                    keys.append(str(i))
        self.assertGreater(len(keys), 10)
        for turn in range(3):
            nodes["b"].kill()
            nodes["b"].start()
            answers = wait_until(lambda: self.first_answers(nodes["b"].port, keys), "the node answers")
            self.assertEqual(answers - {200, 503}, set(), "404 would be a node that thinks the keys are its own")
            nodes["b"].wait_ready()

    @staticmethod
    def first_answers(port, keys):
        """Status codes from the first connection that is made; the value is always there, at the other node."""
        try:
            with Client(port) as client:
                return {client.get(GROUP, key).status for key in keys}
        except (OSError, http.client.HTTPException):
            return None


if __name__ == "__main__":
    main()
