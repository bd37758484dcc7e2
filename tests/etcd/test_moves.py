"""Keys that move when members of etcd come and go: none is lost, none becomes older, none comes back."""

import contextlib
import http.client
import os
import re
import select
import subprocess
import time

from nodes import GROUP, Nodes
from world import LARDER, PATIENCE, PEERS, free_port, loader, main, wait_until


def leave(node, **streams):
    """`larder cluster leave`, begun."""
    return subprocess.Popen([LARDER, "cluster", "leave", "--node", f"127.0.0.1:{node.port}"], stdin=subprocess.DEVNULL, text=True,
                            **streams)


class Moves(Nodes):
    def test_fault_11_keys_of_a_target_that_cannot_be_reached_stay_where_they_are(self):
        """Of two that join one is announced under an address where nobody listens."""
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, "ab", lease_ttl="10m")
        self.fill(nodes["a"], 300)
        lost = self.member("lost", etcd, lease_ttl="10m", advertise={PEERS: f"127.0.0.1:{free_port()}"})
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
        with leave(gone, stderr=subprocess.PIPE) as told:
            self.assertEqual((told.communicate(timeout=PATIENCE)[1], told.returncode), ("", 0))
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


class Unfinished(Nodes):
    """Who is told to go while another one stands cannot hand everything over."""

    def stuck(self, **leave_timeouts):
        """The nodes that are told to go; b is the one that stands."""
        etcd = self.etcd()
        nodes = {name: self.member(name, etcd, node={"leave_timeout": leave_timeouts.get(name, "1s")}, lease_ttl="10m")
                 for name in ("b", *leave_timeouts)}
        for node in nodes.values():
            node.start()
        self.wait_settled(nodes)
        self.fill(nodes["b"], 100)
        nodes.pop("b").pause()
        return nodes.values()

    def assert_told(self, told, node):
        self.assertRegex(told.communicate(timeout=PATIENCE)[1],
                         rf"^larder: http://127.0.0.1:{node.port} is gone before it had handed everything over: "
                         r"of [1-9]\d* entries it still had [1-9]\d*\n$")
        self.assertEqual(told.returncode, 1)

    def test_who_is_told_to_end_waits_for_leave_timeout_and_no_longer(self):
        node, = self.stuck(a="2s")
        begun = time.monotonic()
        self.assertEqual(node.stop(), 0)
        took = time.monotonic() - begun
        self.assertTrue(2 <= took < 10, took)
        self.assertIn("leave_timeout has passed, not all keys were handed over", node.log_text())

    def test_a_leave_that_is_not_finished_is_no_success(self):
        """As its time is over, or as the process dies."""
        slow, killed = self.stuck(a="1s", c="10m")
        with leave(killed, stderr=subprocess.PIPE) as told:
            wait_until(lambda: self.handoff(killed)["leaving"], "it is told")
            time.sleep(0.5)  # more than once in this time the command looks how far it is
            killed.kill()
            self.assert_told(told, killed)
        with leave(slow, stderr=subprocess.PIPE) as told:
            self.assert_told(told, slow)
        self.assertEqual(slow.process.wait(PATIENCE), 0)
        self.assertIn("left: leave_timeout has passed", slow.log_text())


class Slow(Nodes):
    """Keys that take seconds to move, so that it can be seen, and disturbed."""

    SETTINGS = {"handoff_bandwidth": "32KiB", "peer_timeout": "500ms", "suspend_after": 2}

    def test_how_far_a_leave_is(self):
        """In the document and in the metrics, and as a bar on a terminal. Who has left says so for a moment."""
        nodes = self.cluster_of(self.etcd(), "ab", self.SETTINGS, lease_ttl="10m")
        self.fill(nodes["a"], 200, "v" * 1000)
        ours, theirs = os.openpty()
        seen, left, said = b"", [], []
        with leave(nodes["a"], stderr=theirs) as told:
            os.close(theirs)
            with contextlib.suppress(OSError):  # a terminal whose last writer is gone
                while True:
                    with contextlib.suppress(OSError, http.client.HTTPException):  # a node that is gone
                        document = self.handoff(nodes["a"])
                        left.append((document["entries_left"], nodes["a"].metric("handoff_entries_left")))
                        said += [time.monotonic()] * document["left"]
                    if select.select([ours], [], [], 0.05)[0]:
                        piece = os.read(ours, 65536)
                        if not piece:
                            break
                        seen += piece
            self.assertEqual(told.wait(PATIENCE), 0, seen)
        os.close(ours)
        with contextlib.suppress(OSError, http.client.HTTPException):  # until it is gone
            while True:
                said += [time.monotonic()] * self.handoff(nodes["a"])["left"]
                time.sleep(0.05)
        self.assertEqual(nodes["a"].process.wait(PATIENCE), 0)
        shown = [int(each) for each in re.findall(rb"\r\x1b\[K\[[#.]{40}\] +(\d+) %  entries handed over", seen)]
        self.assertEqual((shown, shown[-1]), (sorted(shown), 100), seen)
        self.assertGreater(len(set(shown)), 5, seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen)
        self.assertGreater(said[-1] - said[0], 0.5, "longer than the command looks away")
        for counts in zip(*left):
            # A pass that began before the leave was told of may be seen, too, and its end.
            begin = max([i + 1 for i, (count, after) in enumerate(zip(counts, counts[1:])) if count == 0 < after], default=0)
            under_way = [count for count in counts[begin:] if count > 0]
            self.assertEqual(under_way, sorted(under_way, reverse=True), left)
            self.assertGreater(len(set(under_way)), 3, left)

    def test_a_hand_off_that_was_cut_off_goes_on_where_it_was(self):
        """Who was given half of its keys stands until it is given up; afterwards it is sent the rest, and nothing twice."""
        etcd = self.etcd()
        at_once = {"leave_timeout": "0"}  # when the test is over
        nodes = self.cluster_of(etcd, "a", self.SETTINGS, node=at_once, lease_ttl="10m")
        self.fill(nodes["a"], 300, "v" * 1000)
        nodes["b"] = self.member("b", etcd, cluster=self.SETTINGS, node=at_once, lease_ttl="10m")
        nodes["b"].start()
        nodes["b"].wait_ready()
        a, b = nodes["a"], nodes["b"]
        wait_until(lambda: b.metric("entries", group=GROUP) > 40, "a part has arrived")
        b.pause()
        sent = a.metric("handoff_entries_sent_total")
        wait_until(lambda: a.members()["b"]["state"] == "suspended", "it is given up")
        b.resume()
        self.wait_settled(nodes)
        share = b.metric("entries", group=GROUP)
        batch = 20  # at most: of 4 KiB, with what the walk adds to it
        self.assertTrue(0 < sent < share - 2 * batch, (sent, share))
        self.assertLessEqual(a.metric("handoff_entries_sent_total"), share + batch)
        self.assertLessEqual(b.metric("handoff_entries_received_total"), share + batch)
        self.assertEqual(self.entries(nodes), 300)


if __name__ == "__main__":
    main()
