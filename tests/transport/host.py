"""Starts the test host, TRANSPORT_HOST: a transport without a node; see host.c for its special keys and its commands."""

import json
import os
import subprocess

PATIENCE = 90  # seconds: what anything may take on the slowest machine, and nothing measures


class Host:
    """The running host, with these parameters of its transport."""

    def __init__(self, parameters="workers: 2", environment=None, before=None):
        listen = "" if "listen:" in parameters else 'listen: "127.0.0.1:0", '
        self.process = subprocess.Popen(
            [os.environ["TRANSPORT_HOST"], "{" + listen + parameters + "}"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}, preexec_fn=before)
        line = self.process.stdout.readline()
        if not line.startswith("listening "):
            self.process.stdin.close()
            self.process.stdout.close()
            raise RuntimeError(f"the host did not start: {line!r}, exit {self.process.wait()}")
        self.text = line.split()[1]
        name, port = self.text.rsplit(":", 1)
        self.address = (name.strip("[]"), int(port))

    def send_command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def command(self, line):
        self.send_command(line)
        return self.process.stdout.readline().strip()

    def stats(self):
        return json.loads(self.command("stats"))

    def close(self):
        if self.process is None:
            return
        self.send_command("quit")
        self.process.stdin.close()
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        if code != 0:
            raise AssertionError(f"the host exited with {code}")
