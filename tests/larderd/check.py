"""larderd from outside: its options, exit codes, signals, and what it tells a service manager."""

import contextlib
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

PROGRAM = sys.argv.pop(1)
PATIENCE = 90  # seconds for what should take none; only a hanging program gets there

DONE, CHECK_FAILED, USAGE, REFUSED = 0, 1, 2, 3


class Program(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = holder.name
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LARDER_", "NOTIFY_"))}

    def write(self, text, name="larder.yaml"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def server_config(self, port, more=""):
        return self.write(f'node: {{name: solo}}\ntransports: [{{plugin: http, listen: "127.0.0.1:{port}"}}]\n{more}')

    def run_it(self, *arguments, code, **environment):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False,
                              stdin=subprocess.DEVNULL, env={**self.environment, **environment})
        self.assertEqual(done.returncode, code, done.stderr)
        return done


class Options(Program):
    def test_wrong_usage(self):
        config = self.server_config(0)
        for arguments in ([], ["--nonsense"], ["--config"], ["--config", ""], ["--config", config, "surplus"],
                          ["--set"], ["--config", config, "--set", "node.name"], ["--check"], ["--check=1"]):
            with self.subTest(arguments=arguments):
                done = self.run_it(*arguments, code=USAGE)
                self.assertEqual(done.stdout, "")
                self.assertIn("--help", done.stderr)

    def test_help_and_version(self):
        self.assertIn("--config FILE", self.run_it("--help", code=DONE).stdout)
        self.assertRegex(self.run_it("--version", code=DONE).stdout, r"^larderd \d+\.\d+\.\d+\n$")

    def test_reference_names_the_settings(self):
        text = self.run_it("--reference", code=DONE).stdout
        for name in ("max_bytes", "drain_timeout", "virtual_nodes"):
            self.assertIn(name, text)

    def test_full_output_is_noticed(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False,
                                  env=self.environment, timeout=PATIENCE)
        self.assertEqual(done.returncode, REFUSED)


class Check(Program):
    def test_good_file(self):
        config = self.server_config(0)
        self.assertEqual(self.run_it("--check", "--config", config, code=DONE).stdout, f"{config}: ok\n")
        self.assertEqual(self.run_it("--check", code=DONE, LARDER_CONFIG=config).stdout, f"{config}: ok\n")

    def test_every_error_has_its_place(self):
        config = self.server_config(0, "groups:\n  - {name: users, max_byte: 1MiB}\n  - {name: more, ttl: 1 parsec}\n")
        done = self.run_it("--check", "--config", config, code=CHECK_FAILED)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 2, done.stderr)
        self.assertRegex(lines[0], re.escape(config) + r":4:\d+: .*max_byte.*max_bytes")
        self.assertRegex(lines[1], re.escape(config) + r":5:\d+: .*ttl.*parsec")

    def test_settings_win_over_the_file(self):
        config = self.server_config(0, "groups: [{name: users, max_bytes: nonsense}]\n")
        self.run_it("--check", "--config", config, code=CHECK_FAILED)
        self.run_it("--check", "--config", config, "--set", "groups.0.max_bytes=1MiB", code=DONE)
        self.run_it("--check", "--config", config, "--set", "groups.0.max_bytes=1 parsec", code=CHECK_FAILED)

    def test_settings_alone(self):
        listen = 'transports.0={plugin: http, listen: "127.0.0.1:0"}'
        self.assertEqual(self.run_it("--check", "--set", listen, code=DONE).stdout, "settings: ok\n")

    def test_what_only_a_module_can_judge(self):
        group = "groups: [{name: users, loader: {plugin: http, url: %s}}]\n"
        alone = "cluster: {discovery: {plugin: static, members: [{name: %s}]}}\n"
        for more, place, reason in (
                (group % '"http://origin/users"', "3:52: groups[0].loader.url: ", "wanted {key}"),
                (group % '"ftp://origin/{key}"', "3:52: groups[0].loader.url: ", "wanted http://"),
                (alone % "other", "3:22: cluster.discovery: ", '"solo"'),
                (alone % "solo}, {name: solo", "3:22: cluster.discovery.members: ", '"solo"')):
            with self.subTest(more=more):
                config = self.server_config(0, more)
                for arguments in (["--check"], []):
                    lines = self.run_it(*arguments, "--config", config, code=CHECK_FAILED).stderr.splitlines()
                    self.assertEqual(len(lines), 1, lines)
                    self.assertTrue(lines[0].startswith(f"{config}:{place}"), lines)
                    self.assertIn(reason, lines[0])
        for address in ("127.0.0.1", "127.0.0.1:65536", "::1:80"):
            with self.subTest(address=address):
                setting = f"transports.0.listen='{address}'"
                done = self.run_it("--check", "--config", self.server_config(0), "--set", setting, code=CHECK_FAILED)
                self.assertEqual(done.stderr, f'--set: transports[0].listen: got "{address}", wanted HOST:PORT, '
                                              "[IPV6]:PORT or :PORT\n")

    def test_no_such_file(self):
        path = os.path.join(self.directory, "none.yaml")
        self.assertIn(path, self.run_it("--check", "--config", path, code=CHECK_FAILED).stderr)


class Start(Program):
    def test_no_transport(self):
        config = self.write("node: {name: solo}\n")
        self.assertIn("transports", self.run_it("--config", config, code=CHECK_FAILED).stderr)

    def test_address_taken(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            done = self.run_it("--config", self.server_config(port), code=REFUSED)
        self.assertIn(f"127.0.0.1:{port}", done.stderr)


class Running(Program):
    """One server that tells its service manager what it does."""

    def start(self, config, port, before=None):
        self.port = port
        path = os.path.join(self.directory, "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(path)
        self.manager.settimeout(0.1)
        self.log = os.path.join(self.directory, "log")
        with open(self.log, "wb") as log:
            self.server = subprocess.Popen([PROGRAM, "--config", config], stderr=log, preexec_fn=before,
                                           env={**self.environment, "NOTIFY_SOCKET": path})
        self.addCleanup(self.end)
        self.assertEqual(self.told(), "READY=1")

    def end(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.wait()

    def told(self):
        """What the server tells next; no need to wait for one that has ended."""
        give_up = time.monotonic() + PATIENCE
        while self.server.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(TimeoutError):
                return self.manager.recv(4096).decode()
        with contextlib.suppress(TimeoutError):
            return self.manager.recv(4096).decode()
        self.fail("larderd told nothing; its log:\n" + self.logged())

    def logged(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def put(self, group):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("PUT", f"/v1/groups/{group}/keys/tom", body=b"630")
            return connection.getresponse().status

    def reload(self):
        self.server.send_signal(signal.SIGHUP)
        self.assertRegex(self.told(), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertEqual(self.told(), "READY=1")

    def test_reload_takes_over_a_group(self):
        port = free_port()
        self.start(self.server_config(port, "groups: [{name: users}]\n"), port)
        self.assertEqual(self.put("more"), 404)
        self.server_config(port, "groups: [{name: users}, {name: more}]\n")
        self.reload()
        self.assertEqual(self.put("more"), 201)
        self.stop(signal.SIGINT)

    def test_reload_of_a_broken_file_changes_nothing(self):
        port = free_port()
        config = self.server_config(port, "groups: [{name: users}]\n")
        self.start(config, port)
        self.server_config(port, "groups: [{name: users, max_bytes: nonsense}]\n")
        self.reload()
        self.assertRegex(self.logged(), re.escape(config) + r":3:\d+: .*max_bytes.*nonsense")
        self.assertIn("the running configuration stays", self.logged())
        self.assertEqual(self.put("users"), 201)
        self.stop(signal.SIGTERM)

    def test_what_a_group_does_not_take_is_not_waited_for(self):
        port = free_port()
        self.start(self.server_config(port, "groups: [{name: users, max_bytes: 1MiB, max_value: 4KiB}]\n"), port)
        for group, length, status in (("users", 4097, 413), ("none", 1000000, 404)):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                client.sendall(f"PUT /v1/groups/{group}/keys/tom HTTP/1.1\r\nHost: a\r\n"
                               f"Content-Length: {length}\r\n\r\n".encode())
                self.assertRegex(client.recv(4096), f"^HTTP/1.1 {status} ".encode())
        self.assertEqual(self.put("users"), 201)
        self.stop(signal.SIGTERM)

    def test_more_connections_than_the_soft_limit_of_descriptors(self):
        port = free_port()
        limits = (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        self.start(self.server_config(port, "groups: [{name: users}]\n"), port,
                   lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits))
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
                client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))
        self.stop(signal.SIGTERM)

    def stop(self, number):
        self.server.send_signal(number)
        self.assertEqual(self.told(), "STOPPING=1")
        self.assertEqual(self.server.wait(PATIENCE), DONE, self.logged())

    def test_second_signal_ends_at_once(self):
        # A load that never ends keeps a request under way, and the node waits for it.
        with socket.socket() as origin, socket.socket() as client:
            origin.bind(("127.0.0.1", 0))
            origin.listen()
            origin.settimeout(PATIENCE)
            port = free_port()
            url = f"http://127.0.0.1:{origin.getsockname()[1]}/{{key}}"
            config = self.server_config(port, f'groups: [{{name: users, loader: {{plugin: http, url: "{url}"}}}}]\n')
            self.start(config, port)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /v1/groups/users/keys/tom HTTP/1.1\r\nHost: a\r\n\r\n")
            load, _ = origin.accept()
            with load:
                self.server.send_signal(signal.SIGTERM)
                self.assertEqual(self.told(), "STOPPING=1")
                self.server.send_signal(signal.SIGTERM)
                self.assertEqual(self.server.wait(PATIENCE), -signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
