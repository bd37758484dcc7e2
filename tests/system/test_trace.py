"""A trace replayed over all nodes of a cluster with room for everything: one request of the origin for each key.

The trace is LARDER_TRACES/lirs_gli.txt.zst, LARDER_TRACES being ../shared/traces beside the checkout unless it is set;
where there is none, one of the same shape is generated. Which one it is stands in the output.
"""

import json
import os
import random
import subprocess

from kit import LARDER, ROOT, Case, in_threads, loader, main, value_of

TRACES = os.environ.get("LARDER_TRACES", os.path.join(os.path.dirname(ROOT), "shared", "traces"))
FILE = os.path.join(TRACES, "lirs_gli.txt.zst")
GENERATED = (6000, 2500)  # requests, distinct keys: as many as the real one has, about
THREADS = 6
SHARE = 1.35  # the most that a node's part may differ from an equal one, as a ratio


def generated():
    """A loop over all keys with repetitions of some: what the real trace is."""
    requests, distinct = GENERATED
    chance = random.Random(20)
    again = [chance.randrange(distinct) for _ in range(requests - distinct)]
    keys = [str(i) for i in list(range(distinct)) + again]
    return keys


def trace():
    if os.path.exists(FILE):
        text = subprocess.run(["zstd", "-dcq", FILE], check=True, capture_output=True, text=True).stdout
        keys = [line.split(",")[0] for line in text.splitlines() if line]
        print(f"trace: {FILE}: {len(keys)} requests, {len(set(keys))} keys", flush=True)
    else:
        keys = generated()
        print(f"trace: generated, {FILE} is not there: {len(keys)} requests, {len(set(keys))} keys", flush=True)
    return keys


class Trace(Case):
    def setUp(self):
        super().setUp()
        self.keys = trace()
        self.distinct = sorted(set(self.keys))
        self.source = self.origin()
        self.nodes = self.cluster(groups=[{"name": "users", "max_bytes": "64MiB", "loader": loader(self.source)}])

    def check_origin_and_shares(self):
        counts = self.source.counts()
        self.assertEqual(len(counts), len(self.distinct))
        self.assertEqual([key for key, count in counts.items() if count != 1], [], "loaded more than once")
        entries = {node.name: node.metric("entries", group="users") for node in self.nodes.nodes()}
        self.assertEqual(sum(entries.values()), len(self.distinct))
        mean = len(self.distinct) / len(self.nodes)
        self.assertLessEqual(max(entries.values()) / mean, SHARE, entries)
        self.assertLessEqual(mean / min(entries.values()), SHARE, entries)
        print(f"entries: {entries}", flush=True)

    def check_every_value(self):
        """Byte for byte what the origin holds, from every node."""
        for node in self.nodes.nodes():
            with node.client() as client:
                for key in self.distinct:
                    answer = client.get("users", key)
                    self.assertEqual((answer.status, answer.body), (200, value_of(key.encode())), key)

    def test_replay_by_threads(self):
        nodes = self.nodes.nodes()

        def replay(i):
            """Every sixth request, through each node in turn, as clients behind a load balancer would."""
            clients = [self.enterContext(node.client()) for node in nodes]
            for turn, key in enumerate(self.keys[i::THREADS]):
                answer = clients[turn % len(clients)].get("users", key)
                if (answer.status, answer.body) != (200, value_of(key.encode())):
                    raise AssertionError(f"{key}: {answer}")
        in_threads(THREADS, replay)
        self.check_origin_and_shares()
        self.check_every_value()
        self.check_origin_and_shares()

    def test_replay_by_larder_bench(self):
        path = os.path.join(self.directory, "trace.txt")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(key + "\n" for key in self.keys)
        command = [LARDER, "bench", "--trace", path, "--group", "users", "--json"]
        for node in self.nodes.nodes():
            command += ["--node", f"http://127.0.0.1:{node.port}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)
        report = json.loads(run.stdout)
        self.assertEqual((report["requests"], report["failed"], report["not_found"]), (len(self.keys), 0, 0))
        self.assertEqual(report["origin_loads"], len(self.distinct))
        self.check_origin_and_shares()
        self.check_every_value()
        self.check_origin_and_shares()


if __name__ == "__main__":
    main()
