"""larder get, set, del, touch: values and keys of any bytes, time to live, exit codes."""

import os
import socket
import subprocess
import time

import kit
from kit import NO, REFUSED, USAGE

ODD_KEYS = ["a/b", "a+b", "100%", "a b", "a%2Fb", "line\nbreak", "ü", ".", "..", "../x", "?q#f", "&=;", "\x01\x7f", "-"]


class Values(kit.WithNodes):
    def test_fault_16_empty_value_is_a_value(self):
        for arguments, stdin in ((["set", "users", "empty", ""], b"not read"), (["set", "users", "empty2"], b"")):
            self.out(*arguments, stdin=stdin)
            self.assertEqual(self.out("get", "users", arguments[2]), b"")

    def test_any_bytes_pass_untouched(self):
        value = os.urandom(1 << 20) + b"\0\r\n\n"
        self.out("set", "users", "big", stdin=value)
        self.assertEqual(self.out("get", "users", "big"), value)

    def test_dash_reads_standard_input(self):
        self.out("set", "users", "dash", "-", stdin=b"from a pipe\n")
        self.assertEqual(self.out("get", "users", "dash"), b"from a pipe\n")

    def test_value_in_the_arguments_wins_over_standard_input(self):
        self.out("set", "users", "given", "630", stdin=b"other")
        self.assertEqual(self.out("get", "users", "given"), b"630")

    def test_value_that_looks_like_an_option(self):
        self.out("set", "users", "negative", "--", "-5")
        self.assertEqual(self.out("get", "users", "negative"), b"-5")

    def test_newline_is_added_on_a_terminal_only(self):
        self.out("set", "users", "shown", "630")
        self.assertEqual(self.on_terminal("get", "users", "shown", stream="stdout"), b"630\r\n")
        self.assertEqual(self.out("get", "users", "shown"), b"630")

    def test_value_over_the_limit_is_refused_with_the_reason(self):
        line = self.complaint("set", "users", "huge", code=REFUSED, stdin=bytes((16 << 20) + 1))
        self.assertRegex(line, r"413: .*16777216")
        self.complaint("get", "users", "huge", code=NO)

    def test_full_output_is_noticed(self):
        self.out("set", "users", "lost", "x" * 10000)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([kit.LARDER, "get", "users", "lost", "--node", self.node], stdout=full,
                                  stderr=subprocess.PIPE, check=False, timeout=kit.PATIENCE, env=kit.environment())
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn(b"standard output", done.stderr)


class Keys(kit.WithNodes):
    def test_every_odd_key_is_itself(self):
        for key in ODD_KEYS:
            with self.subTest(key=key):
                self.out("set", "users", "--", key, "value of " + key)
        for key in ODD_KEYS:
            with self.subTest(key=key):
                self.assertEqual(self.out("get", "users", "--", key), ("value of " + key).encode())

    def test_wire_agrees_with_the_protocol(self):
        self.out("set", "users", "a/+% b\n", "x")
        self.assertEqual(kit.get(self.node, "/v1/groups/users/keys/a%2F%2B%25%20b%0A")[2], b"x")

    def test_encoded_keys_reach_every_byte(self):
        self.out("set", "users", "%00%ff%2f%25", "all bytes", "--encoded")
        self.assertEqual(self.out("get", "users", "%00%FF/%25", "--encoded"), b"all bytes")
        self.assertEqual(kit.get(self.node, "/v1/groups/users/keys/%00%FF%2F%25")[2], b"all bytes")
        self.complaint("get", "users", "%00%FF/%25", code=NO)
        for wrong in ("%", "%4", "%4g", "%%41"):
            with self.subTest(key=wrong):
                self.assertIn("KEY", self.complaint("get", "users", wrong, "--encoded", code=USAGE))

    def test_bytes_that_are_no_utf8(self):
        key = b"\xff\xfe\xc3("
        self.out("set", "users", key, "bytes")
        self.assertEqual(self.out("get", "users", key), b"bytes")
        self.out("del", "users", key)
        self.assertIn(r"\xff\xfe\xc3(: not found", self.complaint("get", "users", key, code=NO))

    def test_key_sizes(self):
        self.out("set", "users", "k" * 65535, "long")
        self.assertEqual(self.out("get", "users", "k" * 65535), b"long")
        self.assertIn("65536", self.complaint("get", "users", "k" * 65536, code=USAGE))
        self.assertIn("KEY", self.complaint("get", "users", "", code=USAGE))
        self.assertIn("GROUP", self.complaint("get", "", "a", code=USAGE))


class Life(kit.WithNodes):
    def test_not_found(self):
        for command in ("get", "del", "touch"):
            with self.subTest(command=command):
                line = self.complaint(command, "users", "nobody", code=NO)
                self.assertEqual(line, "larder: nobody: not found in group users\n")

    def test_delete(self):
        self.out("set", "users", "gone", "x")
        self.out("del", "users", "gone")
        self.complaint("get", "users", "gone", code=NO)

    def test_no_such_group(self):
        for command in (["get"], ["set"], ["del"], ["touch"]):
            with self.subTest(command=command):
                self.assertIn("no group nope", self.complaint(*command, "nope", "tom", code=NO))

    def remaining(self, key):
        """Seconds that the key has left; None: it stays."""
        field = kit.get(self.node, "/v1/groups/users/keys/" + key)[1].get("Cache-Control")
        return None if field is None else int(field.removeprefix("max-age="))

    def test_ttl_is_the_one_that_was_asked_for(self):
        self.out("set", "users", "hour", "x", "--ttl", "1h")
        self.assertIn(self.remaining("hour"), range(3500, 3601))
        self.out("touch", "users", "hour", "--ttl=2h")
        self.assertIn(self.remaining("hour"), range(7100, 7201))
        self.out("touch", "users", "hour", "--ttl", "none")
        self.assertNotIn(self.remaining("hour"), range(0, 100000))

    def test_entry_expires(self):
        self.out("set", "users", "brief", "x", "--ttl", "1ms")
        give_up = time.monotonic() + kit.PATIENCE
        while self.larder_code("get", "users", "brief") != NO:
            self.assertLess(time.monotonic(), give_up)

    def larder_code(self, *arguments):
        return subprocess.run([kit.LARDER, *arguments, "--node", self.node], capture_output=True, check=False,
                              timeout=kit.PATIENCE, env=kit.environment()).returncode

    def test_wrong_ttl(self):
        for wrong in ("", "5", "0s", "-1s", "1 h", "1d", "none ", "99999999h"):
            with self.subTest(ttl=wrong):
                self.assertIn("--ttl", self.complaint("set", "users", "k", "v", "--ttl", wrong, code=USAGE))
        self.complaint("get", "users", "k", code=NO)


class Unreachable(kit.Test):
    def test_nobody_listens(self):
        port = self.silent_port()
        line = self.complaint("get", "users", "tom", "--node", f"http://127.0.0.1:{port}", code=REFUSED)
        self.assertEqual(line, f"larder: cannot reach http://127.0.0.1:{port}: Connection refused\n")

    def test_scheme_and_slash_may_be_left_out(self):
        port = self.silent_port()
        for node in (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"HTTP://127.0.0.1:{port}//"):
            with self.subTest(node=node):
                self.assertIn(f"127.0.0.1:{port}: Connection refused",
                              self.complaint("get", "users", "tom", "--node", node, code=REFUSED))

    def test_no_such_host(self):
        line = self.complaint("get", "users", "tom", "--node", "http://nowhere.invalid:1", code=REFUSED)
        self.assertIn("nowhere.invalid", line)

    def test_silent_node_is_given_up(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            node = f"http://127.0.0.1:{listener.getsockname()[1]}"
            line = self.complaint("get", "users", "tom", "--node", node, "--timeout", "10ms", code=REFUSED)
        self.assertIn("no answer in time", line)

    def test_wrong_addresses(self):
        for node in ("", "ftp://127.0.0.1:8001", "http://", "http:///x", "http://a b", "http://a?b", "file:///etc/passwd",
                     "http://a\nb", "http://user@host"):
            with self.subTest(node=node):
                self.assertIn("--node", self.complaint("get", "users", "tom", "--node", node, code=USAGE))

    def test_proxies_are_for_the_web(self):
        port = self.silent_port()
        proxies = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
        line = self.complaint("get", "users", "tom", "--node", f"http://127.0.0.1:{port}", code=REFUSED, env=proxies)
        self.assertIn(f"127.0.0.1:{port}: Connection refused", line)


class OtherServers(kit.Test):
    def stand_in(self, *arguments, **more):
        server = kit.StandIn(*arguments, **more)
        self.addCleanup(server.stop)
        self.node = server.url
        return server

    def test_timeout_is_told_to_the_node(self):
        server = self.stand_in(body=b"x")
        self.assertEqual(self.out("get", "users", "tom", "--timeout", "2s"), b"x")
        self.assertEqual(server.asked[0][2]["Larder-Timeout"], "2000ms")
        self.out("get", "users", "tom")
        self.assertNotIn("Larder-Timeout", server.asked[1][2])

    def test_problem_is_shown_and_obeyed_by_no_terminal(self):
        self.stand_in(503, b'{"type":"urn:larder:problem:busy","status":503,"detail":"busy \\u001b[31m\\u009b\\u202e"}')
        line = self.complaint("get", "users", "tom", code=REFUSED)
        self.assertIn(r"answers 503: busy \x1b[31m\xc2\x9b\xe2\x80\xae", line)

    def test_error_of_something_else(self):
        self.stand_in(500, b"<html>no", kind="text/html")
        self.assertIn("500", self.complaint("get", "users", "tom", code=REFUSED))
        self.stand_in(404, b"<html>no", kind="text/html")
        self.assertIn("404", self.complaint("get", "users", "tom", code=NO))
        self.stand_in(301, b"")
        self.assertIn("301", self.complaint("get", "users", "tom", code=REFUSED))

    def test_wrong_arguments_leave_standard_input_and_node_alone(self):
        server = self.stand_in()
        self.complaint("set", "users", "", code=USAGE)
        self.complaint("set", "users", "k", "--node", "x://y", code=USAGE)
        self.assertEqual(server.asked, [])


if __name__ == "__main__":
    kit.main()
