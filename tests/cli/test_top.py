"""larder top: a table in a pipe, a document for programs, and a screen that is refreshed on a terminal."""

import contextlib
import http.client
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from urllib.parse import quote

import kit
from kit import DONE, NO, PATIENCE, REFUSED, USAGE

GROUPS = "  - {name: users}\n  - {name: pages}\n"


class Top(kit.WithNodes):
    groups = GROUPS
    count = 2

    @staticmethod
    def ask(url, keys):
        host = url.removeprefix("http://")
        with contextlib.closing(http.client.HTTPConnection(host, timeout=PATIENCE)) as connection:
            for (group, key), count in keys.items():
                for _ in range(count):
                    connection.request("GET", f"/v1/groups/{group}/keys/{quote(key, safe='')}")
                    connection.getresponse().read()

    def setUp(self):
        """What was asked cools and is forgotten, in a minute or so."""
        super().setUp()
        for url in self.nodes.urls:
            self.ask(url, {("users", b"tom"): 100, ("users", b"\x1b[31m red \xff"): 50, ("pages", b"a\x00b"): 20})

    def test_a_table_in_a_pipe(self):
        lines = self.out("top").decode().splitlines()
        self.assertRegex(lines[0], r"^GETS/S  GROUP  OWNER  KEY$")
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[1], r"^ *[\d.]+  users  [ab]      tom$")
        self.assertRegex(lines[2], r"^ *[\d.]+  users  [ab]      \\x1b\[31m red \\xff$")
        self.assertRegex(lines[3], r"^ *[\d.]+  pages  [ab]      a\\x00b$")

    def test_of_one_group_and_so_many(self):
        self.assertEqual(len(self.out("top", "--count", "2").splitlines()), 3)
        self.assertRegex(self.out("top", "pages").decode().splitlines()[1], r"pages +[ab] +a\\x00b$")
        self.assertEqual(len(self.out("top", "pages").splitlines()), 2)

    def test_a_document_for_programs(self):
        document = self.document("top")
        self.assertEqual((document["members"], document["failed"]), (2, []))
        self.assertEqual([key.get("key", key.get("key_base64")) for key in document["keys"]],
                         ["tom", "G1szMW0gcmVkIP8=", "YQBi"])

    def test_what_is_wrong_is_said(self):
        self.assertIn("no group nothing", self.complaint("top", "nothing", code=NO))
        self.assertIn("cannot reach", self.complaint("top", "--node", f"127.0.0.1:{self.silent_port()}", code=REFUSED))
        for arguments in (["--count", "0"], ["--count", "1001"], ["--interval", "99ms"], ["--interval", "soon"],
                          ["users", "pages"], ["--ttl", "1s"]):
            self.complaint("top", *arguments, code=USAGE)

    # -------------------------------------------------------------------------------------------- a terminal

    class Terminal:
        """larder on a terminal of 40 lines."""

        def __init__(self, node, *arguments, lines=40):
            self.ours, theirs = pty.openpty()
            termios.tcsetwinsize(theirs, (lines, 100))
            self.seen = b""
            self.before = termios.tcgetattr(theirs)
            self.theirs = theirs
            self.process = subprocess.Popen([kit.LARDER, "top", *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
                                            env=kit.environment(LARDER_NODE=node))

        def read(self, seconds=0.05):
            while select.select([self.ours], [], [], seconds)[0]:
                self.seen += os.read(self.ours, 65536)

        def wait_for(self, pattern):
            end = time.monotonic() + PATIENCE
            while not re.search(pattern, self.seen, re.DOTALL):
                self.read()
                if time.monotonic() > end or (self.process.poll() is not None and not re.search(pattern, self.seen, re.DOTALL)):
                    raise AssertionError(f"{pattern} is not in {self.seen[-3000:]}")

        def close(self):
            """The exit code; and whether the terminal's settings are as they were."""
            code = self.process.wait(PATIENCE)
            self.read()
            same = termios.tcgetattr(self.theirs) == self.before
            os.close(self.theirs)
            os.close(self.ours)
            return code, same

    def test_a_screen_is_refreshed_until_q(self):
        terminal = self.Terminal(self.node, "--interval", "100ms")
        terminal.wait_for(rb"\x1b\[\?1049h.*GETS/S.*tom.*\x1b\[H\x1b\[J.*GETS/S.*\x1b\[H\x1b\[J.*GETS/S")
        terminal.wait_for(rb"hottest keys of 2 members, q ends\r\n")
        self.assertNotIn(b"\x1b[31m", terminal.seen)
        self.assertIn(rb"\x1b[31m red \xff", terminal.seen)
        os.write(terminal.ours, b"x")  # means nothing
        terminal.wait_for(rb"(GETS/S.*){5}")
        os.write(terminal.ours, b"q")
        self.assertEqual(terminal.close(), (DONE, True))
        self.assertTrue(terminal.seen.endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049l"), terminal.seen[-100:])

    def test_control_c_and_signals_end_it(self):
        for end in (lambda terminal: terminal.process.send_signal(signal.SIGINT),
                    lambda terminal: terminal.process.send_signal(signal.SIGTERM),
                    lambda terminal: terminal.process.send_signal(signal.SIGHUP)):
            terminal = self.Terminal(self.node, "--interval", "1h")
            terminal.wait_for(rb"GETS/S.*tom")
            end(terminal)
            self.assertEqual(terminal.close(), (DONE, True))
            self.assertTrue(terminal.seen.endswith(b"\x1b[?1049l"), terminal.seen[-100:])

    def test_a_low_terminal_has_fewer_keys(self):
        terminal = self.Terminal(self.node, "--interval", "1h", lines=5)
        terminal.wait_for(rb"GETS/S.*tom")
        os.write(terminal.ours, b"q")
        self.assertEqual(terminal.close(), (DONE, True))
        self.assertNotIn(b"pages", terminal.seen)

    def test_json_on_a_terminal_is_one_document(self):
        terminal = self.Terminal(self.node, "--json")
        self.assertEqual(terminal.process.wait(PATIENCE), DONE)
        terminal.read()
        self.assertEqual(json.loads(terminal.seen)["members"], 2)
        terminal.close()

    def test_what_is_wrong_from_the_start_is_no_screen(self):
        terminal = self.Terminal(f"http://127.0.0.1:{self.silent_port()}")
        self.assertEqual(terminal.close(), (REFUSED, True))
        self.assertNotIn(b"\x1b", terminal.seen)
        self.assertIn(b"cannot reach", terminal.seen)


class WithoutAMember(kit.Test):
    """Not shared: its nodes go away."""

    @staticmethod
    def kill(process):
        process.kill()
        process.wait()

    def test_a_member_that_does_not_answer_is_named_and_a_node_that_goes_is_asked_again(self):
        nodes = kit.Nodes(GROUPS, 3)
        self.addCleanup(nodes.stop)
        for url in nodes.urls:
            Top.ask(url, {("users", b"tom"): 20})
        self.kill(nodes.processes.pop(1))
        terminal = Top.Terminal(nodes.urls[0], "--interval", "100ms")
        terminal.wait_for(rb"hottest keys of 2 members, q ends; no answer of b")
        self.kill(nodes.processes.pop(0))
        terminal.wait_for(rb"cannot reach.*cannot reach")
        os.write(terminal.ours, b"q")
        self.assertEqual(terminal.close(), (DONE, True))


if __name__ == "__main__":
    kit.main()
