"""The HTTP door of real nodes: the suite of tests/http against them, the earlier system's routes, groups across the cluster."""

import base64
import json
import os
import re
import subprocess
import sys

from kit import ROOT, Case, in_threads, key_path, loader, main, value_of, wait_until

GROUP = "default"


class Suite(Case):
    """What the server is tested with alone must be so with a node, and a cluster, behind it."""

    def check(self, node):
        environment = {**os.environ, "LARDER_HTTP_URL": f"http://127.0.0.1:{node.port}", "LARDER_HTTP_GROUP": "g"}
        for script, least in (("test_routes.py", 10), ("test_wire.py", 10), ("test_limits.py", 1)):
            with self.subTest(script):
                run = subprocess.run([sys.executable, "-B", script], cwd=os.path.join(ROOT, "tests", "http"),
                                     env=environment, capture_output=True, text=True)
                self.assertEqual(run.returncode, 0, run.stderr)
                ran = int(re.search(r"Ran (\d+) tests?", run.stderr)[1])
                skipped = re.search(r"skipped=(\d+)", run.stderr)
                self.assertGreaterEqual(ran - int(skipped[1] if skipped else 0), least, run.stderr)

    def test_a_node(self):
        self.check(self.started(groups=[{"name": "g"}, {"name": "default"}]))

    def test_a_cluster(self):
        self.check(self.cluster(groups=[{"name": "g"}, {"name": "default"}])["b"])


class EarlierRoutes(Case):
    def curl(self, *arguments):
        """The status, and the body."""
        text = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *arguments], capture_output=True, text=True,
                              check=True).stdout
        body, _, status = text.rpartition("\n")
        return int(status), body

    def test_word_for_word(self):
        """As the earlier system documents them, each line through another node."""
        nodes = self.cluster().nodes()
        url = [f"http://localhost:{node.port}" for node in nodes]
        for i, (key, value) in enumerate((("Tom", "630"), ("Jack", "589"), ("Sam", "567"))):
            self.assertEqual(self.curl("-X", "POST", f"{url[i]}/api/set?key={key}", "-d", value), (200, "OK"))
        for each in url:
            self.assertEqual(self.curl(f"{each}/api?key=Tom"), (200, "630"))
            status, body = self.curl(f"{each}/api/stats")
            self.assertEqual(status, 200)
            self.assertRegex(body, r'^\{"keys_count": \d+, "bytes_used": \d+\}\s*$')
            stats = json.loads(body)
            self.assertEqual((stats["keys_count"], set(stats)), (3, {"keys_count", "bytes_used"}))
        self.assertEqual(self.curl("-X", "DELETE", f"{url[1]}/api/delete?key=Tom"), (200, "OK"))
        for each in url:
            self.assertEqual(self.curl(f"{each}/api?key=Tom"), (404, "key not found: Tom"))
            self.assertEqual(self.curl(f"{each}/api"), (400, "key parameter is required"))
            self.assertEqual(self.curl("-X", "POST", f"{each}/api/set", "-d", "x"), (400, "key parameter is required"))
            self.assertEqual(self.curl("-X", "DELETE", f"{each}/api/delete"), (400, "key parameter is required"))
            self.assertEqual(self.curl("-X", "PUT", f"{each}/api?key=Tom", "-d", "x")[0], 405)
            self.assertEqual(self.curl(f"{each}/api/set?key=Tom")[0], 405)
            self.assertEqual(json.loads(self.curl(f"{each}/api/stats")[1])["keys_count"], 2)

    def test_other_groups(self):
        nodes = self.cluster(groups=[{"name": "default"}, {"name": "other"}]).nodes()
        url = [f"http://localhost:{node.port}" for node in nodes]
        self.assertEqual(self.curl("-X", "POST", f"{url[0]}/api/set?key=Tom&group=other", "-d", "1"), (200, "OK"))
        self.assertEqual(self.curl(f"{url[1]}/api?key=Tom&group=other"), (200, "1"))
        self.assertEqual(self.curl(f"{url[1]}/api?key=Tom")[0], 404)


class Keys(Case):
    """Conditions, versions and times to live hold whichever node is asked."""

    def setUp(self):
        super().setUp()
        self.nodes = self.cluster()
        self.clients = [self.enterContext(node.client()) for node in self.nodes.nodes()]

    def test_versions_are_the_same_everywhere(self):
        for i in range(20):
            tag = self.clients[i % 3].put(GROUP, f"key {i}", "x").headers["ETag"]
            for client in self.clients:
                answer = client.get(GROUP, f"key {i}")
                self.assertEqual(answer.headers["ETag"], tag)
                self.assertEqual(client.get(GROUP, f"key {i}", **{"If-None-Match": tag}).status, 304)
                self.assertEqual(client.get(GROUP, f"key {i}", **{"If-None-Match": '"1.1"'}).status, 200)

    def test_conditional_writes(self):
        for i in range(20):
            first, second, third = (self.clients[(i + n) % 3] for n in range(3))
            key, new, present = f"key {i}", {"If-None-Match": "*"}, {"If-Match": "*"}
            self.assertEqual(first.put(GROUP, key, "x", **present).status, 412)
            tag = first.put(GROUP, key, "1", **new)
            self.assertEqual(tag.status, 201)
            self.assertEqual(second.put(GROUP, key, "x", **new).status, 412)
            again = third.put(GROUP, key, "2", **{"If-Match": tag.headers["ETag"]})
            self.assertEqual(again.status, 204)
            self.assertEqual(second.put(GROUP, key, "x", **{"If-Match": tag.headers["ETag"]}).status, 412)
            self.assertEqual(second.delete(GROUP, key, **{"If-Match": tag.headers["ETag"]}).status, 412)
            self.assertEqual(first.get(GROUP, key).body, b"2")
            self.assertEqual(first.delete(GROUP, key, **{"If-Match": again.headers["ETag"]}).status, 204)
            self.assertEqual(first.get(GROUP, key).status, 404)

    def test_one_of_many_conditional_writers_wins(self):
        nodes = self.nodes.nodes()
        for turn in range(10):
            statuses = in_threads(9, lambda i: nodes[i % 3].ask("PUT", key_path(GROUP, f"race {turn}"), str(i),
                                                                {"If-None-Match": "*"}).status)
            self.assertEqual(sorted(statuses), [201] + [412] * 8)
            self.assertEqual(self.clients[0].get(GROUP, f"race {turn}").body, str(statuses.index(201)).encode())

    def test_a_value_is_gone_after_its_time(self):
        for i in range(10):
            self.assertEqual(self.clients[i % 3].put(GROUP, f"short {i}", "x", "?ttl=150ms").status, 201)
            self.assertEqual(self.clients[i % 3].put(GROUP, f"long {i}", "x", "?ttl=1h").status, 201)
        for i in range(10):
            for client in self.clients:
                wait_until(lambda: client.get(GROUP, f"short {i}").status == 404, "it has expired")
                age = int(client.get(GROUP, f"long {i}").headers["Cache-Control"].removeprefix("max-age="))
                self.assertTrue(3000 < age <= 3600, age)
        patch = self.clients[0].ask("PATCH", key_path(GROUP, "long 0") + "?ttl=100ms")
        self.assertEqual(patch.status, 204)
        for client in self.clients:
            wait_until(lambda: client.get(GROUP, "long 0").status == 404, "it has expired, too")
        self.assertEqual(self.clients[1].ask("PATCH", key_path(GROUP, "long 0") + "?ttl=1s").status, 404)

    def test_batches_reach_every_owner(self):
        keys = [f"batch {i}" for i in range(60)]
        sets = [{"key": key, "value": base64.b64encode(key.upper().encode()).decode()} for key in keys]
        answer = self.clients[0].ask("POST", f"/v1/groups/{GROUP}/batch", json.dumps({"set": sets}))
        self.assertEqual(answer.status, 200, answer)
        for node in self.nodes.nodes():
            self.assertGreater(node.metric("entries", group=GROUP), 0)
        answer = self.clients[1].ask("POST", f"/v1/groups/{GROUP}/batch", json.dumps({"get": keys + ["not there"]}))
        self.assertEqual(answer.status, 200, answer)
        results = answer.json()["results"]
        self.assertEqual([base64.b64decode(result["value"]) for result in results[:-1]], [k.upper().encode() for k in keys])
        self.assertNotIn("value", results[-1])
        for key in keys:
            self.assertEqual(self.clients[2].get(GROUP, key).body, key.upper().encode())

    def test_where_a_value_came_from_is_told(self):
        sources = set()
        self.clients[0].put(GROUP, "key", "x")
        for client in self.clients:
            sources.add(client.get(GROUP, "key").headers["Larder-Source"])
        self.assertEqual(sources, {"local", "peer"})


class Groups(Case):
    def test_groups_are_made_changed_and_dropped_on_every_member(self):
        source = self.origin()
        nodes = self.cluster()
        a, b, c = nodes.nodes()
        document = {"max_bytes": "4MiB", "ttl": "1h", "loader": loader(source), "negative_ttl": "1h"}
        self.assertEqual(b.get("made", "k").status, 404)
        self.assertEqual(a.ask("PUT", "/v1/groups/made", json.dumps(document)).status, 201)
        for node in nodes.nodes():
            seen = node.ask("GET", "/v1/groups/made").json()
            self.assertEqual((seen["max_bytes"], seen["ttl"]), (4 << 20, "3600000ms"))
            self.assertIn("made", [group["name"] for group in node.ask("GET", "/v1/groups").json()["groups"]])
            for i in range(10):
                self.assertEqual(node.get("made", f"key {i}").body, value_of(f"key {i}".encode()))
        self.assertEqual(set(source.counts().values()), {1})

        document["max_bytes"], document["eviction"] = "1MiB", "fifo"
        self.assertIn(c.ask("PUT", "/v1/groups/made", json.dumps(document)).status, (200, 204))
        for node in nodes.nodes():
            seen = node.ask("GET", "/v1/groups/made").json()
            self.assertEqual((seen["max_bytes"], seen["eviction"]["plugin"]), (1 << 20, "fifo"))
            self.assertEqual(node.get("made", "key 0").body, value_of(b"key 0"))
        self.assertEqual(nodes.total("entries", group="made"), 10, "no entry was lost by the change")

        self.assertEqual(b.ask("DELETE", "/v1/groups/made/keys").status, 204)
        self.assertEqual(nodes.total("entries", group="made"), 0)
        self.assertEqual(a.get("made", "key 0").body, value_of(b"key 0"))
        self.assertEqual(source.count("key 0"), 2, "loaded anew")

        self.assertEqual(b.ask("DELETE", "/v1/groups/made").status, 204)
        for node in nodes.nodes():
            self.assertEqual(node.ask("GET", "/v1/groups/made").status, 404)
            self.assertEqual(node.get("made", "key 0").status, 404)
        self.assertEqual(b.ask("DELETE", "/v1/groups/made").status, 404)

    def test_a_group_that_makes_no_sense_is_made_nowhere(self):
        nodes = self.cluster()
        for document in ({"max_bytes": "1XB"}, {"max_byte": "1MiB"}, {"eviction": "lrru"}, {"ttl": "-1s"}, []):
            answer = nodes["a"].ask("PUT", "/v1/groups/wrong", json.dumps(document))
            self.assertEqual(answer.status, 400, answer)
            for node in nodes.nodes():
                self.assertEqual(node.ask("GET", "/v1/groups/wrong").status, 404)

    def test_bodies_that_are_absent(self):
        """Documents of nothing at all: a group with the defaults, no batch, an empty value; and the node goes on."""
        node = self.cluster()["a"]
        for method, path, status in (("PUT", "/v1/groups/plain", 201), ("POST", "/v1/groups/default/batch", 400),
                                     ("PUT", "/v1/groups/default/keys/empty", 201), ("POST", "/v1/peer", 200)):
            answer = node.ask(method, path)
            self.assertEqual(answer.status, status, (method, path, answer))
        self.assertEqual(node.ask("GET", "/v1/groups/default/keys/empty").body, b"")


class Pages(Case):
    def test_what_operators_look_at(self):
        nodes = self.cluster()
        for node in nodes.nodes():
            self.assertEqual(node.ask("GET", "/health").status, 200)
            self.assertEqual(node.ask("GET", "/ready").status, 200)
            self.assertEqual(set(node.members()), set("abc"))
            self.assertAlmostEqual(sum(member["share"] for member in node.members().values()), 1, places=6)
            stats = node.ask("GET", "/stats").json()
            self.assertEqual(stats["node"]["name"], node.name)
            self.assertEqual([group["name"] for group in stats["groups"]], ["default"])
            page = node.ask("GET", "/metrics")
            self.assertTrue(page.headers["Content-Type"].startswith("text/plain; version=0.0.4"), page.headers)
            node.metrics()  # checks the format

    def test_the_status_page_shows_the_members(self):
        """Members come in with the page's own requests, for documents that have them all."""
        node = self.cluster()["a"]
        answer = node.ask("GET", "/status")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))
        page = answer.body.decode()
        self.assertTrue(page.lower().startswith("<!doctype html>"))
        self.assertIn('id="members"', page)
        self.assertEqual(re.findall(r'(?:src|href)="https?:', page), [], "nothing comes from elsewhere")
        fetched = set(re.findall(r'["\'](/(?:v1/cluster|stats))["\']', page))
        self.assertEqual(fetched, {"/v1/cluster", "/stats"})
        for path in fetched:
            self.assertEqual(node.ask("GET", path).status, 200)


if __name__ == "__main__":
    main()
