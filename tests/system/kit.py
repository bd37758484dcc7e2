"""What the system tests stand on: real larderd processes, a real origin, and clients on keep-alive connections.

A test file is run as `python3 test_x.py BUILD_DIRECTORY [unittest arguments]`. Every wait is for a condition; PATIENCE is
what a condition may take on the slowest machine, and nothing measures it.
"""

import atexit
import contextlib
import functools
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from urllib.parse import quote

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "scripts"), os.path.join(ROOT, "tests")]
from clients import PATIENCE, Client, in_threads, key_path  # noqa: E402,F401  the tests take these from here
from etcd_server import Etcd  # noqa: E402
from exposition import Metrics  # noqa: E402,F401
from origin import value_of  # noqa: E402,F401
from ports import free_port  # noqa: E402

if len(sys.argv) < 2 or not os.path.isfile(os.path.join(sys.argv[1], "bin", "larderd")):
    sys.exit(f"usage: {sys.argv[0]} BUILD_DIRECTORY, which has bin/larderd")
BUILD = os.path.abspath(sys.argv.pop(1))
LARDERD = os.path.join(BUILD, "bin", "larderd")
LARDER = os.path.join(BUILD, "bin", "larder")


def _sanitizer():
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
        found = re.search(r"^LARDER_SANITIZE:\w+=(.*)$", cache.read(), re.MULTILINE)
    return found[1] if found else ""


PEERS = os.environ.get("TEST_PEERS", "http")  # the transport between the nodes of a cluster, unless a test names one
DISCOVERY = os.environ.get("TEST_DISCOVERY", "static")  # where the members of a cluster stand, unless a test names it
SANITIZER = _sanitizer()  # "" for a build as it is shipped
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|SUMMARY: \w+Sanitizer|runtime error:")


def wait_until(condition, what, seconds=PATIENCE):
    """Waits for something true, which it returns."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {seconds} s: {what}")
        time.sleep(0.01)


def static_members(why):
    """Marks a test that makes sense with a fixed list of members only."""
    return unittest.skipIf(DISCOVERY != "static", f"static members only: {why}")


@functools.cache
def etcd():
    """One etcd for all tests of a program: each cluster has a prefix of its own there."""
    directory = tempfile.mkdtemp(prefix="larder-etcd.")
    server = Etcd(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.kill)
    return server.start()


_clusters = itertools.count(1)


def discovery_section():
    """Where the members of a new cluster stand. Leases outlast every test: who is killed stays a member, as with a list."""
    if DISCOVERY == "static":
        return {"plugin": "static"}
    return {"plugin": "etcd", "endpoints": [etcd().endpoint], "prefix": f"/larder/{next(_clusters)}", "lease_ttl": "10m",
            "retry_max": "200ms"}


# ------------------------------------------------------------------------------------------------ processes

class Process:
    """A program with a log, which is shown when the test fails."""

    def __init__(self, name, directory, file):
        self.name, self.process = name, None
        self.log = os.path.join(directory, file + ".log")

    def spawn(self, command):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LARDER_", "NOTIFY_"))}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()


class Origin(Process):
    """scripts/origin.py as a process of its own."""

    def __init__(self, directory, port=None, delay=0):
        port = port or free_port()
        super().__init__("origin", directory, f"origin-{port}")
        port_file = os.path.join(directory, "origin.port")
        with contextlib.suppress(FileNotFoundError):
            os.remove(port_file)
        self.spawn([sys.executable, os.path.join(ROOT, "scripts", "origin.py"), "--port", str(port),
                    "--port-file", port_file, "--delay", str(delay)])
        wait_until(lambda: os.path.exists(port_file) or not self.running(), "the origin listens")
        if not self.running():
            raise AssertionError("the origin ended: " + self.log_text())
        with open(port_file, encoding="ascii") as file:
            self.port = int(file.read())
        self.url = f"http://127.0.0.1:{self.port}/users/{{key}}"

    def ask(self, method, path, body=None):
        with Client(self.port) as client:
            return client.ask(method, path, body)

    def counts(self):
        """Requests for each key, keys percent-encoded."""
        return self.ask("GET", "/count").json()

    def count(self, key):
        return int(self.ask("GET", "/count/" + quote(key, safe="")).body)

    def behave(self, **rules):
        """Rules by prefix of the key, in place of all before."""
        self.ask("PUT", "/behaviour", json.dumps(rules))


class Node(Process):
    host = "127.0.0.1"  # where it listens

    def __init__(self, name, directory, port, grpc_port, config):
        super().__init__(name, directory, f"{name}-{port}")
        self.port, self.grpc_port, self.config = port, grpc_port, config
        self.path = os.path.join(directory, f"{name}-{port}.yaml")

    def member(self, host="127.0.0.1"):
        """The node as a list of members has it."""
        return {"name": self.name, "http": f"{host}:{self.port}", "grpc": f"{host}:{self.grpc_port}"}

    def write_config(self):
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=1)  # JSON is YAML, too

    def start(self, under=()):
        """`under`: a command that runs another, with fewer rights for example."""
        self.write_config()
        self.spawn([*under, LARDERD, "--config", self.path])

    def ready(self):
        try:
            with self.client(timeout=5) as client:
                return client.ask("GET", "/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self):
        def settled():
            return self.ready() or not self.running()
        wait_until(settled, f"node {self.name} is ready")
        if not self.running():
            raise AssertionError(f"node {self.name} ended with {self.process.returncode}: {self.log_text()[-3000:]}")

    def restart(self):
        self.kill()
        self.start()
        self.wait_ready()

    def pause(self):
        """Stops the process; returns when every thread of it stands."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: all(state == "T" for state in self.thread_states()), f"node {self.name} stands")

    def thread_states(self):
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/stat", encoding="utf-8", errors="replace") as file:
                yield file.read().rpartition(")")[2].split()[0]

    def resume(self):
        self.signal(signal.SIGCONT)

    def reload(self):
        """Has the node read its configuration again, as `config` is now. Returns at once."""
        self.write_config()
        self.signal(signal.SIGHUP)

    def terminate(self):
        """Tells it to end, as an operator would."""
        if self.running():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)

    def stop(self):
        """Ends the node as an operator would, and returns its exit code."""
        self.terminate()
        return self.wait_ended()

    def wait_ended(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"node {self.name} did not end after SIGTERM") from None

    def reports(self):
        """Lines of sanitizers in the log."""
        return [line for line in self.log_text().splitlines() if REPORT.search(line)]

    def client(self, **options):
        return Client(self.port, host=self.host, **options)

    def ask(self, method, path, body=None, headers=None):
        with self.client() as client:
            return client.ask(method, path, body, headers)

    def get(self, group, key, **headers):
        return self.ask("GET", key_path(group, key), headers=headers)

    def put(self, group, key, value, query=""):
        return self.ask("PUT", key_path(group, key) + query, value)

    def delete(self, group, key):
        return self.ask("DELETE", key_path(group, key))

    def metrics(self):
        answer = self.ask("GET", "/metrics")
        if answer.status != 200:
            raise AssertionError(f"metrics of node {self.name}: {answer}")
        return Metrics(answer.body.decode())

    def metric(self, name, **labels):
        return self.metrics().value(name, **labels)

    def members(self):
        """The members of the cluster as this node sees them, by name."""
        return {member["name"]: member for member in self.ask("GET", "/v1/cluster").json()["members"]}


class Cluster(dict):
    """Nodes by name, with one cluster section and one list of groups for all."""

    def nodes(self):
        return list(self.values())

    def wait_ready(self):
        for node in self.nodes():
            node.wait_ready()

    def wait_up(self):
        """Until every node has heard of every other that runs; where they come by themselves, until all is in its place."""
        for node in self.nodes() if self.registered() else ():
            wait_until(lambda: set(node.members()) == set(self), f"node {node.name} has all members")
        for node in self.nodes():
            others = [name for name in self if name != node.name]
            wait_until(lambda: all(node.members()[name]["state"] == "up" for name in others if name in node.members()),
                       f"node {node.name} sees all others up")
        if self.registered():
            wait_until(self.settled, "all have one list, and what they should have")
        self.failed_before = self.total("peer_failures_total")  # some are pinged before they listen

    def peer_failures(self):
        """Calls that failed since all were up."""
        return self.total("peer_failures_total") - self.failed_before

    def settled(self):
        documents = [node.ask("GET", "/v1/cluster").json() for node in self.nodes()]
        return len({each["epoch"] for each in documents}) == 1 and all(each["handoff"]["caught_up"] for each in documents)

    def registered(self):
        """Whether members come and go by themselves."""
        return any(node.config["cluster"]["discovery"]["plugin"] != "static" for node in self.nodes())

    def add(self, node):
        """Starts a node that becomes a member; the others have heard of it when this returns."""
        if not self.registered():
            for other in self.nodes():
                other.config["cluster"]["discovery"]["members"].append(node.member())
        node.start()
        node.wait_ready()
        if not self.registered():
            for other in self.nodes():
                other.reload()
        self[node.name] = node
        for each in self.nodes():
            wait_until(lambda: set(each.members()) == set(self), f"node {each.name} knows the member")

    def total(self, name, **labels):
        return sum(node.metric(name, **labels) for node in self.nodes())

    def settled_total(self, name, **labels):
        """The sum once two readings are the same: what was under way is counted then."""
        last = [None]

        def still():
            now = self.total(name, **labels)
            same, last[0] = now == last[0], now
            return same
        wait_until(still, f"{name} grows no more")
        return last[0]


def owner_of(nodes, group, put):
    """The name of the node that holds a key: the one whose store grows by it. `put` stores it."""
    before = {node.name: node.metric("sets_total", group=group) for node in nodes}
    put()
    grown = [node.name for node in nodes if node.metric("sets_total", group=group) > before[node.name]]
    if len(grown) != 1:
        raise AssertionError(f"a key is owned by {grown}")
    return grown[0]


class Case(unittest.TestCase):
    """A test with nodes, an origin and a scratch directory; all gone afterwards, the logs shown when it failed."""

    maxDiff = None

    def run(self, result=None):
        self.directory = tempfile.mkdtemp(prefix="larder-system.")
        self.processes = []
        failed = self._failures(result)
        try:
            return super().run(result)
        finally:
            if self._failures(result) > failed:
                for process in self.processes:
                    print(f"---- log of {process.name}\n{process.log_text()[-20000:]}----", flush=True)
            shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _failures(result):
        return len(result.failures) + len(result.errors) if result else 0

    def setUp(self):
        self.addCleanup(self.end_processes)

    def end_processes(self):
        """Every node that still runs must end well, and none may have a sanitizer's report in its log."""
        wrong, running = [], [process for process in self.processes if isinstance(process, Node) and process.running()]
        for node in running:
            node.terminate()
        for node in running:
            try:
                code = node.wait_ended()
                if code != 0:
                    wrong.append(f"node {node.name} ended with {code}")
            except AssertionError as error:
                wrong.append(str(error))
        for process in self.processes:
            if isinstance(process, Node):
                wrong += [f"node {process.name}: {line}" for line in process.reports()]
            process.kill()
        self.assertEqual(wrong, [])

    # -------------------------------------------------------------------------------------------- making things

    def origin(self, **options):
        origin = Origin(self.directory, **options)
        self.processes.append(origin)
        return origin

    def node(self, name="solo", port=None, **sections):
        """
        A node, not started. Sections replace those of a plain configuration; `grpc` adds that transport, which a node of a
        cluster has when peers call each other over it.
        """
        port, grpc_port = port or free_port(), free_port()
        config = {"node": {"name": name}, "transports": [{"plugin": "http", "listen": f"127.0.0.1:{port}"}]}
        if "cluster" in sections and DISCOVERY != "static":
            config["node"]["leave_timeout"] = "1s"  # when a test is over, members that are gone are waited for
        config["node"].update(sections.pop("node", {}))
        config["transports"][0].update(sections.pop("http", {}))
        if "cluster" in sections:
            sections["cluster"] = {"peer_transport": PEERS, **sections["cluster"]}
            if sections["cluster"]["peer_transport"] == "grpc":
                sections.setdefault("grpc", {})
        if "grpc" in sections:
            config["transports"].append({"plugin": "grpc", "listen": f"127.0.0.1:{grpc_port}", **sections.pop("grpc")})
        config.update(sections)
        node = Node(name, self.directory, port, grpc_port, config)
        self.processes.append(node)
        return node

    def started(self, *arguments, **sections):
        node = self.node(*arguments, **sections)
        node.start()
        node.wait_ready()
        return node

    def cluster(self, names="abc", groups=({"name": "default"},), cluster=None, node=None, http=None, grpc=None, start=True):
        """
        A cluster of nodes that agree on everything. Settings of `cluster` are added to the section of that name; with `grpc`
        they have that transport, whatever they call each other over. A peer that does not answer for a second is only busy,
        unless a test says otherwise: no call is repeated for that.
        """
        made, discovery = Cluster(), discovery_section()
        for name in names:
            section = {"discovery": dict(discovery), "peer_timeout": "10s", **json.loads(json.dumps(cluster or {}))}
            made[name] = self.node(name, cluster=section, groups=json.loads(json.dumps(list(groups))), node=dict(node or {}),
                                   http=dict(http or {}), **({} if grpc is None else {"grpc": dict(grpc)}))
        for each in made.nodes():
            discovery = each.config["cluster"]["discovery"]
            if discovery["plugin"] == "static":
                discovery["members"] = [other.member() for other in made.nodes()]
        if start:
            for each in made.nodes():
                each.start()
            made.wait_ready()
            made.wait_up()
        return made

    def begun_get(self, node, group, key):
        """A connection on which a get was sent, whose answer is not waited for; it is closed when the test ends."""
        caller = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE)
        self.addCleanup(caller.close)
        caller.request("GET", key_path(group, key))
        return caller

    def gateway(self, cluster, name="gate"):
        """A started gateway in front of a cluster."""
        section = next(iter(cluster.values())).config["cluster"]
        return self.started(name, node={"role": "gateway"}, cluster=json.loads(json.dumps(section)))


def loader(origin, **options):
    return {"plugin": "http", "url": origin.url, **options}


def main():
    unittest.main(verbosity=2)
