"""docs/operating.md from "Start" to "Upgrade": its commands, as they stand and in their order, on a cluster that serves."""

import json
import os
import re
import subprocess

from nodes import Nodes
from world import BUILD, PATIENCE, loader, main, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SECTIONS = ("Start", "Grow", "Shrink", "Upgrade")
USERS = 100


def commands():
    with open(os.path.join(ROOT, "docs/operating.md"), encoding="utf-8") as file:
        parts = re.split(r"^## (.*)$", file.read(), flags=re.MULTILINE)
    for title, text in zip(parts[1::2], parts[2::2]):
        if title in SECTIONS:
            yield from ((title, line) for line in re.findall(r"^    ((?:larderd|larder|curl) .*)$", text, re.MULTILINE))


class Operating(Nodes):
    def prepare(self):
        etcd = self.etcd()
        self.source = self.origin()
        self.nodes = {name: self.member(name, etcd, cluster={"replicas": 2, "write_acks": "all"}) for name in "abcd"}
        for node in self.nodes.values():
            node.config["groups"].append({"name": "users", "loader": loader(self.source)})
            node.write_config()

    def in_place(self, command):
        """The command with the paths and ports of this test."""
        command = re.sub(r"\b([a-d])\.yaml", lambda match: self.nodes[match[1]].path, command)
        return re.sub(r":800([1-4])\b", lambda match: f":{self.nodes['abcd'[int(match[1]) - 1]].port}", command)

    def run_command(self, command):
        environment = {**os.environ, "PATH": os.path.join(BUILD, "bin") + ":" + os.environ["PATH"]}
        done = subprocess.run(self.in_place(command).split(), capture_output=True, text=True, env=environment,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        return done.stdout

    def running(self):
        return {name: node for name, node in self.nodes.items() if node.running()}

    def use(self):
        """What an application does all the time; the origin is asked once for each user, whatever comes and goes."""
        node = next(iter(self.running().values()))
        with node.client() as client:
            for i in range(USERS):
                self.assertEqual(client.get("users", f"user {i}").status, 200)
        self.assertEqual(set(self.source.counts().values()), {1})

    def do(self, command):
        if command.startswith("larderd --config"):
            node = self.nodes[command[-len("a.yaml")]]
            node.start()
            node.wait_ready()
            return
        if command.startswith("larder cluster --node"):
            self.wait_settled(self.running())
        output = self.run_command(command)
        if command.startswith("larder cluster leave"):
            node = self.nodes["abcd"[int(command[-1]) - 1]]
            self.assertEqual(node.process.wait(PATIENCE), 0)
        elif command.startswith("larder cluster"):
            for name in self.running():
                self.assertRegex(output, rf"(?m)^{name} .* (self|up) +yes ")
        elif command.endswith("/v1/cluster"):
            wait_until(lambda: json.loads(self.run_command(command))["handoff"]["caught_up"], "it is caught up")

    def test_the_commands_of_the_document(self):
        self.prepare()
        done = []
        for title, command in commands():
            print(f"{title}: {command}", flush=True)
            self.do(command)
            if title != "Start":
                self.use()
            elif command.startswith("larder cluster"):
                self.fill(self.nodes["a"], 100)
                self.use()
            done.append(title)
        self.assertEqual(list(dict.fromkeys(done)), list(SECTIONS))
        self.assertEqual(set(self.running()), set("abc"))
        self.wait_settled(self.running())
        self.check(self.running(), 100)


if __name__ == "__main__":
    main()
