"""What README.md and docs/ promise, where no other test does: their commands are run as they stand."""

import json
import os
import re
import subprocess
import sys

from kit import PATIENCE, Case, loader, main, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def document(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def curl_lines(name):
    """The commands of indented blocks, each with the answer that "->" promises, or None."""
    for line in re.findall(r"^    (curl .*)$", document(name), re.MULTILINE):
        command, _, promised = line.partition(" -> ")
        yield re.sub(r"\s+# .*", "", command).strip(), promised.strip() or None


class Documents(Case):
    def setUp(self):
        super().setUp()
        self.source = self.origin()
        self.nodes = self.cluster(groups=[{"name": "default"}, {"name": "users", "loader": loader(self.source)}])
        self.nodes.wait_up()

    def run_curl(self, command):
        ports = {"8001": "a", "8002": "b", "8003": "c", "9999": "a"}
        command = re.sub(r"(127\.0\.0\.1|localhost):(\d+)",
                         lambda match: f"127.0.0.1:{self.nodes[ports[match[2]]].port}", command)
        done = subprocess.run(command.replace("curl", "curl --no-progress-meter --fail", 1), shell=True, text=True,
                              capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        return done.stdout

    def test_the_commands_of_the_documents(self):
        for name, least in (("README.md", 6), ("docs/protocol.md", 7)):
            lines = list(curl_lines(name))
            self.assertGreaterEqual(len(lines), least, name)
            for command, promised in lines:
                answer = self.run_curl(command)
                if promised is None:
                    continue
                if promised.startswith("{"):
                    self.assertEqual(set(json.loads(answer)), set(json.loads(promised)), command)
                else:
                    self.assertEqual(answer, promised.removeprefix("200 "), command)

    def test_the_client_in_python(self):
        """The commands of docs/protocol.md as they stand, in a folder that has what a clone has."""
        (commands,) = re.findall(r"^    mkdir -p generated\n(?:    .*\n)+", document("docs/protocol.md"), re.MULTILINE)
        folder = os.path.join(self.directory, "clone")
        os.mkdir(folder)
        for name in ("proto", "examples"):
            os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
        node = self.started("alone", grpc={}, groups=[{"name": "default"}])
        commands = commands.replace("127.0.0.1:9001", f"127.0.0.1:{node.grpc_port}")
        path = os.path.dirname(sys.executable) + ":" + os.environ["PATH"]
        done = subprocess.run(["sh", "-e", "-c", commands], cwd=folder, text=True, capture_output=True, timeout=PATIENCE,
                              check=False, env={**os.environ, "PATH": path})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            "Tom has 630 for 30 s more", "visit number 1", "Tom: STATUS_OK 630", "visits: STATUS_OK 1",
            "nobody: STATUS_NOT_FOUND", "NOT_FOUND (NO_GROUP): no group elsewhere"])

    def test_the_metrics_that_are_worth_an_alert(self):
        metrics = self.nodes["a"].ask("GET", "/metrics").body.decode()
        named = set(re.findall(r"`(larder_[a-z_]+)`", document("docs/operating.md")))
        self.assertGreaterEqual(len(named), 5)
        for name in named:
            self.assertRegex(metrics, rf"(?m)^{name}[ {{]")

    def test_a_member_is_away_while_groups_change(self):
        a = self.nodes["a"]
        self.nodes["b"].kill()
        wait_until(lambda: a.members()["b"]["state"] == "suspended", "b is suspended")
        answer = a.ask("PUT", "/v1/groups/made", '{"max_bytes": "1MiB"}')
        self.assertEqual(answer.status, 503)
        self.assertIn("member b", answer.json()["detail"])
        self.assertNotIn("member c", answer.json()["detail"])
        self.assertEqual(self.nodes["c"].ask("GET", "/v1/groups/made").status, 200)
        self.nodes["b"].start()
        self.nodes["b"].wait_ready()
        wait_until(lambda: a.members()["b"]["state"] == "up", "b is re-admitted")
        self.assertEqual(self.nodes["b"].ask("GET", "/v1/groups/made").status, 404)
        self.assertIn(a.ask("PUT", "/v1/groups/made", '{"max_bytes": "1MiB"}').status, (201, 204))
        self.assertEqual(self.nodes["b"].ask("GET", "/v1/groups/made").status, 200)

    def test_the_loader_of_a_running_group_stays(self):
        a = self.nodes["a"]
        other = json.dumps({"loader": {"plugin": "http", "url": "http://127.0.0.1:1/{key}"}})
        self.assertEqual(a.ask("PUT", "/v1/groups/users", other).status, 501)
        self.assertEqual(a.get("users", "still").status, 200)

    def test_a_malformed_batch_does_nothing(self):
        a = self.nodes["a"]
        batch = {"set": [{"key": "first", "value": "NjMw"}, {"key": "second", "value": "no base64!"}]}
        self.assertEqual(a.ask("POST", "/v1/groups/default/batch", json.dumps(batch)).status, 400)
        self.assertEqual(a.get("default", "first").status, 404)

    def test_a_gateway_shows_the_groups_of_the_cluster(self):
        gate = self.gateway(self.nodes)
        wait_until(lambda: all(member["state"] == "up" for member in gate.members().values()), "it sees all members")
        self.assertEqual([group["name"] for group in gate.ask("GET", "/v1/groups").json()["groups"]],
                         [group["name"] for group in self.nodes["a"].ask("GET", "/v1/groups").json()["groups"]])
        self.assertEqual(self.nodes["a"].put("default", "k", "x").status, 201)
        self.assertEqual(gate.ask("GET", "/v1/groups/default/stats").json()["entries"], 1)


main()
