"""What clients of all kinds do: gRPC's asyncio client, many large calls, connections in pieces, h2load, and C++."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

import grpc
from grpc import StatusCode, aio

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "transport"))
from host import PATIENCE, Host  # noqa: E402
from stub import CODES, Stub, code_of, health, larder, methods_of  # noqa: E402

MIB = 1 << 20
FRAME = 16384  # bytes that a frame of data carries
PREFIX = 5  # before each message
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def wait_until(case, condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        case.assertLess(time.monotonic(), end, what)
        time.sleep(0.02)


class Case(unittest.TestCase):
    PARAMETERS = "workers: 2"

    def setUp(self):
        self.host = Host(self.PARAMETERS)
        self.target = "%s:%d" % self.host.address

    def tearDown(self):
        self.host.close()


class Sizes(Case):
    def test_values_around_the_edges_of_frames_and_windows(self):
        """A frame carries 16,384 bytes, the first window 65,535, later ones a MiB; a message takes up to 4 MiB."""
        sizes = {0, 1}
        for edge in (16384, 65535, MIB):
            sizes.update(edge - around for around in range(-1, 40))
        with Stub(self.host.address, LARGE) as stub:
            for size in sorted(sizes):
                value = random.Random(size).randbytes(size)
                stub.Set(larder.SetRequest(group="g", key=b"s", value=value), timeout=PATIENCE)
                self.assertEqual(stub.Get(larder.GetRequest(group="g", key=b"s"), timeout=PATIENCE).value, value)

    def test_messages_that_end_around_the_end_of_a_frame(self):
        """Requests and answers whose last byte is the last of a frame, one byte less, and one more, up to the limit."""
        whole = (b"abcdefghijklmnopqrstuvwxyz" * (MIB // 6))[:4 * MIB]  # as the host's own values

        def sized(kind, size, **fields):
            guess = kind(value=whole[:size - 100], **fields)
            return kind(value=whole[:size - PREFIX - guess.ByteSize() + len(guess.value)], **fields)

        with Stub(self.host.address, LARGE) as stub:
            def get(key):
                return stub.Get(larder.GetRequest(group="g", key=key), timeout=PATIENCE)

            for size in (frames * FRAME + more for frames in (*range(1, 32), *range(32, 257, 8)) for more in (-1, 0, 1)):
                request = sized(larder.SetRequest, size, group="g", key=b"s")
                self.assertEqual(PREFIX + request.ByteSize(), size)
                stub.Set(request, timeout=PATIENCE)
                self.assertTrue(get(b"s").value == request.value, size)
                wanted = sized(larder.GetResponse, size, version=larder.Version(epoch=1, clock=1), ttl_ms=-1)
                answer = get(b"big:%d" % len(wanted.value))
                self.assertEqual(PREFIX + answer.ByteSize(), size)
                self.assertTrue(answer.value == wanted.value, size)

    def test_the_limit_is_met_to_the_byte(self):
        empty = larder.SetRequest(group="g", key=b"limit", value=bytes(4 * MIB - 100))
        room = 4 * MIB - empty.ByteSize() + len(empty.value)
        with Stub(self.host.address, LARGE) as stub:
            for more, code in ((-1, StatusCode.OK), (0, StatusCode.OK), (1, StatusCode.RESOURCE_EXHAUSTED)):
                request = larder.SetRequest(group="g", key=b"limit", value=bytes(room + more))
                self.assertEqual(request.ByteSize(), 4 * MIB + more)
                self.assertEqual(code_of(lambda r=request: stub.Set(r, timeout=PATIENCE))[0], code, more)

    def test_large_metadata(self):
        """More than the limit is refused; more than any client could mean closes the connection, and a new one is made."""
        with Stub(self.host.address, [("grpc.max_metadata_size", MIB)]) as stub:
            get = larder.GetRequest(group="g", key=b"none")
            for size, code in ((4000, StatusCode.NOT_FOUND), (20000, StatusCode.RESOURCE_EXHAUSTED),
                               (4000, StatusCode.NOT_FOUND), (200000, StatusCode.UNAVAILABLE),
                               (4000, StatusCode.NOT_FOUND)):
                got = code_of(lambda s=size: stub.Get(get, timeout=PATIENCE, metadata=(("x-fill", "m" * s),)))
                self.assertEqual(got[0], code, got)


class Asynchronous(Case):
    """The client that runs on Python's event loop, which is another implementation of much of the library."""

    def run_with(self, work):
        async def main():
            async with aio.insecure_channel(self.target, options=LARGE) as channel:
                stub = types.SimpleNamespace(**methods_of(channel))
                await asyncio.wait_for(work(stub), PATIENCE)
        asyncio.run(main())

    def test_every_method(self):
        async def work(stub):
            items = [larder.SetItem(key=b"a%d" % i, value=b"%d" % i) for i in range(10)]
            results = (await stub.BatchSet(larder.BatchSetRequest(group="g", items=items))).results
            self.assertEqual([(r.status, r.created) for r in results], [(larder.STATUS_OK, True)] * 10)
            results = (await stub.BatchGet(larder.BatchGetRequest(group="g", keys=[i.key for i in items]))).results
            self.assertEqual([r.value for r in results], [i.value for i in items])
            self.assertTrue((await stub.Set(larder.SetRequest(group="g", key=b"a", value=b"1"))).created)
            touched = await stub.Touch(larder.TouchRequest(group="g", key=b"a", ttl_ms=60000))
            got = await stub.Get(larder.GetRequest(group="g", key=b"a"))
            self.assertEqual((got.value, got.version), (b"1", touched.version))
            self.assertTrue(0 < got.ttl_ms <= 60000)
            self.assertEqual((await stub.GroupStats(larder.GroupStatsRequest(group="g"))).entries, 11)
            await stub.Delete(larder.DeleteRequest(group="g", key=b"a"))
            self.assertEqual((await stub.GroupStats(larder.GroupStatsRequest(group="g"))).entries, 10)
            self.assertEqual(len((await stub.Ring(larder.RingRequest())).members), 0)
        self.run_with(work)

    def test_streams_and_health(self):
        async def work(stub):
            serving, closing = health.HealthCheckResponse.SERVING, health.HealthCheckResponse.NOT_SERVING
            self.assertEqual((await stub.Check(health.HealthCheckRequest())).status, serving)
            watch = stub.Watch(health.HealthCheckRequest())
            self.assertEqual((await watch.read()).status, serving)
            self.host.send_command("ready 0")
            self.assertEqual((await watch.read()).status, closing)
            watch.cancel()
            keys = [b"slow:100:x", b"big:3", b"none"]
            replies = stub.Call(iter([larder.CallRequest(operation=1, group="g", key=key) for key in keys]))
            none = larder.STATUS_NOT_FOUND
            self.assertEqual(sorted([(r.request, r.status, r.value) async for r in replies]),
                             [(0, none, b""), (1, larder.STATUS_OK, b"abc"), (2, none, b"")])
        self.run_with(work)

    def test_every_status(self):
        async def work(stub):
            for number, code in CODES.items():
                with self.assertRaises(aio.AioRpcError) as failed:
                    await stub.Get(larder.GetRequest(group="g", key=b"fail:%d" % number))
                name = failed.exception.trailing_metadata()["larder-status"]
                self.assertEqual((failed.exception.code(), name), (code, larder.Status.Name(number)[len("STATUS_"):]))
                self.assertIn('because "it" \x01 said so', failed.exception.details())
        self.run_with(work)

    def test_three_hundred_large_calls_at_a_time(self):
        async def work(stub):
            values = {b"large%d" % i: random.Random(i).randbytes(MIB // 4 + i) for i in range(300)}
            await asyncio.gather(*(stub.Set(larder.SetRequest(group="g", key=k, value=v), timeout=PATIENCE)
                                   for k, v in values.items()))
            got = await asyncio.gather(*(stub.Get(larder.GetRequest(group="g", key=k), timeout=PATIENCE) for k in values))
            self.assertEqual([g.value for g in got], list(values.values()))
        self.run_with(work)

    def test_deadlines_and_cancelling(self):
        async def work(stub):
            with self.assertRaises(aio.AioRpcError) as late:
                await stub.Get(larder.GetRequest(group="g", key=b"never:1"), timeout=0.2)
            self.assertEqual(late.exception.code(), StatusCode.DEADLINE_EXCEEDED)
            calls = [stub.Get(larder.GetRequest(group="g", key=b"never:%d" % i)) for i in range(100)]
            await asyncio.sleep(0.05)
            for call in calls:
                self.assertTrue(call.cancel())
            for call in calls:
                with self.assertRaises(asyncio.CancelledError):
                    await call
            with self.assertRaises(aio.AioRpcError) as none:
                await stub.Get(larder.GetRequest(group="g", key=b"none"), timeout=PATIENCE)
            self.assertEqual(none.exception.code(), StatusCode.NOT_FOUND)
        self.run_with(work)


class Proxy:
    """Passes bytes on between a client and the host in pieces of the sizes that `pieces` draws."""

    def __init__(self, address, pieces):
        self.address, self.pieces = address, pieces
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = self.listener.getsockname()[:2]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.address)
            for one, other in ((client, server), (server, client)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(4096):
                while data:
                    size = self.pieces()
                    sink.sendall(data[:size])
                    data = data[size:]
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Pieces(Case):
    def through(self, pieces, size, rounds):
        proxy = Proxy(self.host.address, pieces)
        with Stub(proxy.target) as stub:
            for i in range(rounds):
                value = random.Random(i).randbytes(size)
                stub.Set(larder.SetRequest(group="g", key=b"p%d" % i, value=value), timeout=PATIENCE)
                self.assertEqual(stub.Get(larder.GetRequest(group="g", key=b"p%d" % i), timeout=PATIENCE).value, value)
            self.assertEqual(code_of(lambda: stub.Get(larder.GetRequest(group="g", key=b"none"), timeout=PATIENCE))[0],
                             StatusCode.NOT_FOUND)
        proxy.close()

    def test_every_byte_by_itself(self):
        self.through(lambda: 1, 500, 10)

    def test_random_pieces(self):
        draw = random.Random(7)
        self.through(lambda: draw.choice((1, 2, 3, 8, 9, 10, 100, 1000)), 20000, 20)


class GoingAway(unittest.TestCase):
    def test_a_restart_under_load_fails_no_call(self):
        """The old server drains while a new one listens at the same address: clients go over, and no call is lost."""
        port = self.free_port()
        parameters = 'workers: 2, listen: "127.0.0.1:%d"' % port
        host = Host(parameters)
        stop, errors, done = threading.Event(), [], [0] * 4
        stubs = [Stub(host.address, [("grpc.use_local_subchannel_pool", 1)]) for _ in done]

        def work(index):
            while not stop.is_set():
                code = code_of(lambda: stubs[index].Get(larder.GetRequest(group="g", key=b"none"), timeout=PATIENCE,
                                                        wait_for_ready=True))
                if code[0] != StatusCode.NOT_FOUND:
                    errors.append(code)
                done[index] += 1

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(done))]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = list(done)
            wait_until(self, lambda b=before: all(now > was + 20 for now, was in zip(done, b)), "calls go on")
            self.assertEqual(host.command("drain 60000"), "drained")
            host.close()
            host = Host(parameters)
        before = list(done)
        wait_until(self, lambda: all(now > was + 20 for now, was in zip(done, before)), "calls go on")
        stop.set()
        for thread in threads:
            thread.join()
        for stub in stubs:
            stub.channel.close()
        host.close()
        self.assertEqual(errors, [])

    @staticmethod
    def free_port():
        with socket.create_server(("127.0.0.1", 0)) as found:
            return found.getsockname()[1]


class Load(Case):
    """h2load, of nghttp2, which knows HTTP/2 and nothing of gRPC."""

    def h2load(self, *arguments):
        request = larder.GetRequest(group="g", key=b"hot").SerializeToString()
        with tempfile.NamedTemporaryFile(prefix="larder-h2load.") as body:
            body.write(b"\0" + len(request).to_bytes(4, "big") + request)
            body.flush()
            process = subprocess.Popen(["h2load", *arguments, "-d", body.name, "-H", "content-type: application/grpc", "-H",
                                        "te: trailers", f"http://{self.target}/larder.v1.Cache/Get"],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            yield process
            if process.poll() is None:
                process.wait(timeout=PATIENCE)
            process.stdout.close()

    def put(self):
        with Stub(self.host.address) as stub:
            stub.Set(larder.SetRequest(group="g", key=b"hot", value=b"v" * 100), timeout=PATIENCE)

    def test_load(self):
        self.put()
        for process in self.h2load("-n", "20000", "-c", "20", "-m", "10"):
            output = process.communicate(timeout=PATIENCE)[0]
            self.assertIn("20000 succeeded, 0 failed, 0 errored, 0 timeout", output)

    def test_aborted_connections(self):
        self.put()
        for i in range(10):
            for process in self.h2load("-D", "60", "-c", "50", "-m", "100"):
                answered = self.host.stats()["completed"]
                wait_until(self, lambda a=answered: self.host.stats()["completed"] > a + 100, "h2load is answered")
                process.send_signal(signal.SIGKILL)
        wait_until(self, lambda: self.host.stats()["connections"] == 0, "dead connections are let go")
        stats = self.host.stats()
        self.assertEqual(stats["submitted"], stats["completed"])
        self.test_load()


@unittest.skipUnless("GRPC_SMOKE" in os.environ, "gRPC C++ is not built for sanitizers")
class CPlusPlus(Case):
    def test_smoke(self):
        """gRPC C++'s client: every kind of answer once; see smoke.cpp."""
        done = subprocess.run([os.environ["GRPC_SMOKE"], self.target], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (0, "every answer was the right one\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
