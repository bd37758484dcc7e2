"""What the tests of the etcd discovery stand on: the module in a host program, etcd servers, and a proxy between both."""

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system")]
from kit import BUILD, LARDER, LARDERD, PATIENCE, PEERS, REPORT, Case, Client, loader, main, wait_until  # noqa: E402,F401
from etcd_server import Etcd, cluster_of  # noqa: E402,F401
from ports import free_port  # noqa: E402,F401

HOST = os.path.join(BUILD, "tests", "etcd_host")
PREFIX = "/larder/test"


class Host:
    """tests/etcd/host.c: what it tells is read by a thread."""

    def __init__(self, directory, parameters, name=None, addresses=("http:127.0.0.1:1",), under=(), **arguments):
        self.name = f"host {name}"
        self.log = os.path.join(directory, f"host-{name}-{time.monotonic_ns()}.log")
        words = [f"{key}={value}" for key, value in arguments.items()]
        if name:
            words += [f"name={name}"] + [f"address={address}" for address in addresses]
        self.events, self.changed = [], threading.Condition()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*under, HOST, json.dumps(parameters), *words], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.changed:
                self.events.append(event)
                self.changed.notify_all()
        with self.changed:
            self.events.append({"event": "ended"})
            self.changed.notify_all()

    def all(self, kind):
        with self.changed:
            return [event for event in self.events if event["event"] == kind]

    def wait(self, condition, what, seconds=PATIENCE):
        """Waits for an event for which the condition holds, among those so far, too."""
        end = time.monotonic() + seconds
        seen = 0
        with self.changed:
            while True:
                for event in self.events[seen:]:
                    if condition(event):
                        return event
                seen = len(self.events)
                if not self.changed.wait(end - time.monotonic()):
                    raise AssertionError(f"{self.name}: still not so after {seconds} s: {what}\n{self.log_text()}")

    def wait_for(self, kind, **fields):
        return self.wait(lambda event: event["event"] == kind and all(event[k] == v for k, v in fields.items()),
                         f"{kind} {fields}")

    def wait_log(self, text):
        return self.wait(lambda event: event["event"] == "log" and text in event["text"], f"a line with {text!r}")

    def started(self):
        event = self.wait(lambda event: event["event"] in ("started", "ended"), "it has started")
        if event.get("status") != "OK":
            raise AssertionError(f"{self.name} did not start: {event}\n{self.log_text()}")
        return self

    def refused(self):
        """The reason why it was not opened or not started."""
        self.wait_for("ended")
        code = self.process.wait(PATIENCE)
        failed = [event for event in self.all("opened") + self.all("started") if event["status"] != "OK"]
        if len(failed) != 1 or code not in (0, 1) or REPORT.search(self.log_text()):
            raise AssertionError(f"{self.name} was not refused, it ended with {code}: {self.log_text()}")
        return failed[0]["reason"]

    def lists(self):
        return self.all("members")

    def last(self):
        return self.lists()[-1]

    def names(self):
        lists = self.lists()
        return sorted(member["name"] for member in lists[-1]["members"]) if lists else []

    def wait_names(self, *names):
        wait_until(lambda: self.names() == sorted(names), f"{self.name} sees {names}, not {self.names()}")
        return self.last()

    def member(self, name):
        return next(member for member in self.last()["members"] if member["name"] == name)

    def lines(self):
        return [event["text"] for event in self.all("log")]

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def log_text(self):
        """Everything it told, and what a sanitizer found."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(json.dumps(event) + "\n" for event in list(self.events)) + file.read()

    def close(self):
        """Ends it as a node would; how long that took."""
        if self.process.poll() is None:
            self.tell("close")
        self.wait_for("ended")
        code = self.process.wait(PATIENCE)
        self.reader.join()
        self._close_pipes()
        if code != 0 or REPORT.search(self.log_text()):
            raise AssertionError(f"{self.name} ended with {code}: {self.log_text()[-5000:]}")
        closed = self.all("closed")
        return closed[-1]["took"] if closed else None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self._close_pipes()

    def _close_pipes(self):
        self.process.stdout.close()
        with contextlib.suppress(OSError):
            self.process.stdin.close()


class Proxy:
    """Between a host and etcd: breaks connections, lets them hang, and loses answers."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.name = f"proxy {self.port}"
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        self.pairs = {}  # a socket's other end
        self.servers = set()  # those that lead to etcd
        self.frozen = set()  # nothing goes through these any more
        self.refusing = False
        self.accepted = 0  # connections, those that were refused among them
        self.requests = 0
        self.lose = None  # bytes of a request whose answer is lost
        self.losing = set()
        self.watches = set()  # connections with one
        self.asked = {}  # the last bytes of requests
        self.change = None  # what becomes of bytes that etcd sends
        self.ended = False
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while not self.ended:
            for key, _ in self.selector.select(0.05):
                with self.lock:
                    if key.fileobj is self.listener:
                        self._accept()
                    elif key.fileobj in self.pairs:
                        self._pass_on(key.fileobj)

    def _accept(self):
        client, _ = self.listener.accept()
        self.accepted += 1
        if self.refusing:
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)
        self.servers.add(server)

    def _pass_on(self, one):
        other = self.pairs[one]
        if one in self.frozen:
            self.selector.unregister(one)
            return
        try:
            data = one.recv(1 << 16)
        except OSError:
            data = b""
        from_etcd = one in self.servers
        self.requests += data.startswith(b"POST ")
        if data.startswith(b"POST /v3/watch"):
            self.watches.add(one)
        if not from_etcd and self.lose:
            self.asked[one] = self.asked.get(one, b"")[-len(self.lose):] + data
            if self.lose in self.asked[one]:
                self.losing.add(other)
                self.lose = None
        if data and from_etcd and one in self.losing:
            data = b""
        if data and from_etcd and self.change:
            data = self.change(data)
        try:
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(one)

    def _drop(self, one):
        for each in (one, self.pairs.pop(one, None)):
            if each is None:
                continue
            self.pairs.pop(each, None)
            if each in self.selector.get_map():
                self.selector.unregister(each)
            each.close()

    def cut(self):
        """Breaks all connections; new ones are taken unless it refuses."""
        with self.lock:
            while self.pairs:
                self._drop(next(iter(self.pairs)))

    def refuse(self, refusing=True):
        with self.lock:
            self.refusing = refusing
        if refusing:
            self.cut()

    def freeze_watches(self):
        """Nothing more comes through on the connections of watches, which stay open. How many there are."""
        with self.lock:
            watches = self.watches & set(self.pairs)
            for one in watches:
                self.frozen |= {one, self.pairs[one]}
            return len(watches)

    def lose_answer(self, request):
        with self.lock:
            self.lose = request

    def log_text(self):
        return ""

    def kill(self):
        self.ended = True
        self.thread.join()
        self.cut()
        self.listener.close()
        self.selector.close()


class World(Case):
    """A test with an etcd and hosts."""

    def setUp(self):
        super().setUp()
        self.hosts = []

    def end_processes(self):
        wrong = []
        for process in self.processes:
            if isinstance(process, Host) and process.process.poll() is None:
                try:
                    process.close()
                except (AssertionError, OSError) as error:
                    wrong.append(str(error))
        super().end_processes()
        self.assertEqual(wrong, [])

    def kept(self, process):
        self.processes.append(process)
        return process

    def etcd(self, **options):
        return self.kept(Etcd(self.directory, **options)).start()

    def etcds(self, **options):
        members = cluster_of(self.directory, **options)
        for each in members.values():
            self.kept(each)
        return list(members.values())

    def proxy(self, etcd):
        return self.kept(Proxy(etcd.port))

    def host(self, etcd, name=None, parameters=None, **arguments):
        """A host, begun; `etcd` is a server or proxy, or a list of them."""
        places = etcd if isinstance(etcd, (list, tuple)) else [etcd]
        endpoints = [place if isinstance(place, str) else place.endpoint for place in places]
        made = {"endpoints": endpoints, "prefix": PREFIX, "lease_ttl": "2s", **(parameters or {})}
        return self.kept(Host(self.directory, made, name, **arguments))

    def started(self, etcd, name=None, parameters=None, **arguments):
        return self.host(etcd, name, parameters, **arguments).started()
