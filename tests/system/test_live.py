"""Policies at work in a running node: their misses are the simulator's, and they change under load."""

import glob
import http.client
import json
import os
import random
import signal
import subprocess
import threading

from kit import BUILD, LARDER, Case, loader, main, wait_until

POLICIES = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(BUILD, "plugins", "eviction", "*.so")))
REQUESTS = 3000
ENTRIES = 100  # one shard has them
SKETCHES = {"wtinylfu"}  # they depend on the digests of keys, which in a node are of a random seed
NEAR = 0.02  # and so much may the part of misses differ then
KEYS = 5000
LOAD = 1000000


def trace():
    """Keys of which few are asked for often, whose part moves on, and a loop."""
    chance = random.Random(20)
    often = [chance.randrange(chance.randrange(1, 400)) + i // 50 for i in range(REQUESTS)]
    return [str(i % 250 if i % 5 == 0 else key) for i, key in enumerate(often)]


def larder(*arguments):
    run = subprocess.run([LARDER, *arguments, "--json"], capture_output=True, text=True, timeout=600)
    if run.returncode != 0:
        raise AssertionError(f"{arguments}: {run.stderr}")
    return json.loads(run.stdout)


class Live(Case):
    def bench(self, node, *arguments):
        return larder("bench", "--node", f"http://127.0.0.1:{node.port}", *arguments)

    def test_misses_are_the_simulators(self):
        keys, path = trace(), os.path.join(self.directory, "trace.txt")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(key + "\n" for key in keys)
        simulated = {row["policy"]: row["misses"] for row in
                     larder("sim", "--trace", path, "--policy", ",".join(POLICIES), "--size", str(ENTRIES))}
        self.assertEqual(sorted(simulated), POLICIES)
        source = self.origin()
        groups = [{"name": policy, "eviction": policy, "max_entries": ENTRIES, "exact_hits": True,
                   "loader": loader(source)} for policy in POLICIES]
        node = self.started(groups=groups)
        for policy, expected in simulated.items():
            report = self.bench(node, "--trace", path, "--group", policy, "--connections", "1")
            self.assertEqual((report["requests"], report["failed"]), (len(keys), 0), policy)
            misses = int(node.metric("misses_total", group=policy))
            print(f"{policy}: {misses} misses, {expected} simulated", flush=True)
            if policy in SKETCHES:
                self.assertLessEqual(abs(misses - expected) / len(keys), NEAR, policy)
            else:
                self.assertEqual(misses, expected, policy)
            self.assertEqual(node.metric("loads_total", group=policy), misses, policy)
            self.assertEqual(node.metric("entries", group=policy), ENTRIES, policy)
            self.assertEqual(node.metric("entries_limit", group=policy), ENTRIES, policy)

    def put_group(self, node, **settings):
        answer = node.ask("PUT", "/v1/groups/g", json.dumps(settings).encode())
        self.assertEqual(answer.status, 204, answer.body)

    def test_policies_and_limits_change_under_load(self):
        node = self.started(groups=[{"name": "g", "max_bytes": "64MiB"}])
        sets, mixed = (os.path.join(self.directory, name) for name in ("sets.txt", "mixed.txt"))
        with open(sets, "w", encoding="ascii") as file:
            file.writelines(f"{key},100,w\n" for key in range(KEYS))
        with open(mixed, "w", encoding="ascii") as file:  # more than are needed: it is ended when all is done
            file.writelines(f"{i * 7919 % KEYS},100,{'w' if i % 10 == 0 else 'r'}\n" for i in range(LOAD))
        self.bench(node, "--group", "g", "--trace", sets)
        load = subprocess.Popen([LARDER, "bench", "--node", f"http://127.0.0.1:{node.port}", "--group", "g", "--trace",
                                 mixed, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            before = node.metric("gets_total", group="g")
            wait_until(lambda: node.metric("gets_total", group="g") > before, "the load has begun")
            for policy in POLICIES + ["lru"]:
                self.put_group(node, eviction=policy)
                self.assertEqual(node.metric("entries", group="g"), KEYS, policy)
            self.put_group(node, eviction={"plugin": "2q", "in_share": 0.5})
            self.put_group(node, max_bytes="48MiB", max_entries=2 * KEYS)
            self.assertEqual(node.metric("evictions_total", group="g"), 0)
            self.assertEqual(node.metric("misses_total", group="g"), 0)
            shown = json.loads(node.ask("GET", "/v1/groups/g").body)
            self.assertEqual((shown["max_bytes"], shown["max_entries"]), (48 << 20, 2 * KEYS))
            self.put_group(node, max_entries=KEYS // 2)
            self.assertEqual(node.metric("entries", group="g"), KEYS // 2)
            after = node.metric("gets_total", group="g")
            wait_until(lambda: node.metric("gets_total", group="g") > after, "the load goes on")
        finally:
            load.terminate()
            load.wait()

    def test_a_change_keeps_no_connection_waiting(self):
        """Both connections share the only worker of the transport, which goes on while 200,000 entries are moved."""
        node = self.started(groups=[{"name": "g", "max_bytes": "256MiB"}], http={"workers": 1})
        sets = os.path.join(self.directory, "sets.txt")
        with open(sets, "w", encoding="ascii") as file:
            file.writelines(f"{key},8,w\n" for key in range(200000))
        self.bench(node, "--group", "g", "--trace", sets)
        answered, over = 0, threading.Event()

        def change():
            self.put_group(node, eviction="2q")
            over.set()

        changing = threading.Thread(target=change)
        with node.client() as client:
            client.get("g", "1")
            changing.start()
            while not over.is_set():
                self.assertEqual(client.get("g", "1").status, 200)
                answered += not over.is_set()
        changing.join()
        self.assertEqual(node.metric("entries", group="g"), 200000)
        print(f"{answered} gets answered meanwhile", flush=True)
        self.assertGreater(answered, 4)  # one or two may come before the change begins

    def test_a_node_that_goes_answers_a_change_first(self):
        node = self.started(groups=[{"name": "g", "max_bytes": "256MiB"}], http={"workers": 1})
        sets = os.path.join(self.directory, "sets.txt")
        with open(sets, "w", encoding="ascii") as file:
            file.writelines(f"{key},8,w\n" for key in range(100000))
        self.bench(node, "--group", "g", "--trace", sets)
        caller = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
        caller.request("PUT", "/v1/groups/g", json.dumps({"eviction": "arc"}))
        node.signal(signal.SIGTERM)
        try:
            with caller.getresponse() as response:
                self.assertIn(response.status, (204, 503))
        except ConnectionError:
            pass  # it went before it had read the request
        caller.close()
        self.assertEqual(node.process.wait(60), 0)


if __name__ == "__main__":
    main()
