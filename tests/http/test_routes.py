"""Every route of the HTTP door, and what it answers."""

import base64
import json
import struct
import time
import unittest
from urllib.parse import quote

from server import GROUP, KEYS, PATIENCE, Case, needs_host, request, wait_until

GROUPS = f"/v1/groups/{GROUP}"


class Keys(Case):
    def test_set_get_delete(self):
        created = self.ask("PUT", KEYS + "simple", "one")
        self.assertEqual((created.status, created.body), (201, b""))
        replaced = self.ask("PUT", KEYS + "simple", "two")
        self.assertEqual(replaced.status, 204)
        self.assertIsNone(replaced.field("content-length"))
        got = self.ask("GET", KEYS + "simple")
        self.assertEqual((got.status, got.body), (200, b"two"))
        self.assertEqual(got.field("content-type"), "application/octet-stream")
        self.assertRegex(got.field("etag"), r'^"[0-9a-f]+\.[0-9a-f]+"$')
        self.assertEqual(got.field("etag"), replaced.field("etag"))
        self.assertIn(got.field("larder-source"), ("local", "near", "peer", "replica"))
        self.assertRegex(got.field("date"), r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertEqual(self.ask("DELETE", KEYS + "simple").status, 204)
        self.assert_problem(self.ask("DELETE", KEYS + "simple"), 404)
        self.assert_problem(self.ask("GET", KEYS + "simple"), 404)

    def test_fault_14_any_bytes_are_a_key(self):
        keys = [b"a b", b"a+b", b"a/b", b"a%2Fb", b"%", b"\0", b"\r\n", b"\xff\xfe", b"../..", b"keys", b"stats",
                b"batch", b"a?b", b"a#b", b"a&b=c", bytes(range(256)), b"..", b"."]
        with self.connection() as connection:
            for number, key in enumerate(keys):
                target = KEYS + quote(key, safe="")
                self.assertEqual(connection.ask("PUT", target, f"value {number}").status, 201, key)
            for number, key in enumerate(keys):
                got = connection.ask("GET", KEYS + quote(key, safe=""))
                self.assertEqual((got.status, got.body), (200, f"value {number}".encode()), key)
            self.assertEqual(connection.ask("GET", KEYS + "a+b").body, b"value 1")
            self.assertEqual(connection.ask("GET", KEYS + "a%2bb").body, b"value 1")
            self.assertEqual(connection.ask("GET", KEYS + "a/b").body, b"value 2")
            for key in keys:
                self.assertEqual(connection.ask("DELETE", KEYS + quote(key, safe="")).status, 204, key)

    def connection(self):
        return self.connect()

    def test_keys_of_every_length(self):
        for size in (1, 255, 512, 513, 65535):
            for encoded in ("k" * size, "%6b" * size):
                put = self.ask("PUT", KEYS + encoded, str(size))
                self.assertIn(put.status, (201, 204))
                self.assertEqual(self.ask("GET", KEYS + encoded).body, str(size).encode())
        self.assert_problem(self.ask("GET", KEYS + "k" * 65536), 413)
        self.assert_problem(self.ask("GET", KEYS + "%6b" * 65536), 413)
        self.assert_problem(self.ask("GET", KEYS), 400)

    def test_escapes_that_are_none(self):
        for key in ("%", "a%", "a%2", "%zz", "%2", "%%20", "%+1", "%-1", "%0x"):
            self.assert_problem(self.ask("GET", KEYS + key), 400)
            self.assert_problem(self.ask("PUT", KEYS + key, "x"), 400)

    def test_fault_16_empty_value_is_a_value(self):
        self.assertIn(self.ask("PUT", KEYS + "empty", "").status, (201, 204))
        got = self.ask("GET", KEYS + "empty")
        self.assertEqual((got.status, got.body, got.field("content-length")), (200, b"", "0"))

    def test_head(self):
        self.ask("PUT", KEYS + "head", "twelve bytes")
        head, got = self.ask("HEAD", KEYS + "head"), self.ask("GET", KEYS + "head")
        self.assertEqual((head.status, head.field("content-length")), (200, "12"))
        self.assertEqual(head.field("etag"), got.field("etag"))
        with self.connect() as connection:
            missing = connection.ask("HEAD", KEYS + "head-missing")
            self.assertEqual(missing.status, 404)
            self.assertGreater(int(missing.field("content-length")), 0)
            self.assertEqual(connection.ask("GET", KEYS + "head").body, b"twelve bytes")

    def test_ttl(self):
        for ttl, most in (("5500ms", 5), ("30s", 30), ("2m", 120), ("1h", 3600)):
            self.ask("PUT", KEYS + f"ttl?ttl={ttl}", "x")
            field = self.ask("GET", KEYS + "ttl").field("cache-control")
            self.assertRegex(field, r"^max-age=\d+$")
            age = int(field.split("=")[1])
            self.assertTrue(most - 10 <= age <= most, field)
        self.assertEqual(self.ask("PATCH", KEYS + "ttl?ttl=10m").status, 204)
        self.assertGreater(int(self.ask("GET", KEYS + "ttl").field("cache-control").split("=")[1]), 500)
        self.assertEqual(self.ask("PATCH", KEYS + "ttl?ttl=none").status, 204)
        self.assertIsNone(self.ask("GET", KEYS + "ttl").field("cache-control"))
        self.assert_problem(self.ask("PATCH", KEYS + "ttl-missing?ttl=1s"), 404)
        for wrong in ("", "30", "30x", "-1s", "+1s", "0s", "1.5s", "99999999999999999999s", "9999999999h", "30%73"):
            self.assert_problem(self.ask("PUT", KEYS + f"ttl?ttl={wrong}", "x"), 400)
        self.assert_problem(self.ask("PUT", KEYS + "ttl?tll=1s", "x"), 400)

    def test_expires(self):
        self.ask("PUT", KEYS + "expires?ttl=50ms", "x")
        end = time.monotonic() + PATIENCE
        while self.ask("GET", KEYS + "expires").status == 200:
            self.assertLess(time.monotonic(), end)
        self.assert_problem(self.ask("GET", KEYS + "expires"), 404)

    def test_if_none_match_on_get(self):
        tag = self.ask("PUT", KEYS + "tag", "x").field("etag")
        for value in (tag, "W/" + tag, "*", f'"other", {tag}', f'{tag},"other"'):
            got = self.ask("GET", KEYS + "tag", If_None_Match=value)
            self.assertEqual((got.status, got.body, got.field("etag")), (304, b"", tag), value)
        for value in ('"other"', '"1.1"'):
            self.assertEqual(self.ask("GET", KEYS + "tag", If_None_Match=value).status, 200)
        for value in ("", "x", '"', f"{tag},", f"{tag} {tag}"):
            self.assert_problem(self.ask("GET", KEYS + "tag", If_None_Match=value), 400)
        self.assertEqual(self.ask("GET", KEYS + "tag", If_Match=tag).status, 200)
        self.assert_problem(self.ask("GET", KEYS + "tag", If_Match='"1.1"'), 412)

    def test_conditions_on_writes(self):
        key = KEYS + "condition"
        self.ask("DELETE", key)
        self.assert_problem(self.ask("PUT", key, "x", If_Match="*"), 412)
        self.assertEqual(self.ask("PUT", key, "x", If_None_Match="*").status, 201)
        self.assert_problem(self.ask("PUT", key, "y", If_None_Match="*"), 412)
        tag = self.ask("GET", key).field("etag")
        again = self.ask("PUT", key, "y", If_Match=tag)
        self.assertEqual(again.status, 204)
        self.assert_problem(self.ask("PUT", key, "z", If_Match=tag), 412)
        self.assert_problem(self.ask("DELETE", key, If_Match=tag), 412)
        self.assert_problem(self.ask("PUT", key, "z", If_Match='"foreign"'), 412)
        self.assert_problem(self.ask("PUT", key, "z", If_Match=f'{tag}, "a"'), 400)
        self.assert_problem(self.ask("PUT", key, "z", If_Match="W/" + again.field("etag")), 412)
        self.assert_problem(self.ask("PUT", key, "z", If_None_Match=tag), 400)
        self.assert_problem(self.ask("PATCH", key + "?ttl=1s", If_Match=tag), 400)
        self.assertEqual(self.ask("GET", key).body, b"y")
        self.assertEqual(self.ask("DELETE", key, If_Match=again.field("etag")).status, 204)

    def test_methods(self):
        for target, allow in ((KEYS + "a", "GET, HEAD, PUT, PATCH, DELETE"), (GROUPS + "/keys", "DELETE"),
                              (GROUPS, "GET, HEAD, PUT, DELETE"), ("/health", "GET, HEAD"), ("/status", "GET, HEAD"),
                              (GROUPS + "/batch", "POST"), ("/v1/peer", "POST"), ("/v1/groups", "GET, HEAD")):
            answer = self.ask("OPTIONS", target)
            self.assert_problem(answer, 405)
            self.assertEqual(answer.field("allow"), allow)
        self.assertEqual(self.ask("POST", KEYS + "a", "x").status, 405)

    def test_paths_that_are_none(self):
        for target in ("/", "//", "/v1", "/v1/", "/v1/groups/", GROUPS + "/", GROUPS + "/nothing", "/v1/groups/a/b/c",
                       "/health/", "/api/", "/api/x", "/HEALTH"):
            self.assertIn(self.ask("GET", target).status, (400, 404), target)

    def test_absolute_form(self):
        self.ask("PUT", KEYS + "absolute", "x")
        self.assertEqual(self.ask("GET", "http://anything:1" + KEYS + "absolute").body, b"x")
        for target in ("http://nothing", "ftp://x/y", "*", "x"):
            self.assertEqual(self.ask("GET", target).status, 400)

    def test_group_names(self):
        for name in ("%", "", "n" * 256):
            self.assertIn(self.ask("GET", f"/v1/groups/{name}/keys/a").status, (400, 404))
        self.assert_problem(self.ask("GET", "/v1/groups/missing/keys/a"), 404)

    @needs_host
    def test_every_status(self):
        for status, code in ((1, 404), (2, 400), (3, 413), (4, 507), (5, 503), (6, 412), (7, 504), (8, 503), (9, 503),
                             (10, 502), (11, 404), (12, 409), (13, 503), (14, 501), (15, 500), (99, 500)):
            answer = self.ask("GET", KEYS + f"fail:{status}")
            self.assert_problem(answer, code)
            self.assertEqual(answer.json()["detail"], 'because "it" \x01 said so')
            self.assertEqual(answer.field("retry-after"), "1" if code == 503 else None)

    @needs_host
    def test_deadline(self):
        with self.connect() as patient:
            before = self.host.stats()
            patient.send(request("GET", KEYS + "never:1", Larder_Timeout="5s"))
            wait_until(lambda: self.host.stats()["submitted"] == before["submitted"] + 1, "the patient one is submitted")
            self.assert_problem(self.ask("GET", KEYS + "never:1", Larder_Timeout="50ms"), 504)
            self.assertEqual(self.host.stats()["completed"], before["completed"] + 1)
        for wrong in ("", "5", "5 s", "-1s", "0ms", "25h"):
            self.assert_problem(self.ask("GET", KEYS + "never:1", Larder_Timeout=wrong), 400)


class Batch(Case):
    def batch(self, document):
        body = document if isinstance(document, (str, bytes)) else json.dumps(document)
        return self.ask("POST", GROUPS + "/batch", body)

    def test_set_and_get(self):
        entries = [{"key": f"batch {i}", "value": base64.b64encode(bytes([i]) * i).decode()} for i in range(200)]
        entries[7]["ttl"] = "30s"
        answer = self.batch({"set": entries})
        self.assertEqual((answer.status, answer.field("content-type")), (200, "application/json"))
        results = answer.json()["results"]
        self.assertEqual([r["key"] for r in results], [e["key"] for e in entries])
        self.assertTrue(all(r["status"] == "OK" and r["created"] for r in results))
        results = self.batch({"get": [e["key"] for e in entries] + ["batch missing"]}).json()["results"]
        self.assertEqual([r.get("value") for r in results], [e["value"] for e in entries] + [None])
        self.assertEqual(results[-1], {"key": "batch missing", "status": "NOT_FOUND"})
        self.assertTrue(0 < results[7]["ttl_ms"] <= 30000)
        self.assertNotIn("ttl_ms", results[8])
        self.assertEqual(f'"{results[3]["version"]}"', self.ask("GET", KEYS + "batch%203").field("etag"))

    def test_keys_that_are_not_text(self):
        key = base64.b64encode(b"\xff\0\x80").decode()
        self.assertEqual(self.batch({"set": [{"key_base64": key, "value": "eA=="}]}).json()["results"][0]["status"], "OK")
        self.assertEqual(self.ask("GET", KEYS + "%ff%00%80").body, b"x")
        result = self.batch({"get": [{"key_base64": key}]}).json()["results"][0]
        self.assertEqual((result["key_base64"], result["value"]), (key, "eA=="))
        self.batch({"set": [{"key": "nul\0 and \u20ac \"", "value": ""}]})
        result = self.batch({"get": ["nul\0 and \u20ac \""]}).json()["results"][0]
        self.assertEqual((result["key"], result["value"]), ("nul\0 and \u20ac \"", ""))

    def test_empty(self):
        self.assertEqual(self.batch({"get": []}).json(), {"results": []})
        self.assertEqual(self.batch({"set": []}).json(), {"results": []})

    def test_documents_that_make_no_sense(self):
        for document in ("", "{", "[]", "{}", "null", '{"get": 1}', '{"get": ["a"], "set": []}', '{"get": [1]}',
                         '{"get": [""]}', '{"get": [{}]}', '{"get": [{"key_base64": "A"}]}', '{"get": ["a"]} x',
                         '{"get": [{"key": "a", "x": 1}]}', '{"set": ["a"]}', '{"set": [{"key": "a"}]}',
                         '{"set": [{"key": "a", "value": "A"}]}', '{"set": [{"key": "a", "value": "AB=="}]}',
                         '{"set": [{"key": "a", "value": "", "ttl": "1"}]}',
                         '{"set": [{"key": "a", "value": "", "tll": "1s"}]}', '{"set": [{"value": ""}]}',
                         '{"set": [{"key": "a", "key_base64": "YQ==", "value": ""}]}', '{"get": [], "get": []}',
                         b'{"get": ["\xff"]}', "[" * 10000):
            self.assert_problem(self.batch(document), 400)
        self.assert_problem(self.batch({"get": ["k" * 65536]}), 400)
        self.assert_problem(self.batch({"get": ["a"] * 1025}), 413)

    @needs_host
    def test_gathers_slow_answers_in_order(self):
        keys = ["slow:60:a", "hop:b", "c", "slow:20:d", "fail:8", "hop:e", "never:1"]
        for key in keys:
            self.ask("PUT", KEYS + quote(key), key)
        answer = self.ask("POST", GROUPS + "/batch", json.dumps({"get": keys}), Larder_Timeout="2s")
        results = answer.json()["results"]
        self.assertEqual([r["key"] for r in results], keys)
        self.assertEqual([r["status"] for r in results], ["OK", "OK", "OK", "OK", "UNAVAILABLE", "OK", "DEADLINE"])
        self.assertEqual(base64.b64decode(results[0]["value"]), b"slow:60:a")

    @needs_host
    def test_answer_is_bounded(self):
        results = self.batch({"get": ["big:8000000"] * 8}).json()["results"]
        states = [r["status"] for r in results]
        self.assertEqual(states[0], "OK")
        self.assertEqual(states[-1], "TOO_LARGE")

    def test_missing_group(self):
        answer = self.ask("POST", "/v1/groups/missing/batch", '{"get": ["a"]}')
        self.assertEqual(answer.json()["results"][0]["status"], "NO_GROUP")


class Administration(Case):
    def test_documents(self):
        for target in ("/v1/groups", GROUPS, GROUPS + "/stats", "/v1/cluster", "/stats"):
            with self.connect() as connection:
                answer = connection.ask("GET", target)
                self.assertEqual((answer.status, answer.field("content-type")), (200, "application/json"), target)
                answer.json()
                self.assertEqual(connection.ask("HEAD", target).status, 200)

    @needs_host
    def test_groups(self):
        self.assertEqual(self.ask("PUT", "/v1/groups/new", '{"max_bytes": "1MiB"}').status, 201)
        self.assertEqual(self.ask("PUT", "/v1/groups/g", '{"max_bytes": "1MiB"}').status, 204)
        self.assertEqual(self.ask("DELETE", "/v1/groups/new").status, 204)
        self.assertEqual(self.ask("DELETE", "/v1/groups/g/keys").status, 204)
        self.assert_problem(self.ask("DELETE", "/v1/groups/missing/keys"), 404)
        self.assertFalse(self.ask("GET", "/v1/groups/g/stats").json()["cluster"])
        self.assertTrue(self.ask("GET", "/v1/groups/g/stats?cluster=true").json()["cluster"])

    @needs_host
    def test_top(self):
        for query, told in (("", ("", None, False)), ("?group=g", ("g", None, False)), ("?count=7", ("", 7, False)),
                            ("?cluster=true&count=1000&group=%64efault", ("default", 1000, True)),
                            ("?cluster=false", ("", None, False))):
            answer = self.ask("GET", "/v1/top" + query)
            self.assertEqual((answer.status, answer.field("content-type")), (200, "application/json"), query)
            asked = answer.json()
            count = asked["asked"] and asked["asked"]["count"]
            self.assertEqual((asked["group"], count, asked["cluster"]), told, query)
        self.assert_problem(self.ask("GET", "/v1/top?group=missing"), 404)
        for query in ("?count=x", "?count=-1", "?count=1234567890", "?group=", "?group=%6", "?group=" + 256 * "g",
                      "?group=" + 800 * "g", "?cluster=yes", "?limit=3"):
            self.assert_problem(self.ask("GET", "/v1/top" + query), 400)
        self.assertEqual(self.ask("POST", "/v1/top").status, 405)

    def test_metrics(self):
        answer = self.ask("GET", "/metrics")
        self.assertEqual(answer.field("content-type"), "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn(b"larder_gets_total", answer.body)

    @needs_host
    def test_health_and_readiness(self):
        self.assertEqual(self.ask("GET", "/health").json(), {"status": "ok"})
        self.assertEqual(self.ask("GET", "/ready").status, 200)
        self.host.send_command("ready 0")
        self.host.stats()
        self.assert_problem(self.ask("GET", "/ready"), 503)
        self.assertEqual(self.ask("GET", "/health").status, 200)
        self.host.send_command("ready 1")
        self.host.stats()
        self.assertEqual(self.ask("GET", "/ready").status, 200)

    @needs_host
    def test_fault_29_requests_are_counted(self):
        self.ask("PUT", KEYS + "counted", "x")
        before = self.host.stats()
        with self.connect() as connection:
            for target, status in ((KEYS + "counted", 200), (KEYS + "nothing", 404), ("/nowhere", 404), (KEYS + "%", 400)):
                self.assertEqual(connection.ask("GET", target).status, status)
        after = self.host.stats()
        difference = {name: after[name] - before[name] for name in ("ok", "not_found", "requests_refused", "accepted")}
        self.assertEqual(difference, {"ok": 1, "not_found": 1, "requests_refused": 2, "accepted": 1})

    def test_status_page(self):
        with self.connect() as connection:
            page = connection.ask("GET", "/status")
            self.assertEqual((page.status, page.field("content-type")), (200, "text/html; charset=utf-8"))
            text = page.body.decode()
            self.assertIn("</html>", text)
            for outside in ("http://", "https://", "src=", "@import", "innerHTML"):
                self.assertNotIn(outside, text)
            self.assertEqual(connection.ask("HEAD", "/status").field("content-length"), str(len(page.body)))


def peer_request(operation, key=b"", value=b"", group=GROUP.encode(), sender=b"peer", micros=(1 << 64) - 1, version=2):
    head = struct.pack("<BBHBBHIQqQQQQQQI", version, operation, len(key), len(group), len(sender), 0, 0, len(value), 0, 0, 0,
                       micros, 0, 0, 0, 0)
    return head + group + sender + key + value


@needs_host
class Peers(Case):
    """POST /v1/peer, through which nodes call each other."""

    def peer(self, body):
        answer = self.ask("POST", "/v1/peer", body)
        self.assertEqual((answer.status, answer.field("content-type")), (200, "application/vnd.larder.peer"))
        version, status, _, told, flags, size = struct.unpack_from("<BBBBIQ", answer.body)
        length = struct.unpack_from("<H", answer.body, 64)[0]
        self.assertEqual((version, told, len(answer.body)), (2, 0, 72 + length + size))
        return status, flags, answer.body[72:72 + length], answer.body[72 + length:]

    def test_requests(self):
        key = b"any \xff key"
        self.assertEqual(self.peer(peer_request(2, key, b"value"))[:2], (0, 1))
        self.assertEqual(self.peer(peer_request(1, key)), (0, 0, b"", b"value"))
        self.assertEqual(self.ask("GET", KEYS + "any%20%ff%20key").body, b"value")
        self.assertEqual(self.peer(peer_request(3, key))[0], 0)
        self.assertEqual(self.peer(peer_request(1, key))[0], 1)
        self.assertEqual(self.peer(peer_request(1, b"big:3000000"))[3][:26], b"abcdefghijklmnopqrstuvwxyz")
        self.assertEqual(self.peer(peer_request(1, b"fail:9"))[2], b'because "it" \x01 said so')
        self.assertEqual(self.peer(peer_request(1, b"never:1", micros=50000))[0], 7)
        self.assertEqual(self.peer(peer_request(2, b"k" * 65535, b"x" * (8 << 20)))[0], 0)

    def test_bodies_that_make_no_sense(self):
        """Whoever asks is told so as a node is told anything: HTTP's errors are those of a door that fails."""
        good = peer_request(2, b"key", b"value")
        refused = self.host.stats()["requests_refused"]
        for body, word in ((b"", b"bytes"), (good[:-1], b"bytes"), (good + b"x", b"bytes"), (good[:79], b"bytes"),
                           (peer_request(2, b"key", version=1), b"version"), (peer_request(99, b"key"), b"operation: got 99")):
            status, flags, message, value = self.peer(body)
            self.assertEqual((status, flags, value), (2, 0, b""))
            self.assertIn(word, message)
        self.assertEqual(self.host.stats()["requests_refused"], refused + 6)

    def test_nonsense_among_others(self):
        with self.connect() as connection:
            for number, status in ((2, 0), (99, 2), (1, 0)):
                connection.send(request("POST", "/v1/peer", peer_request(number, b"key", b"" if number == 1 else b"value")))
                self.assertEqual(connection.response().body[1], status)

    def test_many_at_a_time(self):
        with self.connect() as connection:
            for _ in range(2):
                body = peer_request(1, b"slow:100:x")
                connection.send(b"".join(request("POST", "/v1/peer", body) for _ in range(50)))
                for _ in range(50):
                    self.assertEqual(connection.response().body[1], 1)


class EarlierSystem(Case):
    """The small API of an earlier system, word for word."""

    def test_the_four_routes(self):
        answer = self.ask("POST", "/api/set?key=Tom", "630")
        self.assertEqual((answer.status, answer.body), (200, b"OK"))
        answer = self.ask("GET", "/api?key=Tom")
        self.assertEqual((answer.status, answer.body), (200, b"630"))
        answer = self.ask("GET", "/api/stats")
        self.assertEqual((answer.status, answer.field("content-type")), (200, "application/json"))
        self.assertRegex(answer.body, rb'^\{"keys_count": \d+, "bytes_used": \d+\}$')
        self.assertGreaterEqual(answer.json()["keys_count"], 1)
        answer = self.ask("DELETE", "/api/delete?key=Tom")
        self.assertEqual((answer.status, answer.body), (200, b"OK"))
        for method, target in (("GET", "/api?key=Tom"), ("DELETE", "/api/delete?key=Tom")):
            answer = self.ask(method, target)
            self.assertEqual((answer.status, answer.body), (404, b"key not found: Tom"))
            self.assertTrue(answer.field("content-type").startswith("text/plain"))

    def test_errors(self):
        for method, target in (("POST", "/api/set"), ("POST", "/api/set?key="), ("GET", "/api"), ("GET", "/api?x=1"),
                               ("DELETE", "/api/delete")):
            answer = self.ask(method, target, "x" if method == "POST" else None)
            self.assertEqual((answer.status, answer.body), (400, b"key parameter is required"))
            self.assertTrue(answer.field("content-type").startswith("text/plain"))
        for method, target, allow in (("GET", "/api/set?key=a", "POST"), ("PUT", "/api/set?key=a", "POST"),
                                      ("POST", "/api?key=a", "GET, HEAD"), ("GET", "/api/delete?key=a", "DELETE"),
                                      ("POST", "/api/stats", "GET, HEAD")):
            answer = self.ask(method, target)
            self.assertEqual((answer.status, answer.field("allow")), (405, allow))

    def test_fault_14_plus_is_a_plus(self):
        self.ask("POST", "/api/set?key=old+key", "plus")
        self.ask("POST", "/api/set?key=old%20key", "space")
        self.assertEqual(self.ask("GET", "/api?key=old+key").body, b"plus")
        self.assertEqual(self.ask("GET", "/api?key=old%2Bkey").body, b"plus")
        self.assertEqual(self.ask("GET", "/v1/groups/default/keys/old%20key").body, b"space")
        self.assertEqual(self.ask("GET", "/api?key=%zz").status, 400)

    def test_group_parameter(self):
        self.ask("POST", f"/api/set?key=elsewhere&group={GROUP}", "there")
        self.assertEqual(self.ask("GET", f"/api?group={GROUP}&key=elsewhere").body, b"there")
        self.assertEqual(self.ask("GET", KEYS + "elsewhere").body, b"there")


if __name__ == "__main__":
    unittest.main()
