"""Every method as gRPC's own client calls it."""

import os
import sys
import threading
import time
import unittest

import grpc
from grpc import StatusCode

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "transport"))
from host import PATIENCE, Host  # noqa: E402
from stub import CODES, Stub, code_of, health, larder  # noqa: E402

Get, Set, Delete, Touch = larder.GetRequest, larder.SetRequest, larder.DeleteRequest, larder.TouchRequest
MIB = 1 << 20


class Case(unittest.TestCase):
    PARAMETERS = "workers: 2"

    @classmethod
    def setUpClass(cls):
        cls.host = Host(cls.PARAMETERS)
        cls.stub = Stub(cls.host.address, [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])

    @classmethod
    def tearDownClass(cls):
        cls.stub.channel.close()
        cls.host.close()

    def assert_code(self, call, code, status=None, details=None):
        got = code_of(call)
        self.assertEqual(got[0], code, got)
        if status is not None:
            self.assertEqual(got[2], status, got)
        if details is not None:
            self.assertIn(details, got[1])

    def set(self, key, value, **fields):
        return self.stub.Set(Set(group="g", key=key, value=value, **fields), timeout=PATIENCE)

    def get(self, key, **fields):
        return self.stub.Get(Get(group="g", key=key, **fields), timeout=PATIENCE)


class Keys(Case):
    def test_set_get_delete(self):
        created = self.set(b"simple", b"one")
        self.assertTrue(created.created)
        replaced = self.set(b"simple", b"two")
        self.assertFalse(replaced.created)
        self.assertGreater((replaced.version.epoch, replaced.version.clock),
                           (created.version.epoch, created.version.clock))
        got = self.get(b"simple")
        self.assertEqual((got.value, got.version, got.source), (b"two", replaced.version, larder.SOURCE_LOCAL))
        self.stub.Delete(Delete(group="g", key=b"simple"), timeout=PATIENCE)
        self.assert_code(lambda: self.get(b"simple"), StatusCode.NOT_FOUND, "NOT_FOUND")
        self.assert_code(lambda: self.stub.Delete(Delete(group="g", key=b"simple"), timeout=PATIENCE),
                         StatusCode.NOT_FOUND, "NOT_FOUND")

    def test_any_bytes_and_sizes(self):
        for key in (b"\0", b"a/b c\r\n%00", b"\xff\xfe", b"k" * 65535):
            for value in (b"", b"\0", b"v" * 4095, b"v" * 4096, b"v" * 16384, b"v" * 70000):
                self.set(key, value)
                self.assertEqual(self.get(key).value, value)

    def test_large_values_both_ways(self):
        value = os.urandom(4 * MIB - 100)
        self.set(b"large", value)
        self.assertEqual(self.get(b"large").value, value)
        self.assertEqual(len(self.get(b"big:%d" % (40 * MIB)).value), 40 * MIB)

    def test_an_empty_group_is_default(self):
        self.stub.Set(Set(key=b"here", value=b"1"), timeout=PATIENCE)
        self.assertEqual(self.stub.Get(Get(group="default", key=b"here"), timeout=PATIENCE).value, b"1")

    def test_time_to_live(self):
        self.set(b"short", b"x", ttl_ms=60000)
        left = self.get(b"short").ttl_ms
        self.assertTrue(0 < left <= 60000, left)
        self.stub.Touch(Touch(group="g", key=b"short", ttl_ms=3600000), timeout=PATIENCE)
        self.assertTrue(60000 < self.get(b"short").ttl_ms <= 3600000)
        self.set(b"ever", b"x", ttl_ms=-1)
        self.assertEqual(self.get(b"ever").ttl_ms, -1)
        self.assert_code(lambda: self.stub.Touch(Touch(group="g", key=b"none", ttl_ms=5), timeout=PATIENCE),
                         StatusCode.NOT_FOUND)

    def test_conditions(self):
        self.set(b"c", b"1", ttl_ms=0)
        version = self.get(b"c").version
        other = larder.Version(epoch=version.epoch, clock=version.clock + 1)
        self.assert_code(lambda: self.set(b"c", b"2", if_version=other), StatusCode.FAILED_PRECONDITION, "PRECONDITION")
        self.assert_code(lambda: self.set(b"c", b"2", if_absent=True), StatusCode.FAILED_PRECONDITION)
        self.assert_code(lambda: self.set(b"d", b"2", if_present=True), StatusCode.FAILED_PRECONDITION)
        self.assert_code(lambda: self.set(b"d", b"2", if_present=True, if_absent=True), StatusCode.INVALID_ARGUMENT, "INVALID")
        self.assert_code(lambda: self.stub.Delete(Delete(group="g", key=b"c", if_version=other), timeout=PATIENCE),
                         StatusCode.FAILED_PRECONDITION)
        self.set(b"c", b"2", if_version=version)
        self.set(b"c", b"3", if_present=True)
        self.set(b"e", b"1", if_absent=True)
        self.assertEqual(self.get(b"c").value, b"3")


class Statuses(Case):
    def test_every_status_of_the_node(self):
        self.assertEqual(sorted(CODES), sorted(larder.Status.values())[1:])
        for number, code in CODES.items():
            name = larder.Status.Name(number)[len("STATUS_"):]
            self.assert_code(lambda n=number: self.get(b"fail:%d" % n), code, name, 'because "it" \x01 said so')

    def test_unknown_group(self):
        self.assert_code(lambda: self.stub.Get(Get(group="nobody", key=b"k"), timeout=PATIENCE),
                         StatusCode.NOT_FOUND, "NO_GROUP", "NO_GROUP")

    def test_unknown_methods(self):
        for path in ("/larder.v1.Cache/Got", "/larder.v1.Cash/Get", "/larder.v1.Cache", "/", "/larder.v1.Cache/Get/"):
            call = self.stub.channel.unary_unary(path)
            self.assert_code(lambda c=call: c(b"", timeout=PATIENCE), StatusCode.UNIMPLEMENTED)

    def test_deadlines(self):
        self.assert_code(lambda: self.stub.Get(Get(group="g", key=b"never:1"), timeout=0.1), StatusCode.DEADLINE_EXCEEDED)
        left = int(self.stub.Get(Get(group="g", key=b"left:1"), timeout=30).value)
        self.assertTrue(20000 < left <= 31000, left)  # the client rounds up
        left = int(self.stub.Get(Get(group="g", key=b"left:1")).value)
        self.assertTrue(0 < left <= 5000, left)  # the host's own

    def test_too_large_leaves_the_connection_alone(self):
        slow = [self.stub.Get.future(Get(group="g", key=b"slow:300:%d" % i)) for i in range(10)]
        accepted = self.host.stats()["accepted"]
        self.assert_code(lambda: self.set(b"huge", bytes(5 * MIB)), StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE", "4194304")
        for call in slow:
            self.assertEqual(call.exception(timeout=PATIENCE).code(), StatusCode.NOT_FOUND)
        self.assertEqual(self.host.stats()["accepted"], accepted)

    def test_compressed_messages(self):
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            value = b"compress me " * 10000
            self.stub.Set(Set(group="g", key=b"z", value=value), timeout=PATIENCE, compression=compression)
            self.assertEqual(self.get(b"z").value, value)
            bomb = Set(group="g", key=b"bomb", value=bytes(30 * MIB))
            self.assert_code(lambda c=compression, b=bomb: self.stub.Set(b, timeout=PATIENCE, compression=c),
                             StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE", "decompressed")


class Cancelled(Case):
    PARAMETERS = "workers: 1, max_streams: 20"

    def wait_until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_cancelled_calls_take_no_streams(self):
        """All streams are used by calls that the node has: cancelled, they hold up nobody, and come back without a trace."""
        calls = [self.stub.Get.future(Get(group="g", key=b"slow:8000:x")) for _ in range(20)]
        self.wait_until(lambda: self.host.stats()["submitted"] == 20)
        for call in calls:
            self.assertTrue(call.cancel())
        self.set(b"still", b"here")
        stats = self.host.stats()
        self.assertEqual(stats["submitted"] - stats["completed"], 20)
        self.wait_until(lambda: self.host.stats()["completed"] == 21)
        self.assertEqual(self.get(b"still").value, b"here")
        self.assertEqual(self.host.stats()["accepted"], stats["accepted"])


class Batches(Case):
    def test_batches(self):
        items = [larder.SetItem(key=b"b%d" % i, value=b"%d" % i * i, ttl_ms=-1) for i in range(1000)]
        items.append(larder.SetItem(key=b"", value=b"x"))
        results = self.stub.BatchSet(larder.BatchSetRequest(group="g", items=items), timeout=PATIENCE).results
        self.assertEqual(len(results), 1001)
        self.assertTrue(all(r.status == larder.STATUS_OK and r.created for r in results[:1000]))
        self.assertEqual(results[1000].status, larder.STATUS_INVALID)
        keys = [b"b%d" % i for i in range(1000)] + [b"missing", b"fail:15", b"hop:x", b"big:3"]
        results = self.stub.BatchGet(larder.BatchGetRequest(group="g", keys=keys), timeout=PATIENCE).results
        self.assertEqual([r.value for r in results[:1000]], [b"%d" % i * i for i in range(1000)])
        self.assertTrue(all(r.status == larder.STATUS_OK and r.ttl_ms == -1 and r.version.clock for r in results[:1000]))
        self.assertEqual([r.status for r in results[1000:]],
                         [larder.STATUS_NOT_FOUND, larder.STATUS_IO, larder.STATUS_NOT_FOUND, larder.STATUS_OK])
        self.assertEqual(results[1003].value, b"abc")

    def test_limits(self):
        self.assertEqual(len(self.stub.BatchGet(larder.BatchGetRequest(group="g"), timeout=PATIENCE).results), 0)
        many = larder.BatchGetRequest(group="g", keys=[b"k"] * 1025)
        self.assert_code(lambda: self.stub.BatchGet(many, timeout=PATIENCE), StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE")
        parts = larder.BatchGetRequest(group="g", keys=[b""] * (MIB // 2))
        self.assert_code(lambda: self.stub.BatchGet(parts, timeout=PATIENCE), StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE")
        whole = larder.BatchGetRequest(group="g", keys=[b"big:1500000"] * 4 + [b"big:5"])
        results = self.stub.BatchGet(whole, timeout=PATIENCE).results
        self.assertEqual([r.status for r in results], [0, 0, larder.STATUS_TOO_LARGE, larder.STATUS_TOO_LARGE, 0])
        self.assertEqual([len(r.value) for r in results], [1500000, 1500000, 0, 0, 5])


class Peers(Case):
    def begin(self, *requests, timeout=PATIENCE):
        return self.stub.Call(iter([larder.CallRequest(group="g", sender="other", **fields) for fields in requests]), timeout=timeout)

    def call(self, **fields):
        (response,) = self.begin(fields)
        self.assertEqual(response.request, 0)
        return response

    def test_call(self):
        done = self.call(operation=2, key=b"p", value=b"from a peer")
        self.assertEqual((done.status, done.flags), (larder.STATUS_OK, 1))
        got = self.call(operation=1, key=b"p")
        self.assertEqual((got.status, got.value, got.version), (larder.STATUS_OK, b"from a peer", done.version))
        missing = self.call(operation=1, key=b"q")
        self.assertEqual(missing.status, larder.STATUS_NOT_FOUND)
        failed = self.call(operation=1, key=b"fail:9")
        self.assertEqual((failed.status, failed.message), (larder.STATUS_BUSY, b'because "it" \x01 said so'))
        left = int(self.call(operation=1, key=b"left:", timeout_us=2000000).value)
        self.assertTrue(0 < left <= 2000, left)

    def test_nonsense(self):
        wrong = (({"operation": 7}, b"operation"), ({"operation": 1, "flags": 1 << 9}, b"flags"),
                 ({"operation": 1, "key": b"k" * 65536}, b"key"))
        for fields, word in wrong:
            failed = self.call(**fields)
            self.assertEqual(failed.status, larder.STATUS_INVALID)
            self.assertIn(word, failed.message)
        self.call(operation=2, key=b"among", value=b"nonsense")
        answers = {a.request: a for a in self.begin(*[fields for fields, _ in wrong], {"operation": 1, "key": b"among"})}
        self.assertEqual([answers[i].status for i in range(4)], [larder.STATUS_INVALID] * 3 + [larder.STATUS_OK])
        self.assertEqual(answers[3].value, b"nonsense")

    def test_each_is_answered_when_it_can_be(self):
        self.call(operation=2, key=b"large", value=bytes(3 * MIB))
        keys = [b"slow:300:a", b"large", b"none", b"hop:", b"slow:100:b", b"fail:9", b"large"]
        answers = list(self.begin(*[{"operation": 1, "key": key} for key in keys]))
        self.assertEqual(sorted(a.request for a in answers), list(range(len(keys))))
        self.assertEqual([a.request for a in answers][-2:], [4, 0])
        self.assertTrue(all(len(a.value) == (3 * MIB if keys[a.request] == b"large" else 0) for a in answers))
        self.assertEqual([a.status for a in sorted(answers, key=lambda a: a.request)][5], larder.STATUS_BUSY)

    def test_many_on_one_stream(self):
        self.call(operation=2, key=b"m", value=b"v" * 100)
        answers = list(self.begin(*[{"operation": 1, "key": b"m" if i % 2 else b"slow:%d:x" % (i % 50)} for i in range(200)]))
        self.assertEqual(sorted(a.request for a in answers), list(range(200)))
        self.assertTrue(all(len(a.value) == 100 * (a.request % 2) for a in answers))

    def test_none(self):
        self.assertEqual(list(self.begin()), [])

    def test_a_stream_that_is_given_up(self):
        stream = self.begin(*[{"operation": 1, "key": key} for key in (b"none", b"slow:500:x", b"slow:500:y")])
        next(stream)
        stream.cancel()
        late = self.begin({"operation": 1, "key": b"none"}, {"operation": 1, "key": b"never:"}, timeout=0.3)
        self.assertEqual(next(late).status, larder.STATUS_NOT_FOUND)
        statuses = []
        code = code_of(lambda: statuses.extend(answer.status for answer in late))[0]
        # Both sides know the deadline, and either may be the first to act on it.
        self.assertIn((code, statuses), ((StatusCode.DEADLINE_EXCEEDED, []), (StatusCode.OK, [larder.STATUS_DEADLINE])))
        self.assertEqual(self.call(operation=1, key=b"none").status, larder.STATUS_NOT_FOUND)

    def test_peers_send_more_than_clients(self):
        value = bytes(7 * MIB)
        self.assertEqual(self.call(operation=2, key=b"big one", value=value).status, larder.STATUS_OK)
        self.assertEqual(self.call(operation=1, key=b"big one").value, value)

    def test_ring(self):
        self.assertEqual(len(self.stub.Ring(larder.RingRequest(), timeout=PATIENCE).members), 0)

    def test_statistics(self):
        self.set(b"counted", b"12345")
        stats = self.stub.GroupStats(larder.GroupStatsRequest(group="g"), timeout=PATIENCE)
        self.assertGreaterEqual(stats.entries, 1)
        self.assertGreaterEqual(stats.value_bytes, 5)


class Health(Case):
    def check(self, service=""):
        return self.stub.Check(health.HealthCheckRequest(service=service), timeout=PATIENCE).status

    def tearDown(self):
        self.host.send_command("ready 1")
        self.host.stats()  # commands are taken in order

    def test_check(self):
        for service in ("", "larder.v1.Cache", "larder.v1.Peer", "grpc.health.v1.Health"):
            self.assertEqual(self.check(service), health.HealthCheckResponse.SERVING)
        self.host.send_command("ready 0")
        end = time.monotonic() + PATIENCE
        while self.check() != health.HealthCheckResponse.NOT_SERVING:
            self.assertLess(time.monotonic(), end)
        self.assert_code(lambda: self.check("larder.v2.Cache"), StatusCode.NOT_FOUND)

    def test_watch(self):
        watch = self.stub.Watch(health.HealthCheckRequest())
        self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
        self.host.send_command("ready 0")
        self.assertEqual(next(watch).status, health.HealthCheckResponse.NOT_SERVING)
        self.host.send_command("ready 1")
        self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
        watch.cancel()
        unknown = self.stub.Watch(health.HealthCheckRequest(service="nobody"), timeout=2)
        self.assertEqual(next(unknown).status, health.HealthCheckResponse.SERVICE_UNKNOWN)
        self.assert_code(lambda: next(unknown), StatusCode.DEADLINE_EXCEEDED)


class Many(Case):
    def test_many_at_a_time(self):
        self.set(b"m", b"value" * 20)
        failures = []

        def work():
            with Stub(self.host.address) as stub:
                calls = [stub.Get.future(Get(group="g", key=b"m" if i % 3 else b"hop:m")) for i in range(300)]
                for i, call in enumerate(calls):
                    error = call.exception(timeout=PATIENCE)
                    if i % 3 and (error or call.result().value != b"value" * 20):
                        failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class Draining(unittest.TestCase):
    def test_calls_under_way_finish(self):
        host = Host("workers: 2")
        stub = Stub(host.address)
        slow = [stub.Get.future(Get(group="g", key=b"slow:500:x"), timeout=PATIENCE) for _ in range(5)]
        watch = stub.Watch(health.HealthCheckRequest())
        self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
        end = time.monotonic() + PATIENCE
        while host.stats()["submitted"] < 6:
            self.assertLess(time.monotonic(), end)
        self.assertEqual(host.command("drain 60000"), "drained")
        for call in slow:
            self.assertEqual(call.exception(timeout=PATIENCE).code(), StatusCode.NOT_FOUND)
        self.assertEqual(next(watch).status, health.HealthCheckResponse.NOT_SERVING)
        with self.assertRaises(grpc.RpcError) as ended:
            next(watch)
        self.assertEqual(ended.exception.code(), StatusCode.UNAVAILABLE)
        self.assertEqual(host.stats()["connections"], 0)
        stub.channel.close()
        host.close()


if __name__ == "__main__":
    unittest.main()
