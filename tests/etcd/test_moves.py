"""Keys that move when members of etcd come and go: none is lost, none becomes older, none comes back."""

import subprocess

from nodes import GROUP, Nodes
from world import LARDER, PATIENCE, free_port, loader, main, wait_until


class Moves(Nodes):
    def test_fault_11_keys_of_a_target_that_cannot_be_reached_stay_where_they_are(self):
        """Of two that join one is announced under an address where nobody listens."""
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, "ab", lease_ttl="10m")
        self.fill(nodes["a"], 300)
        lost = self.member("lost", etcd, lease_ttl="10m", advertise={"http": f"127.0.0.1:{free_port()}"})
        lost.start()
        lost.wait_ready()
        nodes["c"] = self.member("c", etcd, lease_ttl="10m")
        nodes["c"].start()
        nodes["c"].wait_ready()
        for node in nodes.values():
            wait_until(lambda: node.members().get("lost", {}).get("state") == "suspended", "nobody reaches it")
        wait_until(lambda: nodes["c"].metric("handoff_entries_received_total") > 0, "the other one has got keys")
        wait_until(lambda: self.entries(nodes) == 300, "each key lies where it can")
        del lost.config["cluster"]["discovery"]["advertise"]
        lost.restart()
        nodes["lost"] = lost
        self.wait_settled(nodes)
        self.assertGreater(lost.metric("handoff_entries_received_total"), 0)
        self.assertEqual(self.entries(nodes), 300)
        self.check(nodes, 300)

    def test_fault_12_a_node_that_leaves_hands_everything_over(self):
        """By SIGTERM and by the command; what it had is not loaded again."""
        etcd, origin = self.etcd(), self.origin()
        nodes = {name: self.member(name, etcd, lease_ttl="10m") for name in "abcd"}
        for node in nodes.values():
            node.config["groups"].append({"name": "users", "loader": loader(origin)})
            node.start()
        self.wait_settled(nodes)
        self.fill(nodes["a"], 300)
        with nodes["a"].client() as client:
            for i in range(100):
                self.assertEqual(client.get("users", f"user {i}").status, 200)
        self.assertEqual(nodes.pop("c").stop(), 0)
        gone = nodes.pop("d")
        told = subprocess.run([LARDER, "cluster", "leave", "--node", f"127.0.0.1:{gone.port}"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertEqual(gone.process.wait(PATIENCE), 0)
        self.wait_settled(nodes)
        self.assertEqual(self.entries(nodes), 300)
        self.check(nodes, 300)
        with nodes["b"].client() as client:
            for i in range(100):
                self.assertEqual(client.get("users", f"user {i}").status, 200)
        self.assertEqual(set(origin.counts().values()), {1})

    def test_the_last_member_leaves_and_says_what_goes_with_it(self):
        nodes = self.cluster_of(self.etcd(), "ab", lease_ttl="10m")
        self.fill(nodes["a"], 30)
        self.wait_settled(nodes)
        for name, outcome in ("b", "the other members have all keys"), ("a", "no other member stays"):
            self.assertEqual(nodes[name].stop(), 0)
            self.assertIn(f"left: {outcome}", nodes[name].log_text())

    def test_fault_13_a_moved_value_does_not_replace_a_newer_one(self):
        """Keys are written and deleted at their new owner while the old values are on their way to it, which would take half a minute."""
        etcd, count = self.etcd(), 200
        nodes = self.cluster_of(etcd, "a", {"handoff_bandwidth": "4KiB"}, lease_ttl="10m")
        with nodes["a"].client() as client:
            for i in range(count):
                client.put(GROUP, f"key {i}", b"old" * 400)
        nodes["b"] = self.member("b", etcd, cluster={"handoff_bandwidth": "4KiB"}, lease_ttl="10m")
        nodes["b"].start()
        nodes["b"].wait_ready()
        self.wait_together(nodes)
        with nodes["b"].client() as client:
            for i in range(count):
                if i % 2:
                    self.assertIn(client.put(GROUP, f"key {i}", f"new {i}").status, (201, 204))
                else:
                    self.assertIn(client.delete(GROUP, f"key {i}").status, (204, 404))
        self.assertFalse(self.handoff(nodes["b"])["caught_up"], "old values were still on their way")
        self.wait_settled(nodes)
        for node in nodes.values():
            with node.client() as client:
                for i in range(count):
                    answer = client.get(GROUP, f"key {i}")
                    self.assertEqual((answer.status, answer.body) if i % 2 else answer.status,
                                     (200, f"new {i}".encode()) if i % 2 else 404, f"{node.name}: key {i}")


if __name__ == "__main__":
    main()
