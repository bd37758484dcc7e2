"""Configurations that change while nodes serve: groups, members, log level."""

import json
import os
import threading

from kit import Case, Client, loader, main, static_members, value_of, wait_until

GROUP = "default"


class Traffic:
    """Gets and puts without a pause, on one connection to each node; everything must be answered well."""

    def __init__(self, nodes, origin_group="users"):
        self.group, self.wrong, self.done, self.ending = origin_group, [], [0] * len(nodes), False
        self.threads = [threading.Thread(target=self.run, args=(i, node.port)) for i, node in enumerate(nodes)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        for thread in self.threads:
            thread.join()

    def run(self, i, port):
        with Client(port) as client:
            turn = 0
            while not self.ending:
                key = f"traffic {turn % 200}"
                answers = (client.get(self.group, key), client.put(GROUP, key, "x"))
                if (answers[0].status, answers[0].body) != (200, value_of(key.encode())):
                    self.wrong.append(answers[0])
                if answers[1].status not in (201, 204):
                    self.wrong.append(answers[1])
                turn += 1
                self.done[i] = turn
            if client.connects != 1:
                self.wrong.append(f"{client.connects} connections")

    def go_on(self, each):
        """Waits until every thread has made so many turns more: what was under way before has been answered then."""
        wanted = [done + each for done in self.done]
        wait_until(lambda: all(done >= want for done, want in zip(self.done, wanted)), f"{each} turns more in each thread")


class Reload(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin()
        self.nodes = self.cluster(groups=[
            {"name": GROUP, "max_bytes": "8MiB"},
            {"name": "users", "max_bytes": "8MiB", "eviction": "lru", "loader": loader(self.source)}])

    def reload_all(self):
        for node in self.nodes.nodes():
            node.reload()

    def groups_of(self, node):
        return {group["name"]: group for group in node.ask("GET", "/v1/groups").json()["groups"]}

    def test_a_group_is_changed_and_keeps_its_entries(self):
        a = self.nodes["a"]
        for i in range(50):
            self.assertEqual(a.put(GROUP, f"key {i}", b"v" * 1000).status, 201)
        with Traffic(self.nodes.nodes()) as traffic:
            for node in self.nodes.nodes():
                node.config["groups"][0].update(max_bytes="4MiB", eviction="fifo", ttl="1h")
            self.reload_all()
            for node in self.nodes.nodes():
                wait_until(lambda: self.groups_of(node)[GROUP]["max_bytes"] == 4 << 20, f"node {node.name} has reloaded")
                group = self.groups_of(node)[GROUP]
                self.assertEqual((group["eviction"]["plugin"], group["ttl"]), ("fifo", "3600000ms"))
                self.assertEqual(node.metric("bytes_limit", group=GROUP), 4 << 20)
            traffic.go_on(70)
        self.assertEqual(traffic.wrong[:5], [])
        for i in range(50):
            answer = self.nodes["b"].get(GROUP, f"key {i}")
            self.assertEqual((answer.status, answer.headers["Cache-Control"]), (200, None), "what was there keeps its time")
        self.assertEqual(a.put(GROUP, "new", "x").status, 201)
        self.assertIn("max-age", a.get(GROUP, "new").headers["Cache-Control"])

    def test_a_smaller_budget_holds_at_once(self):
        for i in range(300):
            self.nodes["a"].put(GROUP, f"key {i}", b"v" * 5000)
        for node in self.nodes.nodes():
            self.assertGreater(node.metric("bytes_used", group=GROUP), 100000)
            node.config["groups"][0]["max_bytes"] = "64KiB"
        self.reload_all()
        for node in self.nodes.nodes():
            wait_until(lambda: node.metric("bytes_limit", group=GROUP) == 65536, f"node {node.name} has reloaded")
            wait_until(lambda: node.metric("bytes_used", group=GROUP) <= 65536, "the group has shrunk")
            self.assertGreater(node.metric("entries", group=GROUP), 0)
            self.assertGreater(node.metric("evictions_total", group=GROUP), 0)

    def test_groups_are_added_and_removed(self):
        with Traffic(self.nodes.nodes()) as traffic:
            for node in self.nodes.nodes():
                node.config["groups"].append({"name": "added", "loader": loader(self.source)})
            self.reload_all()
            for node in self.nodes.nodes():
                wait_until(lambda: "added" in self.groups_of(node), f"node {node.name} has the group")
            for node in self.nodes.nodes():
                self.assertEqual(node.get("added", "key").body, value_of(b"key"))
            self.assertEqual(self.source.count("key"), 1)
            for node in self.nodes.nodes():
                node.config["groups"].pop()
            self.reload_all()
            for node in self.nodes.nodes():
                wait_until(lambda: "added" not in self.groups_of(node), f"node {node.name} has dropped the group")
                self.assertEqual(node.get("added", "key").status, 404)
            traffic.go_on(30)
        self.assertEqual(traffic.wrong[:5], [])

    def test_fault_6_a_member_is_added_under_load_and_keys_move_to_it(self):
        keys = [f"key {i}" for i in range(300)]
        for key in keys:
            self.assertEqual(self.nodes["a"].get("users", key).status, 200)
        self.assertEqual(self.source.counts(), {key.replace(" ", "%20"): 1 for key in keys})
        d = self.node("d", cluster=self.nodes["a"].config["cluster"], groups=self.nodes["a"].config["groups"])
        with Traffic(self.nodes.nodes()) as traffic:
            self.nodes.add(d)
            traffic.go_on(70)
            self.nodes.wait_up()
        self.assertEqual(traffic.wrong[:5], [])
        self.assertEqual(len({node.ask("GET", "/v1/cluster").json()["checksum"] for node in self.nodes.nodes()}), 1)
        for node in self.nodes.nodes():
            with node.client() as client:
                for key in keys:
                    self.assertEqual(client.get("users", key).body, value_of(key.encode()))
        self.assertEqual([key for key in keys if self.source.count(key) != 1], [], "what moves is not loaded again")
        moved = d.metric("handoff_entries_received_total")
        share = d.ask("GET", "/v1/cluster").json()["members"]
        share = next(member["share"] for member in share if member["name"] == "d")
        self.assertAlmostEqual(share, 0.25, delta=0.05)
        self.assertGreater(moved, 0.1 * len(keys), "keys were handed over")

    def test_fault_25_groups_are_made_and_dropped_under_load(self):
        """Gets that wait for a load when their group goes are answered, and nothing stands still."""
        nodes, ending, statuses = self.nodes.nodes(), threading.Event(), set()
        self.source.behave(slow={"delay": 20})

        def ask(port):
            with Client(port) as client:
                turn = 0
                while not ending.is_set():
                    turn += 1
                    answer = client.get("brief", f"slow {turn % 7}")
                    statuses.add(answer.status)
                    client.put("brief", f"key {turn % 7}", "x")
        threads = [threading.Thread(target=ask, args=(node.port,)) for node in nodes for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            with Traffic(nodes) as traffic:
                document = json.dumps({"max_bytes": "1MiB", "loader": loader(self.source)})
                for turn in range(25):
                    self.assertEqual(nodes[turn % 3].ask("PUT", "/v1/groups/brief", document).status, 201)
                    traffic.go_on(20)
                    self.assertEqual(nodes[(turn + 1) % 3].ask("DELETE", "/v1/groups/brief").status, 204)
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        self.assertEqual(traffic.wrong[:5], [])
        self.assertIn(200, statuses)
        self.assertLessEqual(statuses, {200, 404, 502}, "502: the loader went while it loaded")

    @static_members("with etcd it leaves by itself, as tests/etcd shows")
    def test_a_member_is_removed(self):
        for node in (self.nodes["a"], self.nodes["b"]):
            members = node.config["cluster"]["discovery"]["members"]
            node.config["cluster"]["discovery"]["members"] = [each for each in members if each["name"] != "c"]
        rest = [self.nodes["a"], self.nodes["b"]]
        failed = sum(node.metric("peer_failures_total") for node in rest)
        with Traffic(rest) as traffic:
            traffic.go_on(50)
            for node in rest:
                node.reload()
                wait_until(lambda: set(node.members()) == set("ab"), f"node {node.name} has taken its list")
            traffic.go_on(2)  # what was sent to c by the list before is answered
            self.assertEqual(self.nodes["c"].stop(), 0)
            traffic.go_on(50)
        self.assertEqual(traffic.wrong[:5], [])
        self.assertEqual(sum(node.metric("peer_failures_total") for node in rest), failed)

    @static_members("each reload brings another one")
    def test_many_reloads_leave_nothing_behind(self):
        """Threads and descriptors are as many as before; the members' list is a new one each time."""
        a = self.nodes["a"]

        def resources():
            return len(os.listdir(f"/proc/{a.pid}/task")), len(os.listdir(f"/proc/{a.pid}/fd"))

        def reload_often(count):
            for turn in range(count):
                weight = turn % 2 + 1
                a.config["cluster"]["discovery"]["members"][2]["weight"] = weight
                a.config["groups"][1]["max_bytes"] = f"{4 + weight}MiB"
                a.reload()
                wait_until(lambda: a.members()["c"]["weight"] == weight and
                           a.metric("bytes_limit", group="users") == (4 + weight) << 20, "it has reloaded")
        with Traffic(self.nodes.nodes()) as traffic:
            traffic.go_on(50)
            reload_often(4)
            before = resources()
            reload_often(40)
            traffic.go_on(50)
        self.assertEqual(traffic.wrong[:5], [])
        # Loaders that were replaced end when their loads have; connections come and go with the traffic.
        wait_until(lambda: all(now <= then + 8 for now, then in zip(resources(), before)), f"no more than {before}")

    def test_a_configuration_that_is_wrong_changes_nothing(self):
        a = self.nodes["a"]
        a.config["groups"][0]["max_byte"] = "1MiB"
        a.reload()
        wait_until(lambda: "the running configuration stays" in a.log_text(), "it is told")
        self.assertRegex(a.log_text(), r"a-\d+\.yaml:\d+:\d+: .*max_byte.*max_bytes")
        self.assertEqual(self.groups_of(a)[GROUP]["max_bytes"], 8 << 20)
        self.assertEqual(a.put(GROUP, "key", "x").status, 201)

    def test_what_cannot_be_changed_is_told(self):
        a = self.nodes["a"]
        a.config["cluster"]["virtual_nodes"] = 7
        a.config["node"]["request_timeout"] = "1s"
        a.config["node"]["log_level"] = "warn"
        a.reload()
        for what in ("node.request_timeout", "cluster settings besides the parameters of discovery"):
            wait_until(lambda: f"{what}" in a.log_text() and "cannot be changed" in a.log_text(), f"{what} is named")
        self.assertEqual(a.put(GROUP, "key", "x").status, 201)

    def test_the_log_level_is_changed(self):
        a = self.nodes["a"]
        wait_until(lambda: "level=info" in a.log_text(), "a line is written")
        a.config["node"]["log_level"] = "error"
        a.config["groups"].append({"name": "one"})
        a.reload()
        wait_until(lambda: "one" in self.groups_of(a), "it has reloaded")
        before = a.log_text()
        a.config["groups"].pop()
        a.reload()
        wait_until(lambda: "one" not in self.groups_of(a), "it has reloaded")
        self.assertEqual(a.log_text(), before, "a group that is dropped is news of level info")
        a.config["node"]["log_level"] = "info"
        a.config["groups"].append({"name": "two"})
        a.reload()
        wait_until(lambda: "two" in self.groups_of(a), "it has reloaded")
        a.config["groups"].pop()
        a.reload()
        wait_until(lambda: "group two dropped" in a.log_text(), "it is told")


if __name__ == "__main__":
    main()
