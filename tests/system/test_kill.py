"""A node that is killed or hangs under load: the clients of the others see no error, and nothing is asked without end."""

import http.client
import threading
import time

from kit import Case, Client, in_threads, loader, main, value_of, wait_until

RETRIES = 2
PROBE_INTERVAL = 1  # seconds, the default
KEYS = 600
THREADS = 2  # on each node that is asked


class Load:
    """Threads that ask without a pause, each on one keep-alive connection, and remember what went wrong and how long it took."""

    def __init__(self, nodes):
        self.ports = [node.port for node in nodes for _ in range(THREADS)]
        self.done = [0] * len(self.ports)
        self.connects = [0] * len(self.ports)
        self.wrong, self.longest, self.ending = [], 0.0, False
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(len(self.ports))]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        for thread in self.threads:
            thread.join()

    def run(self, i):
        with Client(self.ports[i]) as client:
            turn = i * 31
            while not self.ending:
                begun = time.monotonic()
                turn += 1
                try:
                    problem = self.one(client, i, turn)
                except (OSError, http.client.HTTPException) as error:
                    problem = repr(error)
                took = time.monotonic() - begun
                self.longest = max(self.longest, took)
                if problem:
                    self.wrong.append(f"{problem} after {took:.3f} s")
                self.done[i] += 1
            self.connects[i] = client.connects

    @staticmethod
    def one(client, i, turn):
        """Three gets, then a put or a delete. What went wrong, or None."""
        key = f"key {turn * 7 % KEYS}"
        if turn % 4:
            answer = client.get("users", key)
            good = answer.status == 200 and answer.body == value_of(key.encode())
        elif turn % 8:
            answer = client.put("default", f"{i} {key}", b"v" * 100)
            good = answer.status in (201, 204)
        else:
            answer = client.delete("default", f"{i} {key}")
            good = answer.status in (204, 404)
        return None if good else repr(answer)

    def requests(self):
        return sum(self.done)

    def go_on(self, each):
        """Waits until every thread has done so many requests more."""
        wanted = [done + each for done in self.done]
        wait_until(lambda: all(done >= want for done, want in zip(self.done, wanted)), f"{each} requests more in each thread")


class ThreeNodes(Case):
    """Two nodes that are asked, and c."""

    def start(self, *, group=None, timeout="5s", node=None):
        self.source = self.origin()
        groups = [{"name": "default"}, {"name": "users", "loader": loader(self.source, timeout=timeout), **(group or {})}]
        self.nodes = self.cluster(groups=groups, cluster={"retries": RETRIES, "peer_timeout": "1s"}, node=node)
        self.asked = [self.nodes["a"], self.nodes["b"]]

    def key_of_c(self):
        with self.nodes["a"].client() as client:
            for i in range(1000):
                self.assertEqual(client.get("users", f"find {i}").status, 200)
                if self.nodes["c"].metric("loads_total", group="users"):
                    client.delete("users", f"find {i}")
                    return f"find {i}"
        raise AssertionError("c owns nothing")


class Kill(ThreeNodes):
    def setUp(self):
        super().setUp()
        self.start()

    def sent(self):
        return sum(node.metric("peer_requests_total") for node in self.asked)

    def state_of_c(self):
        return {node.members().get("c", {}).get("state") for node in self.asked}

    def check(self, load, before):
        self.assertEqual(load.wrong[:10], [], f"{len(load.wrong)} requests failed")
        self.assertLessEqual(self.sent() - before, (1 + RETRIES) * load.requests())
        self.assertEqual(set(load.connects), {1}, "no connection of a client was closed")
        print(f"{load.requests()} requests, {self.sent() - before:.0f} to peers, the longest took {load.longest:.3f} s")

    def wait_back(self):
        """Until c is a member like any other; returns the seconds it took."""
        begun = time.monotonic()
        wait_until(lambda: self.state_of_c() == {"up"}, "c is re-admitted")
        took = time.monotonic() - begun
        self.assertLess(took, PROBE_INTERVAL * 1.25 + 15, "the interval of pings, and time for a busy machine")
        return took

    def test_a_node_is_killed_under_load_and_comes_back(self):
        before = self.sent()
        with Load(self.asked) as load:
            load.go_on(300)
            self.nodes["c"].kill()
            load.go_on(300)
            wait_until(lambda: self.state_of_c() == {"suspended"}, "c is suspended")
            load.go_on(300)
            self.nodes["c"].start()
            self.nodes["c"].wait_ready()
            took = self.wait_back()
            served = self.nodes["c"].metric("gets_total", group="users")
            load.go_on(300)
        self.check(load, before)
        self.assertGreater(self.nodes["c"].metric("gets_total", group="users"), served)
        self.assertGreater(self.nodes["c"].metric("entries", group="users"), 0)
        print(f"back {took:.3f} s after it was ready")

    def test_a_node_hangs_under_load_and_goes_on(self):
        before = self.sent()
        with Load(self.asked) as load:
            load.go_on(300)
            self.nodes["c"].pause()
            wait_until(lambda: self.state_of_c() == {"suspended"}, "c is suspended")
            load.go_on(300)
            self.nodes["c"].resume()
            self.wait_back()
            served = self.nodes["c"].metric("gets_total", group="users")
            load.go_on(300)
        self.check(load, before)
        self.assertGreater(self.nodes["c"].metric("gets_total", group="users"), served)

    def test_a_node_that_leaves_finishes_what_it_has_begun(self):
        before = self.sent()
        with Load(self.asked) as load:
            load.go_on(200)
            self.assertEqual(self.nodes["c"].stop(), 0)
            load.go_on(200)
        self.check(load, before)

    def test_a_node_is_restarted_under_load_and_no_call_fails(self):
        before = self.sent()
        with Load(self.asked) as load:
            for _ in range(3):
                load.go_on(150)
                self.assertEqual(self.nodes["c"].stop(), 0)
                load.go_on(50)
                self.nodes["c"].start()
                self.nodes["c"].wait_ready()
                self.wait_back()
                served = self.nodes["c"].metric("gets_total", group="users")
                load.go_on(150)
                self.assertGreater(self.nodes["c"].metric("gets_total", group="users"), served)
        self.check(load, before)

    def test_fault_2_a_peer_that_hangs_costs_a_bounded_number_of_requests(self):
        """One get for a key of a node that hangs: it is tried, then whoever was asked loads the value itself."""
        key = self.key_of_c()
        self.nodes["c"].pause()
        before = self.sent()
        answer = self.nodes["a"].get("users", key)
        self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
        wait_until(lambda: self.nodes["a"].metric("loads_waiting") == 0, "nothing is under way any more")
        self.assertLessEqual(self.sent() - before, 1 + RETRIES)
        self.nodes["c"].resume()
        self.wait_back()


class Owner(ThreeNodes):
    def test_the_owner_dies_while_it_loads(self):
        """Callers at the others wait for its load: they are answered all the same, after a load of their own node."""
        # Nothing but the death of the owner ends the load that the others wait for.
        self.start(group={"load_timeout": "10m"}, timeout="10m", node={"request_timeout": "10m"})
        key = self.key_of_c()
        self.source.behave(find={"hang": True})
        loads = self.source.count(key)

        def ask(i):
            if i:
                return self.asked[i % 2].get("users", key)
            wait_until(lambda: self.source.count(key) == loads + 1, "the owner loads")
            wait_until(lambda: all(node.metric("loads_waiting") for node in self.asked), "the others wait for it")
            self.nodes["c"].kill()
            return self.source.behave()
        for answer in in_threads(9, ask)[1:]:
            self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())))
        self.assertLessEqual(self.source.count(key), loads + 3, "one load for each node that had callers")


if __name__ == "__main__":
    main()
