"""Real etcd servers for tests: one that can be killed, paused and brought back with or without its data, or a cluster."""

import base64
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from ports import free_port

PATIENCE = 90  # seconds: what anything may take on the slowest machine, and nothing measures


def base64_text(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """One etcd process. It listens at the same address whenever it is started."""

    host = "127.0.0.1"  # for its clients

    def __init__(self, directory, name="etcd", cluster=None, arguments=(), scheme="http"):
        self.name, self.arguments, self.scheme = name, list(arguments), scheme
        self.port, self.peer_port = free_port(), free_port()
        self.data = os.path.join(directory, f"{name}-{self.port}.data")
        self.log = os.path.join(directory, f"{name}-{self.port}.log")
        self.cluster = cluster  # the members of its cluster by name; None: it is alone
        self.process = None
        self.token = f"larder-{self.port}"
        self.ctl_arguments = []  # for etcdctl, when certificates or a login are wanted

    @property
    def endpoint(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.peer_port}"

    def command(self):
        members = self.cluster or {self.name: self}
        return ["etcd", "--name", self.name, "--data-dir", self.data,
                "--listen-client-urls", self.endpoint, "--advertise-client-urls", self.endpoint,
                "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
                "--initial-cluster", ",".join(f"{name}={each.peer_url}" for name, each in members.items()),
                "--initial-cluster-token", self.token, *self.arguments]

    def spawn(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD")}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment)

    def start(self):
        self.spawn()
        self.wait_up()
        return self

    def wait_up(self):
        end = time.monotonic() + PATIENCE
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.name} did not start: {self.log_text()[-3000:]}")
            time.sleep(0.05)

    def is_up(self):
        if self.scheme == "https":
            return self.try_ctl("endpoint", "health").returncode == 0
        try:
            with urllib.request.urlopen(f"{self.endpoint}/health", timeout=5) as answer:
                return json.load(answer)["health"] == "true"
        except OSError:
            return False

    def log_text(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()

    def pause(self):
        """Returns when it stands: its threads stop one after the other, and those that run still answer."""
        self.process.send_signal(signal.SIGSTOP)
        while not all(self._stands(path) for path in glob.glob(f"/proc/{self.process.pid}/task/*/stat")):
            time.sleep(0.001)

    @staticmethod
    def _stands(path):
        with contextlib.suppress(OSError):  # a thread that is gone
            with open(path, encoding="utf-8") as file:
                return file.read().rsplit(")", 1)[1].split()[0] in "TZX"
        return True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self):
        self.kill()
        return self.start()

    def forget(self):
        """Loses everything."""
        self.kill()
        shutil.rmtree(self.data)

    # ------------------------------------------------------------------------------------------- as an operator

    def try_ctl(self, *arguments, text=None, user=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD")}
        environment["ETCDCTL_API"] = "3"
        login = ["--user", user] if user else []
        return subprocess.run(["etcdctl", "--endpoints", self.endpoint, *self.ctl_arguments, *login, *arguments],
                              input=text, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)

    def ctl(self, *arguments, text=None, user=None):
        done = self.try_ctl(*arguments, text=text, user=user)
        if done.returncode != 0:
            raise AssertionError(f"etcdctl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def kvs(self, prefix):
        """What is under a prefix: values and revisions by key."""
        answer = json.loads(self.ctl("get", "--prefix", prefix, "-w", "json"))
        return {base64.b64decode(kv["key"]).decode(errors="replace"):
                {"value": base64.b64decode(kv.get("value", "")).decode(errors="replace"), "created": kv["create_revision"],
                 "modified": kv["mod_revision"], "lease": kv.get("lease", 0)} for kv in answer.get("kvs", [])}

    def revision(self):
        return json.loads(self.ctl("get", "none", "-w", "json"))["header"]["revision"]

    def put(self, key, value, lease=None):
        self.ctl("put", key, value, *([f"--lease={lease:x}"] if lease else []))

    def delete(self, key, prefix=False):
        self.ctl("del", key, *(["--prefix"] if prefix else []))

    def grant(self, ttl):
        return int(self.ctl("lease", "grant", str(ttl)).split()[1], 16)

    def compact(self):
        self.ctl("compaction", str(self.revision()))

    def post(self, path, request, headers=None):
        """A request to the JSON gateway: much quicker than a process of etcdctl."""
        wanted = urllib.request.Request(f"{self.endpoint}/v3/{path}", json.dumps(request).encode(), headers or {})
        with urllib.request.urlopen(wanted, timeout=PATIENCE) as answer:
            return json.load(answer)

    def transaction(self, *operations):
        """Puts ("put", key, value) and deletes ("del", key) at one revision, which is returned."""
        made = []
        for kind, key, *value in operations:
            if kind == "put":
                made.append({"request_put": {"key": base64_text(key), "value": base64_text(value[0])}})
            else:
                made.append({"request_delete_range": {"key": base64_text(key)}})
        return int(self.post("kv/txn", {"success": made})["header"]["revision"])


def cluster_of(directory, names=("e1", "e2", "e3"), **options):
    """An etcd cluster, started."""
    members = {}
    for name in names:
        members[name] = Etcd(directory, name, members, **options)
    for each in members.values():
        each.token = "larder"
        each.spawn()
    for each in members.values():
        each.wait_up()
    return members
