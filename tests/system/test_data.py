"""Any bytes are a key and a value, budgets hold, and looking at a cache changes nothing."""

import random

from kit import SANITIZER, Case, loader, main, value_of, wait_until

GROUP = "default"
MIB = 1 << 20


def memory_of(node, field):
    """A line of /proc/PID/status, in bytes."""
    with open(f"/proc/{node.pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(field + ":")).split()[1]) * 1024


class Bytes(Case):
    KEYS = [b"a b", b"a+b", b"a/b", b"a%2Fb", b"%", b"\0", b"\r\n", b"\xff\xfe", b"../..", b"..", b".", b"keys", b"stats",
            b"batch", b"metrics", b"a?b", b"a#b", b"a&b=c", bytes(range(256)), b"k" * 1000]

    def test_fault_14_any_bytes_are_a_key_on_every_node(self):
        source = self.origin()
        nodes = self.cluster(groups=[{"name": GROUP}, {"name": "users", "loader": loader(source)}]).nodes()
        clients = [self.enterContext(node.client()) for node in nodes]
        longest = [b"\xfe" * 65535, b"l" * 65535]
        for i, key in enumerate(self.KEYS + longest):
            self.assertEqual(clients[i % 3].put(GROUP, key, f"value {i}".encode()).status, 201, key[:50])
        for i, key in enumerate(self.KEYS + longest):
            for client in clients:
                self.assertEqual(client.get(GROUP, key).body, f"value {i}".encode(), key[:50])
        for i, key in enumerate(self.KEYS + longest):
            self.assertEqual(clients[(i + 1) % 3].delete(GROUP, key).status, 204, key[:50])
            self.assertEqual(clients[(i + 2) % 3].get(GROUP, key).status, 404, key[:50])
        for key in self.KEYS:
            # In the path of a URL these lead to another path: the origin is not asked for them.
            leads_away = b"." in key and not key.strip(b"./")
            for client in clients:
                answer = client.get("users", key)
                if leads_away:
                    self.assertEqual(answer.status, 502, key)
                else:
                    self.assertEqual((answer.status, answer.body), (200, value_of(key)), key[:50])
            self.assertEqual(source.count(key), 0 if leads_away else 1, key[:50])
        self.assertEqual(clients[0].get(GROUP, b"m" * 65536).status, 413)

    def test_fault_16_empty_value_is_a_value(self):
        nodes = self.cluster().nodes()
        for i in range(20):
            self.assertEqual(nodes[i % 3].put(GROUP, f"empty {i}", b"").status, 201)
            for node in nodes:
                answer = node.get(GROUP, f"empty {i}")
                self.assertEqual((answer.status, answer.body, answer.headers["Content-Length"]), (200, b"", "0"))
            self.assertEqual(nodes[i % 3].put(GROUP, f"empty {i}", b"no more").status, 204)
            self.assertEqual(nodes[(i + 1) % 3].get(GROUP, f"empty {i}").body, b"no more")

    def test_fault_15_no_key_answers_with_the_value_of_another(self):
        """A long mix of writes and deletes on a cache that is too small: what is answered is what was written last."""
        nodes = self.cluster(groups=[{"name": GROUP, "max_bytes": "64KiB"}]).nodes()
        clients = [self.enterContext(node.client()) for node in nodes]
        chance, last = random.Random(15), {}
        for turn in range(4000):
            key, client = f"key {chance.randrange(600)}", clients[turn % 3]
            what = chance.randrange(10)
            if what < 5:
                last[key] = f"{key} turn {turn} ".encode() * chance.randrange(1, 30)
                self.assertIn(client.put(GROUP, key, last[key]).status, (201, 204))
            elif what < 6:
                self.assertIn(client.delete(GROUP, key).status, (204, 404))
                last.pop(key, None)
            else:
                answer = client.get(GROUP, key)
                self.assertIn(answer.status, (200, 404))
                if answer.status == 200:
                    self.assertEqual(answer.body, last.get(key))
        self.assertGreater(sum(node.metric("evictions_total", group=GROUP) for node in nodes), 0)

    def test_values_up_to_the_limit(self):
        node = self.started(groups=[{"name": GROUP, "max_bytes": "64MiB"}])
        limit = 16 * MIB
        value = random.Random(3).randbytes(limit)
        self.assertEqual(node.put(GROUP, "limit", value).status, 201)
        self.assertEqual(node.get(GROUP, "limit").body, value)
        self.assertEqual(node.put(GROUP, "more", value + b"x").status, 413)
        self.assertEqual(node.get(GROUP, "limit").body, value)


class Budgets(Case):
    def test_fault_18_a_budget_holds_whatever_is_written(self):
        node = self.started(groups=[{"name": GROUP, "max_bytes": "2MiB"}])
        chance = random.Random(18)
        start, most, written = memory_of(node, "VmRSS"), 0, 0
        with node.client() as client:
            turn = 0
            while written < 50 * MIB:
                value = chance.randbytes(chance.choice((100, 5000, 20000, 60000, 200000)))
                self.assertIn(client.put(GROUP, f"key {turn}", value).status, (201, 204))
                self.assertEqual(client.get(GROUP, f"key {turn}").body, value, "what was written last is there")
                written, turn = written + len(value), turn + 1
                if turn % 50 == 0:
                    most = max(most, node.metric("bytes_used", group=GROUP))
        self.assertLessEqual(most, 2 * MIB)
        self.assertGreater(most, 2 * MIB * 0.6, "the budget is used")
        self.assertGreater(node.metric("evictions_total", group=GROUP), 0)
        grown = memory_of(node, "VmHWM") - start
        print(f"{written} bytes written, at most {most:.0f} held, the process grew by {grown} bytes at most", flush=True)
        if SANITIZER:
            print("the memory of the process says nothing under a sanitizer: not checked", flush=True)
        else:
            self.assertLessEqual(grown, 32 * MIB)

    def test_fault_19_two_kibibytes_are_a_cache(self):
        node = self.started(groups=[{"name": GROUP, "max_bytes": "2KiB"}])
        for i in range(50):
            self.assertEqual(node.put(GROUP, f"key {i}", f"value {i}").status, 201)
            self.assertEqual(node.get(GROUP, f"key {i}").body, f"value {i}".encode())
        metrics = node.metrics()
        self.assertGreater(metrics.value("entries", group=GROUP), 1)
        self.assertLessEqual(metrics.value("bytes_used", group=GROUP), 2048)
        self.assertGreater(metrics.value("evictions_total", group=GROUP), 0)
        self.assertEqual(node.put(GROUP, "half", b"h" * 900).status, 201, "up to half of the budget fits")
        self.assertEqual(node.get(GROUP, "half").body, b"h" * 900)
        self.assertIn(node.put(GROUP, "too much", b"x" * 4000).status, (413, 507))

    def test_fault_21_replacing_values_leaks_nothing(self):
        node = self.started(groups=[{"name": GROUP, "max_bytes": "1MiB"}])
        chance = random.Random(21)
        with node.client() as client:
            self.assertEqual(client.put(GROUP, "one", b"x" * 1000).status, 201)
            alone = node.metric("bytes_used", group=GROUP)
            for _ in range(3000):
                self.assertEqual(client.put(GROUP, "one", b"y" * chance.randrange(8000)).status, 204)
            self.assertEqual(client.put(GROUP, "one", b"x" * 1000).status, 204)
            # What was replaced is reclaimed with a delay, and counted as long as it is there.
            wait_until(lambda: node.metric("bytes_used", group=GROUP) <= alone, "no byte is left of what was replaced")
            self.assertEqual(node.metric("value_bytes", group=GROUP), len("one") + 1000)
            self.assertEqual(node.metric("entries", group=GROUP), 1)
            self.assertEqual(node.metric("evictions_total", group=GROUP), 0)

    def test_fault_27_statistics_touch_no_key(self):
        """Those used last stay, with every page of statistics read in between, as without."""
        node = self.started(groups=[{"name": GROUP, "max_bytes": "32KiB", "eviction": "lru"}])
        pages = ("/metrics", "/stats", "/status", "/v1/groups", f"/v1/groups/{GROUP}", f"/v1/groups/{GROUP}/stats",
                 "/api/stats")

        def survivors(look):
            self.assertEqual(node.ask("DELETE", f"/v1/groups/{GROUP}/keys").status, 204)
            with node.client() as client:
                for i in range(600):
                    client.put(GROUP, f"{i:04}", b"v" * 100)
                    if i % 10 == 0:
                        client.get(GROUP, "0000")
                    if look and i % 20 == 0:
                        for page in pages:
                            self.assertEqual(client.ask("GET", page).status, 200)
                return {i for i in range(600) if client.get(GROUP, f"{i:04}").status == 200}
        for look in (False, True):
            left = survivors(look)
            self.assertTrue(40 < len(left) < 400, left)
            self.assertIn(0, left, "what is read stays")
            old = {i for i in left - {0} if i < 600 - len(left)}
            self.assertLess(len(old), len(left) / 10, "whatever was written long ago is gone")


if __name__ == "__main__":
    main()
