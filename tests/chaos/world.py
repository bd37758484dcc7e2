"""The world of a run: an etcd, an origin, and nodes, each in its own network namespace where there may be some."""

import contextlib
import glob
import json
import os
import subprocess
import sys
import time

import kit
import network
from kit import LARDERD, PATIENCE, Client, Node, Process, wait_until
from etcd_server import Etcd
from ports import free_port
from versioned_origin import LOADED

GROUP = "kv"  # without a loader
NAMES, SPARE = "abc", "d"
RELAYED = "c"  # others reach it through a relay
LEASE, FENCE = 3, 2  # seconds: `lease_ttl` and `fence_peer`
FAKETIME = next(glob.iglob("/usr/lib/*/faketime/libfaketimeMT.so.1"), "")
MAY_JUMP = bool(FAKETIME) and not kit.SANITIZER  # whose run time has to be loaded first


class Origin(Process):
    def __init__(self, directory, host):
        super().__init__("origin", directory, "origin")
        self.host, self.port = host, free_port()
        self.spawn([sys.executable, "-B", os.path.join(os.path.dirname(__file__), "versioned_origin.py"), host, str(self.port)])
        wait_until(self.answers, "the origin listens")

    def answers(self):
        try:
            return self.ask("GET", "/count").status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        with Client(self.port, host=self.host) as client:
            return client.ask(method, path, body)

    def loads(self, prefix):
        """How often keys with a prefix were asked for."""
        return sum(count for key, count in self.ask("GET", "/count").json().items() if key.startswith(prefix))

    def behave(self, **rules):
        self.ask("PUT", "/behaviour", json.dumps(rules))


class Relay(Process):
    """relay.py, in a node's namespace: cuts by address hold for what goes through it."""

    def __init__(self, directory, node, target):
        super().__init__(f"relay of {node.name}", directory, f"relay-{node.name}")
        self.port = free_port()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*node.prefix, sys.executable, "-B", os.path.join(os.path.dirname(__file__), "relay.py"), node.host,
                 str(self.port), str(target)], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        wait_until(lambda: "listens" in self.log_text(), "the relay listens")

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.stdin.close()
        super().kill()


class Member(Node):
    """A node with an address and a wall clock of its own."""

    def __init__(self, name, directory, net):
        super().__init__(name, directory, free_port(), free_port(), None)
        self.host = net.add(name)
        self.prefix = list(net.under(name))
        self.clock = os.path.join(directory, f"{name}.clock") if MAY_JUMP else None
        if MAY_JUMP:
            self.jump(0)
            self.prefix += ["env", f"LD_PRELOAD={FAKETIME}", "DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1",
                            "FAKETIME_FORCE_MONOTONIC_FIX=0",  # else each timed wait of a thread ends at once
                            f"FAKETIME_TIMESTAMP_FILE={self.clock}"]

    def start(self):
        self.write_config()
        self.spawn([*self.prefix, LARDERD, "--config", self.path])

    def jump(self, seconds):
        """How far its clock is off from now on."""
        with open(self.clock + ".part", "w", encoding="ascii") as file:
            file.write(f"{seconds:+}s\n")
        os.replace(self.clock + ".part", self.clock)


class World:
    def __init__(self, directory, write_acks="all", peers="http"):
        self.directory, self.strict = directory, write_acks == "all"
        self.net = network.made()
        self.etcd = Etcd(directory)
        self.etcd.host = self.net.ETCD
        self.etcd.start()
        self.origin = Origin(directory, self.net.ORIGIN)
        self.impaired = {}  # by name: since when, until when a node's clients may be refused
        self.blind = []  # since when, until when members may act without a lease, as etcd is away; None: still
        self.counted = {}  # by process: what it said last, see count()
        self.nodes = {}
        for name in NAMES + SPARE:
            self.nodes[name] = Member(name, directory, self.net)
            self.nodes[name].config = self.config(self.nodes[name], write_acks, peers)
        relayed = self.nodes[RELAYED]
        self.relay = Relay(directory, relayed, relayed.grpc_port if peers == "grpc" else relayed.port)
        relayed.config["cluster"]["discovery"]["advertise"] = {peers: f"{relayed.host}:{self.relay.port}"}

    def config(self, node, write_acks, peers):
        discovery = {"plugin": "etcd", "endpoints": [self.etcd.endpoint], "prefix": "/larder/chaos", "lease_ttl": f"{LEASE}s",
                     "retry_max": "200ms", "request_timeout": "1s", "check_interval": "1s"}
        cluster = {"replicas": 2, "write_acks": write_acks, "peer_transport": peers, "discovery": discovery,
                   "probe_interval": "200ms", "fence_peer": f"{FENCE}s", "orphan_wait": "5s", "tombstone_ttl": "10m"}
        transports = [{"plugin": "http", "listen": f"{node.host}:{node.port}"}]
        if peers == "grpc":
            transports.append({"plugin": "grpc", "listen": f"{node.host}:{node.grpc_port}"})
        loader = {"plugin": "http", "url": f"http://{self.net.ORIGIN}:{self.origin.port}/users/{{key}}"}
        return {"node": {"name": node.name, "drain_timeout": "1s"}, "transports": transports, "cluster": cluster,
                "groups": [{"name": GROUP}, {"name": LOADED, "load_timeout": "2s", "loader": loader}]}

    def start(self):
        for name in NAMES:
            self.nodes[name].start()
        for name in NAMES:
            self.nodes[name].wait_ready()
        self.converge(PATIENCE)

    def running(self):
        return [node for node in self.nodes.values() if node.running()]

    def doors(self):
        """Nodes that clients may ask: a client knows of those that are down."""
        return [node for node in self.running() if self.impaired.get(node.name, [(0, 0, "")])[-1][1:] != (None, "down")]

    # --------------------------------------------------------------------------------------------- who is impaired

    @contextlib.contextmanager
    def impairing(self, node, how):
        """What clients ask of this node may fail until all is well again: `how` is down, standing, or cut."""
        spans = self.impaired.setdefault(node.name, [])
        spans.append((time.monotonic(), None, how))
        yield
        spans[-1] = (spans[-1][0], None, "back")

    @contextlib.contextmanager
    def without_etcd(self):
        """Until all is well again, what is answered may be as old as `fence_peer`."""
        self.blind.append((time.monotonic(), None))
        yield

    def healed(self):
        now = time.monotonic()
        for spans in self.impaired.values():
            if spans and spans[-1][1] is None:
                spans[-1] = (spans[-1][0], now, spans[-1][2])
        self.blind = [(since, until or now) for since, until in self.blind]

    def may_be_old(self, get):
        """By how many seconds."""
        blind = any(since <= get.ended and (until is None or until >= get.begun) for since, until in self.blind)
        return FENCE if blind else 0

    def last_impaired(self):
        """When a node was impaired last."""
        return max((spans[-1][0] for spans in self.impaired.values() if spans), default=0)

    def was_impaired(self, name, begun, ended):
        return any(since <= ended and (until is None or until >= begun) for since, until, _ in self.impaired.get(name, ()))

    # --------------------------------------------------------------------------------------------- whether all is well

    def unsettled(self):
        """Why the cluster is not yet as it should be; "": it is."""
        nodes, epochs = self.running(), set()
        names = {node.name for node in nodes}
        for node in nodes:
            try:
                with node.client(timeout=2) as client:
                    document = client.ask("GET", "/v1/cluster").json()
                    if client.ask("GET", "/ready").status != 200:
                        return f"{node.name} is not ready"
            except (OSError, ValueError) as error:
                return f"{node.name}: {error!r}"
            states = {member["name"]: member["state"] for member in document["members"]}
            handoff = document["handoff"]
            if set(states) != names or not all(state in ("self", "up") for state in states.values()):
                return f"{node.name} sees {states}"
            if not (document["acts"] and handoff["caught_up"] and handoff["finished"]):
                return f"{node.name}: acts {document['acts']}, hand-off {handoff}"
            epochs.add(document["epoch"])
        return "" if len(epochs) == 1 else f"epochs {epochs}"

    def converge(self, seconds, heals=True, begun=None):
        """Waits until all is well; how long that took. `heals`: nothing that clients ask may fail from then on."""
        begun = begun or time.monotonic()
        while self.unsettled():
            if time.monotonic() - begun > seconds:
                raise AssertionError(f"not converged after {seconds} s: {self.unsettled()}")
            time.sleep(0.05)
        took = time.monotonic() - begun
        if took > seconds + 1:  # the last look may have taken a moment
            raise AssertionError(f"converged after {took:.1f} s, wanted {seconds} s")
        if heals:
            self.healed()
        return took

    def count(self):
        """
        Requests to peers and gets answered by near copies, of all processes there were; those that are gone with what they
        said last, which is before they were killed.
        """
        for node in self.running():
            metrics = node.metrics()
            near = sum(metrics.value("near_hits_total", group=group) for group in (GROUP, LOADED))
            self.counted[node.pid] = metrics.value("peer_requests_total"), near
        return tuple(int(sum(each)) for each in zip(*self.counted.values()))

    @staticmethod
    def epoch(node):
        return node.ask("GET", "/v1/cluster").json()["epoch"]

    @staticmethod
    def entries(node):
        return int(sum(node.metric("entries", group=group) for group in (GROUP, LOADED)))

    def end(self):
        """Ends all; what was wrong with that."""
        wrong = []
        for node in self.running():
            node.config["node"]["leave_timeout"] = "0"
            node.resume()
        for node in self.running():
            try:
                code = node.stop()
                if code != 0:
                    wrong.append(f"node {node.name} ended with {code}")
            except AssertionError as error:
                wrong.append(str(error))
        for node in self.nodes.values():
            wrong += [f"node {node.name}: {line}" for line in node.reports()]
        for process in (self.relay, self.origin, self.etcd):
            process.kill()
        return wrong
