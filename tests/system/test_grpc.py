"""A real node over gRPC, alone and beside HTTP, as gRPC's own client sees it."""

import os
import signal
import sys
import types

from kit import BUILD, PATIENCE, ROOT, Case, free_port, loader, main, value_of, wait_until

os.environ["LARDER_PROTO"] = os.path.join(BUILD, "tests", "grpc")
sys.path.insert(0, os.path.join(ROOT, "tests", "grpc"))
import grpc  # noqa: E402
import wire  # noqa: E402
from grpc import StatusCode  # noqa: E402
from stub import Stub, code_of, health, larder  # noqa: E402


class Grpc(Case):
    def stub(self, port):
        stub = Stub(("127.0.0.1", port), [("grpc.max_receive_message_length", -1)])
        self.addCleanup(stub.channel.close)
        return stub

    def serve(self, **sections):
        node = self.started(grpc={}, **sections)
        stub = self.stub(node.grpc_port)
        grpc.channel_ready_future(stub.channel).result(PATIENCE)  # it listens after the first transport
        return node, stub

    def test_alone(self):
        """A node with this transport only."""
        port = free_port()
        node = self.node(transports=[{"plugin": "grpc", "listen": f"127.0.0.1:{port}"}], groups=[{"name": "default"}])
        node.start()
        stub = self.stub(port)
        stub.Check(health.HealthCheckRequest(), timeout=PATIENCE, wait_for_ready=True)
        stub.Set(larder.SetRequest(key=b"Tom", value=b"630"), timeout=PATIENCE)
        self.assertEqual(stub.Get(larder.GetRequest(key=b"Tom"), timeout=PATIENCE).value, b"630")

    def test_the_same_entries_as_over_http(self):
        node, stub = self.serve(groups=[{"name": "g"}])
        node.put("g", "over http", "1")
        got = stub.Get(larder.GetRequest(group="g", key=b"over http"), timeout=PATIENCE)
        self.assertEqual((got.value, got.source, got.ttl_ms), (b"1", larder.SOURCE_LOCAL, -1))
        answer = node.get("g", "over http")
        self.assertEqual(answer.headers["ETag"], f'"{got.version.epoch:x}.{got.version.clock:x}"')
        stub.Set(larder.SetRequest(group="g", key=b"over grpc", value=b"2", ttl_ms=60000), timeout=PATIENCE)
        self.assertEqual(node.get("g", "over grpc").body, b"2")

    def test_values_that_do_not_fit(self):
        _, stub = self.serve(groups=[{"name": "g", "max_value": "1KiB"}, {"name": "tiny", "max_bytes": "16KiB"}])
        for group, size, status in (("g", 1025, "TOO_LARGE"), ("tiny", 15000, None), ("g", 5 << 20, "TOO_LARGE")):
            request = larder.SetRequest(group=group, key=b"k", value=bytes(size))
            code, _, name = code_of(lambda r=request: stub.Set(r, timeout=PATIENCE))
            self.assertEqual(code, StatusCode.RESOURCE_EXHAUSTED)
            if status:
                self.assertEqual(name, status)

    def test_a_node_that_is_alone_is_asked_as_a_peer(self):
        _, stub = self.serve(groups=[{"name": "g"}])
        stub.Set(larder.SetRequest(group="g", key=b"Tom", value=b"630"), timeout=PATIENCE)
        get = larder.CallRequest(operation=1, group="g", key=b"Tom", sender="nobody")
        answers = list(stub.Call(iter([get] * 100), timeout=PATIENCE))
        self.assertEqual([(a.status, a.value) for a in answers], [(larder.STATUS_OK, b"630")] * 100)

    def test_deadlines_reach_the_origin(self):
        source = self.origin()
        source.behave(hang={"hang": True})
        node, stub = self.serve(groups=[{"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m"}],
                                node={"request_timeout": "10m", "drain_timeout": "100ms"})
        loaded = stub.Get(larder.GetRequest(group="users", key=b"quick"), timeout=PATIENCE)
        self.assertEqual((loaded.value, loaded.source), (value_of(b"quick"), larder.SOURCE_LOADER))
        hanging = larder.GetRequest(group="users", key=b"hang")
        with wire.Connection(types.SimpleNamespace(address=("127.0.0.1", node.grpc_port))) as connection:
            # Frames by hand: gRPC's own client would not wait for what the node says of it.
            stream = connection.get(b"hang", group=b"users", more=[("grpc-timeout", "300m")])
            fields = connection.wait(stream).fields
            self.assertEqual((fields["grpc-status"], fields["larder-status"]), ("4", "DEADLINE"))
        call = stub.Get.future(hanging)
        wait_until(lambda: node.metric("loads_waiting") >= 1, "it loads")
        call.cancel()
        wait_until(lambda: stub.Check(health.HealthCheckRequest(), timeout=PATIENCE), "others are served")

    def test_statistics_are_those_of_the_documents(self):
        node, stub = self.serve(groups=[{"name": "g"}])
        for i in range(20):
            stub.Set(larder.SetRequest(group="g", key=b"%d" % i, value=b"x" * i), timeout=PATIENCE)
            stub.Get(larder.GetRequest(group="g", key=b"%d" % (i // 2)), timeout=PATIENCE)
        document = node.ask("GET", "/v1/groups/g/stats").json()
        stats = stub.GroupStats(larder.GroupStatsRequest(group="g"), timeout=PATIENCE)

        def compare(message, json):
            for name, value in json.items():
                name = name.replace(".", "_")
                self.assertTrue(hasattr(message, name), f"the .proto has no {name}")
                if isinstance(value, dict):
                    compare(getattr(message, name), value)
                else:
                    self.assertEqual(getattr(message, name), value, name)
        compare(stats, document)
        self.assertEqual((stats.name, stats.entries, stats.sets), ("g", 20, 20))
        self.assertGreater(stats.latency.get.p99_9_ns, 0)
        summed = stub.GroupStats(larder.GroupStatsRequest(group="g", cluster=True), timeout=PATIENCE)
        self.assertEqual(summed.entries, 20)
        self.assertEqual(code_of(lambda: stub.GroupStats(larder.GroupStatsRequest(group="none"), timeout=PATIENCE))[::2],
                         (StatusCode.NOT_FOUND, "NO_GROUP"))

    def test_the_ring(self):
        nodes = self.cluster("ab", groups=[{"name": "g"}], cluster={"peer_transport": "grpc"})
        ring = self.stub(nodes["a"].grpc_port).Ring(larder.RingRequest(), timeout=PATIENCE)
        document = nodes["a"].ask("GET", "/v1/cluster").json()
        self.assertEqual((ring.node, ring.role, ring.epoch, ring.checksum, ring.settings),
                         tuple(document[name] for name in ("node", "role", "epoch", "checksum", "settings")))
        self.assertEqual([(m.name, m.address, m.weight, m.share, m.state, m.agrees) for m in ring.members],
                         [(m["name"], m["address"], m["weight"], m["share"], m["state"], m["agrees"])
                          for m in document["members"]])
        self.assertEqual(len(ring.members), 2)

    def test_all_keys_through_one_node(self):
        """What one node is asked is done by those that own the keys; its own numbers are of its own entries."""
        nodes = self.cluster("ab", groups=[{"name": "g"}], cluster={"peer_transport": "grpc"})
        stub = self.stub(nodes["a"].grpc_port)
        keys = [b"key %d" % i for i in range(40)]
        items = [larder.SetItem(key=key, value=b"of " + key) for key in keys]
        results = stub.BatchSet(larder.BatchSetRequest(group="g", items=items), timeout=PATIENCE).results
        self.assertEqual([(r.status, r.created) for r in results], [(larder.STATUS_OK, True)] * 40)
        results = stub.BatchGet(larder.BatchGetRequest(group="g", keys=keys), timeout=PATIENCE).results
        self.assertEqual([(r.status, r.value) for r in results], [(larder.STATUS_OK, b"of " + key) for key in keys])
        self.assertEqual({r.source for r in results}, {larder.SOURCE_LOCAL, larder.SOURCE_PEER})
        own = stub.GroupStats(larder.GroupStatsRequest(group="g"), timeout=PATIENCE)
        self.assertEqual(own.entries, sum(r.source == larder.SOURCE_LOCAL for r in results))
        self.assertEqual(stub.GroupStats(larder.GroupStatsRequest(group="g", cluster=True), timeout=PATIENCE).entries, 40)

    def test_requests_are_counted(self):
        node, stub = self.serve(groups=[{"name": "g"}])
        for i in range(3):
            code_of(lambda: stub.Get(larder.GetRequest(group="g", key=b"none"), timeout=PATIENCE))
        requests = node.ask("GET", "/stats").json()["node"]["requests"]
        self.assertEqual(requests["grpc"]["NOT_FOUND"], 3)
        self.assertEqual(node.metric("requests_total", transport="grpc", status="NOT_FOUND"), 3)

    def test_sigterm_lets_calls_finish(self):
        source = self.origin()
        source.behave(hang={"hang": True})
        node, stub = self.serve(groups=[{"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m"}],
                                node={"request_timeout": "10m", "drain_timeout": "10m"})
        watch = stub.Watch(health.HealthCheckRequest())
        self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
        call = stub.Get.future(larder.GetRequest(group="users", key=b"hang"), timeout=PATIENCE)
        wait_until(lambda: source.count("hang") == 1, "the load has begun")
        node.signal(signal.SIGTERM)
        self.assertEqual(next(watch).status, health.HealthCheckResponse.NOT_SERVING)
        source.behave()
        self.assertEqual(call.result(timeout=PATIENCE).value, value_of(b"hang"))
        self.assertEqual(node.process.wait(PATIENCE), 0)

    def test_sigterm_with_a_slow_request_at_the_other_door(self):
        source = self.origin()
        hang = {"hang": True}
        source.behave(hang=hang, later=hang)
        node, stub = self.serve(groups=[{"name": "users", "loader": loader(source, timeout="10m"), "load_timeout": "10m"}],
                                node={"request_timeout": "10m", "drain_timeout": "1m"})
        watch = stub.Watch(health.HealthCheckRequest())
        self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
        slow = self.begun_get(node, "users", "hang")
        call = stub.Get.future(larder.GetRequest(group="users", key=b"later"), timeout=PATIENCE)
        wait_until(lambda: source.count("hang") == source.count("later") == 1, "both loads have begun")
        node.signal(signal.SIGTERM)
        self.assertEqual(next(watch).status, health.HealthCheckResponse.NOT_SERVING)
        source.behave(hang=hang)
        self.assertEqual(call.result(timeout=PATIENCE).value, value_of(b"later"))
        source.behave()
        with slow.getresponse() as response:
            self.assertEqual(response.status, 200)
        self.assertEqual(node.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    main()
