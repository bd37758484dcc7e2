"""Copies of a key at several members: written, read when the owner is gone, repaired, deleted, and in different zones."""

import os
import subprocess
import time

from kit import BUILD, LARDERD, Case, in_threads, loader, main, static_members, value_of, wait_until

GROUP = "default"
LARDER = os.path.join(BUILD, "bin", "larder")


class Copies(Case):
    def replicated(self, names="abc", **cluster):
        settings = {"replicas": 2, "probe_interval": "200ms", "peer_timeout": "2s", **cluster}
        return self.cluster(names, cluster=settings)

    def total(self, nodes):
        return nodes.total("entries", group=GROUP)

    def fill(self, node, count, value="x"):
        with node.client() as client:
            for i in range(count):
                self.assertIn(client.put(GROUP, f"key {i}", value).status, (201, 204))

    def test_every_key_lies_at_two_members_and_outlives_one(self):
        nodes = self.replicated()
        self.fill(nodes["a"], 60)
        wait_until(lambda: self.total(nodes) == 120, "each key lies at two members")
        nodes["b"].kill()
        with nodes["a"].client() as client:
            for i in range(60):
                self.assertEqual(client.get(GROUP, f"key {i}").body, b"x", i)
        nodes["b"].start()
        nodes.wait_ready()
        wait_until(lambda: self.total(nodes) == 120, "who comes back is given its copies")
        self.assertGreater(nodes.total("handoff_entries_received_total"), 0)
        wait_until(lambda: nodes.total("handoff_entries_left") == 0, "the hand-off is over")

    def test_who_was_away_is_offered_only_what_differs(self):
        """Sums of ranges first: of 6000 keys a member lacks the few that were written while it stood still."""
        nodes = self.replicated("ab", suspend_after=2, peer_timeout="500ms")
        self.fill(nodes["a"], 6000)
        wait_until(lambda: self.total(nodes) == 12000, "each key lies at both")
        spared, sent = (nodes["a"].metric(f"handoff_entries_{name}_total") for name in ("spared", "sent"))
        nodes["b"].pause()
        wait_until(lambda: nodes["a"].metric("peer_suspended") == 1, "it is missed")
        with nodes["a"].client() as client:
            for i in range(10):
                client.put(GROUP, f"new {i}", "y")
        time.sleep(1)  # twice peer_timeout: what was sent to it is given up
        nodes["b"].resume()
        wait_until(lambda: self.total(nodes) == 12020, "it has been given what it lacks")
        wait_until(lambda: nodes["a"].metric("handoff_entries_spared_total") - spared > 5500, "most was not offered")
        self.assertLessEqual(nodes["a"].metric("handoff_entries_sent_total") - sent, 10)

    def test_a_load_that_takes_long_is_waited_for(self):
        """For longer than it takes to be sure that a member is there, and by nobody else's load."""
        source = self.origin(delay=1500)
        nodes = self.cluster("abc", groups=[{"name": "users", "loader": loader(source)}],
                             cluster={"replicas": 2, "probe_interval": "100ms", "peer_timeout": "300ms"})
        keys = [f"key {i}" for i in range(12)]
        answers = in_threads(len(keys), lambda i: nodes["a"].get("users", keys[i]))
        for key, answer in zip(keys, answers):
            self.assertEqual((answer.status, answer.body, source.count(key)), (200, value_of(key.encode()), 1))

    def test_fault_17_writes_and_deletes_reach_the_copies(self):
        nodes = self.replicated(tombstone_ttl="1s")
        self.fill(nodes["a"], 30)
        self.fill(nodes["b"], 30, "y")
        with nodes["c"].client() as client:
            for i in range(0, 30, 2):
                self.assertEqual(client.delete(GROUP, f"key {i}").status, 204)
        wait_until(lambda: self.total(nodes) == 30, "deletes are forgotten after tombstone_ttl")
        nodes["b"].kill()
        with nodes["a"].client() as client:
            for i in range(30):
                answer = client.get(GROUP, f"key {i}")
                self.assertEqual((answer.status, answer.body) if i % 2 else answer.status, (200, b"y") if i % 2 else 404)

    def test_fault_3_a_delete_costs_one_request_and_one_copy_of_it(self):
        """At whatever member it is asked for: at most one request, to an owner, and one message to the other holder."""
        nodes = self.replicated()
        self.fill(nodes["a"], 12)
        wait_until(lambda: self.total(nodes) == 24, "each key lies at two members")
        for i in range(12):
            requests, messages = nodes.total("peer_requests_total"), nodes.settled_total("peer_exchanges_total")
            node = nodes.nodes()[i % 3]
            self.assertEqual(node.delete(GROUP, f"key {i}").status, 204)
            wait_until(lambda: nodes.total("peer_exchanges_total") > messages, "the other holder is told")
            self.assertEqual(nodes.settled_total("peer_exchanges_total") - messages, 1)
            self.assertLessEqual(nodes.total("peer_requests_total") - requests, 1)
            self.assertEqual([each.get(GROUP, f"key {i}").status for each in nodes.nodes()], [404] * 3)

    def test_a_write_that_a_member_sees_late_is_not_done(self):
        """It stood: meanwhile another one has done it, and what came later."""
        nodes = self.replicated(peer_timeout="500ms")
        self.fill(nodes["a"], 30)
        key = next(f"key {i}" for i in range(30) if nodes["c"].get(GROUP, f"key {i}").headers["Larder-Source"] == "local" and
                   nodes["a"].get(GROUP, f"key {i}").headers["Larder-Source"] != "local" and
                   nodes["b"].get(GROUP, f"key {i}").headers["Larder-Source"] != "local")
        nodes["c"].pause()
        self.assertIn(nodes["a"].put(GROUP, key, "early", "?ttl=1s").status, (201, 204))
        self.assertIn(nodes["a"].put(GROUP, key, "late").status, (201, 204))
        nodes["c"].resume()
        nodes.wait_up()
        for node in nodes.nodes():
            wait_until(lambda: node.get(GROUP, key).body == b"late", f"node {node.name} has what was written last")

    def test_deletes_are_remembered_for_tombstone_ttl(self):
        nodes = self.replicated(tombstone_ttl="1h")
        self.fill(nodes["a"], 10)
        with nodes["a"].client() as client:
            for i in range(10):
                self.assertEqual(client.delete(GROUP, f"key {i}").status, 204)
                self.assertEqual(client.get(GROUP, f"key {i}").status, 404)
        wait_until(lambda: self.total(nodes) == 20, "tombstones at two members")

    def test_copies_lie_in_different_zones(self):
        """A fixed list has the zones of all; else each announces its own."""
        zones = {"a": "east", "b": "east", "c": "west"}
        nodes = self.cluster("abc", cluster={"replicas": 2}, start=False)
        for node in nodes.nodes():
            if nodes.registered():
                node.config["node"]["zone"] = zones[node.name]
            for member in node.config["cluster"]["discovery"].get("members", ()):
                member["zone"] = zones[member["name"]]
            node.start()
        nodes.wait_ready()
        nodes.wait_up()
        self.fill(nodes["a"], 40)
        wait_until(lambda: nodes["c"].metric("entries", group=GROUP) == 40, "the only member of its zone has all keys")
        self.assertEqual(nodes["a"].members()["c"]["zone"], "west")

    def test_handoff_bandwidth_bounds_the_repair(self):
        for bandwidth, slow in (("16KiB", True), ("64MiB", False)):
            nodes = self.replicated("ab", handoff_bandwidth=bandwidth)
            self.fill(nodes["a"], 300, "v" * 1000)
            wait_until(lambda: self.total(nodes) == 600, "each key lies at both members")
            nodes["b"].kill()
            nodes["b"].start()
            nodes.wait_ready()
            began = time.monotonic()
            wait_until(lambda: nodes["b"].metric("entries", group=GROUP) >= 250, "most copies are there again")
            if slow:
                self.assertGreater(time.monotonic() - began, 5)

    @static_members("with etcd it can")
    def test_a_member_of_a_fixed_list_cannot_leave(self):
        node = self.replicated("ab")["a"]
        self.assertEqual(node.ask("POST", "/v1/cluster/leave").status, 501)
        done = subprocess.run([LARDER, "cluster", "leave", "--node", f"127.0.0.1:{node.port}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("discovery static does not let members come and go", done.stderr)

    @static_members("etcd has leases")
    def test_strict_writes_want_leases(self):
        node = self.cluster("ab", cluster={"write_acks": "all"}, start=False)["a"]
        node.write_config()
        done = subprocess.run([LARDERD, "--check", "--config", node.path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cluster.write_acks: got \"all\", wanted one: discovery static knows no leases", done.stderr)


if __name__ == "__main__":
    main()
