"""larder bench: what it sends, what it counts, and traces in every form."""

import gzip
import json
import os
import signal
import subprocess

import kit
from kit import NO, REFUSED, USAGE

TRACE = b"".join(b"key-%d\n" % (i * i % 37) for i in range(400))
DISTINCT = len(set(TRACE.split()))


def zstd(data):
    """zstd's plainest form, one block as it is: the standard library cannot compress with it."""
    assert len(data) < 1 << 17
    head = b"\x28\xb5\x2f\xfd" + b"\xa0" + len(data).to_bytes(4, "little")  # one segment, its size in four bytes
    return head + (len(data) << 3 | 1).to_bytes(3, "little") + data


class Bench(kit.Test):
    def file(self, content):
        path = os.path.join(self.scratch(), "trace")
        with open(path, "wb") as file:
            file.write(content)
        return path

    def bench(self, *arguments, **more):
        return self.document("bench", *arguments, **more)


class Replay(Bench):
    """Against a stand-in, which remembers what it was asked."""

    def setUp(self):
        self.server = kit.StandIn(200, b'{"groups":[]}')
        self.addCleanup(self.server.stop)
        self.node = self.server.url

    def replay(self, content, *arguments):
        """The requests that a trace leads to, in its order."""
        self.server.asked.clear()
        self.out("bench", "--trace", self.file(content), "--connections", "1", *arguments)
        return [asked for asked in self.server.asked if asked[1] != "/stats"]

    def test_requests_in_the_order_of_the_trace(self):
        self.assertEqual([(method, path.removeprefix("/v1/groups/g%2Bh/keys/")) for method, path, _, _ in
                          self.replay(b"a\nc/d\nb,3,GET\ng,,r\r\n\xff\0 ,9,read\nh", "--group", "g+h")],
                         [("GET", "a"), ("GET", "c%2Fd"), ("GET", "b"), ("GET", "g"), ("GET", "%FF%00%20"),
                          ("GET", "h")])

    def test_plain_gzip_zstd_are_the_same(self):
        wanted = [f"/v1/groups/default/keys/{line}" for line in TRACE.decode().split()]
        half = TRACE.index(b"\n", len(TRACE) // 2) + 1
        for name, content in (("plain", TRACE), ("gzip", gzip.compress(TRACE)), ("zstd", zstd(TRACE)),
                              ("two gzip", gzip.compress(TRACE[:half]) + gzip.compress(TRACE[half:])),
                              ("two zstd", zstd(TRACE[:half]) + zstd(TRACE[half:]))):
            with self.subTest(form=name):
                self.assertEqual([asked[1] for asked in self.replay(content)], wanted)

    def test_standard_input(self):
        self.out("bench", "--trace", "-", "--connections", "1", stdin=gzip.compress(b"a\nb\n"))
        self.assertEqual([asked[1][-1] for asked in self.server.asked if asked[1] != "/stats"], ["a", "b"])

    def test_empty_trace(self):
        self.assertEqual(self.replay(b""), [])

    def test_only_the_first_requests(self):
        self.assertEqual(len(self.replay(TRACE, "--requests", "7")), 7)

    def test_malformed_lines_are_named(self):
        for line, field in ((b"", "key"), (b",5", "key"), (b"a,x", "size"), (b"a,-1", "size"), (b"a,1,frob", "op"),
                            (b"a,1,set,soon", "ttl"), (b"a,1,set,1,more", "ttl"), (b"a,99999999999999999999", "size"),
                            (b"k" * 65536, "key"), (b"k" * 200000, "line"), (b"a,1,set,1\x001", "ttl")):
            with self.subTest(line=line[:20]):
                path = self.file(b"a\nb\n" + line + b"\nc\n")
                message = self.complaint("bench", "--trace", path, "--connections", "1", code=NO)
                self.assertIn(path + ":3: ", message)
                self.assertIn(field, message)

    def test_broken_archives(self):
        for whole in (gzip.compress(TRACE), zstd(TRACE)):
            for broken in (whole[:-9], whole[:5] + b"\xff" * 50, whole + b"garbage"):
                with self.subTest(start=whole[:4], size=len(broken)):
                    path = self.file(broken)
                    self.assertIn(path + ":", self.complaint("bench", "--trace", path, code=NO))

    def test_no_such_trace(self):
        self.assertIn("/nonexistent/trace", self.complaint("bench", "--trace", "/nonexistent/trace", code=NO))
        self.complaint("bench", "--trace", "/", code=NO)


class OneNode(kit.WithNodes, Bench):
    groups = "  - {name: default, max_bytes: 64MiB}\n  - {name: tiny, max_bytes: 64KiB, max_value: 1KiB}\n" \
             "  - {name: zipf, max_bytes: 64MiB}\n"

    def test_operations_of_a_trace(self):
        trace = self.file(b"t-a,10,set\nt-b,,w,50m\nt-c,0,put,none\nt-a\nt-x\nt-a,0,del\nt-a,0,del\nt-d,3,set,700\n")
        result = self.bench("--trace", trace, "--connections", "1", "--value-size", "5")
        self.assertEqual(result["requests"], 8)
        self.assertEqual({name: one["count"] for name, one in result["latency"].items()}, {"get": 2, "set": 4, "del": 2})
        self.assertEqual((result["hits"]["local"], result["not_found"], result["failed"]), (1, 2, 0))
        self.assertEqual((result["bytes_written"], result["bytes_read"]), (18, 10))
        self.complaint("get", "default", "t-a", code=NO)
        self.assertEqual([len(self.out("get", "default", "t-" + key)) for key in "bcd"], [5, 0, 3])
        ages = [kit.get(self.node, "/v1/groups/default/keys/t-" + key)[1].get("Cache-Control") for key in "bd"]
        self.assertRegex(ages[0], r"^max-age=(2\d\d\d|3000)$")
        self.assertRegex(ages[1], r"^max-age=([1-6]?\d\d|700)$")

    def test_longest_key(self):
        result = self.bench("--trace", self.file(b"k" * 65535 + b",5,set\n" + b"k" * 65535), "--connections", "1")
        self.assertEqual(result["hits"]["local"], 1)

    def test_random_keys(self):
        result = self.bench("--requests", "3000", "--keys", "100", "--get-ratio", "0.5", "--value-size", "1KiB")
        gets, sets = result["latency"]["get"]["count"], result["latency"]["set"]["count"]
        self.assertEqual(gets + sets, 3000)
        self.assertIn(gets, range(1300, 1700))
        self.assertEqual(result["bytes_written"], 1024 * sets)
        self.assertEqual(result["hits"]["local"] + result["not_found"], gets)
        self.assertEqual((result["failed"], result["errors"]), (0, {}))

    def keys_of(self, *arguments):
        """How many distinct keys so many sets have made."""
        before = self.document("stats", "zipf")["entries"]
        self.bench("--group", "zipf", "--requests", "2000", "--get-ratio", "0", *arguments)
        return self.document("stats", "zipf")["entries"] - before

    def test_popular_keys_are_preferred(self):
        self.assertIn(self.keys_of("--keys", "100000000", "--zipf", "2"), range(20, 200))
        self.assertGreater(self.keys_of("--keys", "100000000", "--zipf", "0"), 1950)

    def test_seed_decides_the_keys(self):
        arguments = ["--keys", "1000000000000", "--zipf", "0", "--seed"]
        self.assertEqual(self.keys_of(*arguments, "7"), 2000)
        self.assertEqual(self.keys_of(*arguments, "7"), 0)
        self.assertEqual(self.keys_of(*arguments, "8"), 2000)

    def test_percentiles_are_in_order(self):
        result = self.bench("--requests", "500")
        for latency in (result["latency"]["get"], result["latency"]["set"]):
            times = [latency[name] for name in ("p50_ns", "p95_ns", "p99_ns", "p99.9_ns", "max_ns")]
            self.assertEqual(times, sorted(times))
            self.assertGreater(times[0], 0)
            self.assertLessEqual(latency["sum_ns"], latency["count"] * latency["max_ns"])

    def test_end_after_a_time(self):
        result = self.bench("--duration", "1s", "--requests", "1000000000")
        self.assertGreater(result["requests"], 0)

    def test_table(self):
        text = self.out("bench", "--requests", "200").decode()
        self.assertRegex(text, r"(?m)^requests +200$")
        self.assertRegex(text, r"(?m)^failed +0 +0\.00 %$")
        self.assertRegex(text, r"(?m)^LATENCY +COUNT +MEAN +P50 +P95 +P99 +P99\.9 +MAX$")
        self.assertRegex(text, r"(?m)^get +\d+( +[\d.]+ [num]?s){6}$")
        self.assertNotRegex(text, r"[ \t]\n")

    def test_progress_on_a_terminal_only(self):
        seen = self.on_terminal("bench", "--duration", "300ms", stream="stderr")
        self.assertRegex(seen, rb"\[#+\.*\] +\d+ %  \d+ requests")
        self.assertTrue(seen.endswith(b"\r\033[K"), seen[-40:])
        self.out("bench", "--requests", "50")  # nothing on standard error

    def test_values_that_do_not_fit_are_failures(self):
        out, err = self.larder("bench", "--json", "--group", "tiny", "--requests", "20", "--get-ratio", "0",
                               "--value-size", "2KiB", code=NO)
        result = json.loads(out)
        self.assertEqual((result["failed"], result["errors"]), (20, {"413": 20}))
        self.assertEqual(err, b"larder: bench: 20 of 20 requests failed\n")

    def test_no_such_group_is_a_failure_and_no_miss(self):
        out, _ = self.larder("bench", "--group", "nope", "--requests", "10", code=NO)
        self.assertRegex(out.decode(), r"(?m)^error: status 404 +10 +100\.00 %$")
        self.assertRegex(out.decode(), r"(?m)^not found +0 ")
        self.assertRegex(out.decode(), r"(?m)^origin loads +unknown$")

    def test_interrupted_run_shows_what_it_has(self):
        with subprocess.Popen([kit.LARDER, "bench", "--requests", "1000000000", "--json", "--node", self.node],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=kit.environment()) as process:
            gets = self.document("stats", "default")["gets"]
            while self.document("stats", "default")["gets"] <= gets:
                pass
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=kit.PATIENCE)
        self.assertEqual((process.returncode, err), (NO, b"larder: bench: interrupted\n"))
        self.assertGreater(json.loads(out)["requests"], 0)


class ThreeNodes(Bench):
    """The main job: three nodes in front of an origin."""

    def setUp(self):
        self.origin = kit.StandIn(200, b"value of the origin", kind="text/plain")
        self.addCleanup(self.origin.stop)
        self.nodes = kit.Nodes(
            f'  - {{name: default, max_bytes: 64MiB, loader: {{plugin: http, url: "{self.origin.url}/{{key}}"}}}}\n', 3)
        self.addCleanup(self.nodes.stop)
        self.all = [argument for url in self.nodes.urls for argument in ("--node", url)]

    def test_every_key_is_loaded_once(self):
        result = self.bench("--trace", self.file(TRACE), *self.all)
        self.assertEqual(result["origin_loads"], DISTINCT)
        self.assertEqual(len(self.origin.asked), DISTINCT)
        self.assertEqual(sum(result["hits"].values()), result["requests"])
        self.assertEqual(result["requests"], TRACE.count(b"\n"))
        self.assertEqual(result["bytes_read"], len(self.origin.body) * result["requests"])
        self.assertGreater(result["hits"]["peer"], 0)
        again = self.bench("--trace", self.file(TRACE), *self.all)
        self.assertEqual(self.document("stats", "default", "--cluster", "--node", self.nodes.urls[0])["loads"], DISTINCT)
        self.assertEqual((again["origin_loads"], again["hits"]["loader"]), (0, 0))
        self.assertTrue(all(self.document("stats", "--node", url)["node"]["connections_accepted"] > 4
                            for url in self.nodes.urls), "connections are spread over all nodes")

    def test_node_that_is_named_twice_counts_once(self):
        url = self.nodes.urls[0]
        result = self.bench("--trace", self.file(TRACE), "--node", url, "--node", url)
        own = self.document("stats", "default", "--node", url)["loads"]
        self.assertEqual(result["origin_loads"], own)
        self.assertGreater(own, 0)

    def test_unreachable_nodes(self):
        port = self.silent_port()
        line = self.complaint("bench", *self.all, "--node", f"http://127.0.0.1:{port}", code=REFUSED)
        self.assertEqual(line, f"larder: cannot reach http://127.0.0.1:{port}: Connection refused\n")

    def test_connections_for_all_nodes(self):
        self.assertIn("--connections: got 2", self.complaint("bench", *self.all, "--connections", "2", code=USAGE))

    def gets(self, url):
        return self.document("stats", "default", "--node", url)["gets"]

    def wait_for_gets(self, url, more):
        wanted = self.gets(url) + more
        while self.gets(url) < wanted:
            pass

    def test_node_that_dies_is_counted_and_said(self):
        with subprocess.Popen([kit.LARDER, "bench", "--duration", "1h", *self.all], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=kit.environment()) as process:
            self.wait_for_gets(self.nodes.urls[1], 10)
            victim = self.nodes.processes.pop(1)
            victim.kill()
            victim.wait()
            self.wait_for_gets(self.nodes.urls[0], 100)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=kit.PATIENCE)
        self.assertEqual(process.returncode, NO)
        self.assertRegex(out.decode(), r"(?m)^error: [A-Z].* +[1-9]\d* ")
        self.assertRegex(out.decode(), r"(?m)^origin loads +unknown$")
        self.assertRegex(err.decode(), r"^larder: cannot reach \S+: Connection refused\nlarder: bench: interrupted\n"
                                       r"larder: bench: \d+ of \d+ requests failed\n$")


if __name__ == "__main__":
    kit.main()
