"""larder groups, stats, cluster: tables for people, the node's own documents for programs."""

import json

import kit
from kit import NO, REFUSED, USAGE

GROUPS = """\
  - {name: users, max_bytes: 64MiB, ttl: 1h, negative_ttl: 1500ms, load_timeout: 2s}
  - {name: pages, max_bytes: 1MiB, max_value: 256KiB, eviction: {plugin: fifo}}
"""


def pairs(text):
    """The lines "name   value" before the first empty one."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in text.split("\n\n")[0].splitlines()}


class OneNode(kit.WithNodes):
    groups = GROUPS

    def test_groups(self):
        lines = self.out("groups").decode().splitlines()
        self.assertEqual(lines[0].split("  ")[0], "GROUP")
        self.assertEqual([line.split()[0] for line in lines[1:]], ["pages", "users"])
        self.assertRegex(lines[1], r"^pages +1 MiB +256 KiB +none +none +5 s +fifo +-$")
        self.assertRegex(lines[2], r"^users +64 MiB +16 MiB +1 h +1\.5 s +2 s +lru +-$")

    def test_columns_are_aligned_and_lines_end_clean(self):
        for command in (["groups"], ["stats"], ["stats", "users"]):
            with self.subTest(command=command):
                self.assertNotRegex(self.out(*command).decode(), r"[ \t]\n")
        first, second, third = self.out("groups").decode().splitlines()
        self.assertEqual({first.index("EVICTION"), second.index("fifo"), third.index("lru")},
                         {first.index("EVICTION")})

    def test_json_is_the_node_s_document(self):
        for command, path in ((["groups"], "/v1/groups"), (["cluster"], "/v1/cluster"),
                              (["stats", "pages"], "/v1/groups/pages/stats"),
                              (["stats", "pages", "--cluster"], "/v1/groups/pages/stats?cluster=true")):
            with self.subTest(command=command):
                self.assertEqual(self.out(*command, "--json").rstrip(b"\n"), kit.get(self.node, path)[2])
        document = self.document("stats")
        self.assertEqual(document["node"]["name"], "a")
        self.assertEqual([group["name"] for group in document["groups"]], ["pages", "users"])

    def test_stats_of_a_group_are_the_node_s(self):
        self.out("set", "pages", "key", "x" * 1000)
        self.out("get", "pages", "key")
        self.complaint("get", "pages", "other", code=NO)
        shown, document = pairs(self.out("stats", "pages").decode()), self.document("stats", "pages")
        self.assertEqual(document["entries"], 1)
        for name, value in document.items():
            if isinstance(value, int) and not name.endswith("_bytes") and not name.startswith("bytes_"):
                self.assertEqual(shown[name], str(value), name)
        self.assertEqual(shown["bytes_limit"], "1 MiB")
        self.assertEqual(shown["hit_ratio"], f"{100 * document['hit_ratio']:.1f} %")

    def test_latency_of_a_group(self):
        self.out("set", "users", "key", "x")
        text = self.out("stats", "users").decode()
        self.assertRegex(text, r"\nLATENCY +COUNT +MEAN +P50 +P95 +P99 +P99\.9\n")
        self.assertRegex(text, r"\nload +0 +- +- +- +- +-\n")
        self.assertRegex(text, r"\nset +[1-9]\d*( +[\d.]+ [num]s){5}\n")

    def test_stats_of_the_node(self):
        text = self.out("stats").decode()
        self.assertEqual(pairs(text)["node"], "a")
        self.assertRegex(pairs(text)["start_time_seconds"], r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$")
        self.assertRegex(text, r"\nGROUP +ENTRIES +USED +LIMIT +GETS +HITS +RATIO +FROM PEERS +LOADS ")

    def test_no_such_group(self):
        self.assertIn("no group nope", self.complaint("stats", "nope", code=NO))

    def test_cluster_wants_a_group(self):
        self.assertIn("GROUP", self.complaint("stats", "--cluster", code=USAGE))

    def test_no_cluster(self):
        self.assertEqual(pairs(self.out("cluster").decode()), {"node": "a", "role": "node", "cluster": "none"})


class ThreeNodes(kit.WithNodes):
    count = 3

    def test_members_and_shares(self):
        text = self.out("cluster").decode()
        self.assertEqual(pairs(text)["node"], "a")
        lines = text.split("\n\n")[1].splitlines()
        self.assertEqual(lines[0].split(), "MEMBER ADDRESS WEIGHT SHARE STATE AGREES REQUESTS FAILURES REASON".split())
        self.assertEqual([line.split()[:2] for line in lines[1:]],
                         [[name, url.removeprefix("http://")] for name, url in zip("abc", self.nodes.urls)])
        self.assertAlmostEqual(sum(float(line.split()[3]) for line in lines[1:]), 100, delta=0.2)

    def test_sums_over_the_cluster(self):
        for i in range(30):
            self.out("set", "users", f"key-{i}", "x")
        own = sum(self.document("stats", "users", "--node", url)["entries"] for url in self.nodes.urls)
        self.assertEqual(own, 30)
        self.assertEqual(self.document("stats", "users", "--cluster")["entries"], 30)
        self.assertEqual(pairs(self.out("stats", "users", "--cluster").decode())["entries"], "30")
        self.assertLess(self.document("stats", "users")["entries"], 30)

    def test_value_through_every_node(self):
        self.out("set", "users", "tom", "630", "--node", self.nodes.urls[0])
        for url in self.nodes.urls:
            self.assertEqual(self.out("get", "users", "tom", "--node", url), b"630")


class OtherServers(kit.Test):
    def stand_in(self, body, status=200):
        server = kit.StandIn(status, body if isinstance(body, bytes) else json.dumps(body).encode())
        self.addCleanup(server.stop)
        self.node = server.url

    def test_names_are_obeyed_by_no_terminal(self):
        evil, shown = "x\x1b[2J\x07\x9b\u202e", r"x\x1b[2J\x07\xc2\x9b\xe2\x80\xae"
        self.stand_in({"groups": [{"name": evil, "eviction": evil, "ttl": evil}], "node": {"name": evil}, "role": evil})
        for command in ("groups", "stats"):
            with self.subTest(command=command):
                text = self.out(command).decode()
                self.assertIn(shown, text)
                self.assertNotIn("\x1b", text)
        self.stand_in({"node": evil, "role": evil, "members": [{"name": evil, "reason": evil}]})
        text = self.out("cluster").decode()
        self.assertEqual(text.count(shown), 4)
        self.stand_in({"name": evil, evil: 1, "latency": {evil: {"count": 1}}})
        self.assertEqual(self.out("stats", "users").decode().count(shown), 3)

    def test_width_of_names_in_other_scripts(self):
        self.stand_in({"groups": [{"name": "ключ"}, {"name": "鍵"}, {"name": "key"}]})
        lines = self.out("groups").decode().splitlines()
        self.assertEqual([line.index("0 B") for line in lines[1:]], [13, 12, 13])  # the second name has two columns

    def test_documents_that_lack_everything(self):
        self.stand_in({})
        for command in (["groups"], ["stats"], ["stats", "users"], ["cluster"]):
            with self.subTest(command=command):
                self.out(*command)

    def test_documents_of_the_wrong_types(self):
        self.stand_in({"groups": [1, {"name": 5, "max_bytes": -1, "ttl": []}], "node": [], "members": ["a"],
                       "latency": 7, "entries": -3, "hit_ratio": "high"})
        for command in (["groups"], ["stats"], ["stats", "users"], ["cluster"]):
            with self.subTest(command=command):
                self.out(*command)

    def test_no_json(self):
        for body in (b"<html>", b"", b"{", b'{"a": "\xff"}'):
            self.stand_in(body)
            for command in (["groups"], ["stats", "users"], ["cluster", "--json"]):
                with self.subTest(command=command, body=body):
                    self.assertIn("not JSON", self.complaint(*command, code=REFUSED))

    def test_refusals(self):
        self.stand_in(b"", 503)
        for command in ("groups", "stats", "cluster"):
            with self.subTest(command=command):
                self.assertIn("503", self.complaint(command, code=REFUSED))

    def test_unreachable(self):
        self.node = f"http://127.0.0.1:{self.silent_port()}"
        for command in ("groups", "stats", "cluster"):
            with self.subTest(command=command):
                self.assertIn("Connection refused", self.complaint(command, code=REFUSED))


if __name__ == "__main__":
    kit.main()
