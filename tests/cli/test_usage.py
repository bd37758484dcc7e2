"""Help, version, and what is said about wrong command lines."""

import os
import subprocess

import kit
from kit import DONE, REFUSED, USAGE

COMMANDS = ["get", "set", "del", "touch", "groups", "stats", "cluster", "plugin list", "plugin info",
            "plugin check", "bench", "sim"]


class Usage(kit.Test):
    def test_help(self):
        text = self.out("--help").decode()
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", text)
        self.assertEqual(self.out("-h").decode(), text)
        self.assertEqual(self.out("help").decode(), text)

    def test_help_before_the_command(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                words = command.split()
                self.assertEqual(self.out("help", *words), self.out(*words, "--help"))
        self.assertIn("did you mean 'stats'?", self.complaint("help", "stat", code=USAGE))

    def test_help_of_all_about_plugins(self):
        text = self.out("plugin", "--help").decode()
        self.assertEqual([command for command in COMMANDS if f"\n  {command} " in text],
                         ["plugin list", "plugin info", "plugin check"])
        self.assertEqual(self.out("help", "plugin").decode(), text)

    def test_help_of_every_command(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                text = self.out(*command.split(), "--help").decode()
                self.assertTrue(text.startswith(f"usage: larder {command} "), text)
                self.assertIn("--help", text)
                self.assertEqual("--node" in text, command.split()[0] not in ("plugin", "sim"))
                self.assertEqual("--ttl" in text, command in ("set", "touch"))

    def test_every_option_of_the_help_is_in_the_manual(self):
        manual = os.path.join(os.path.dirname(kit.__file__), "../../docs/man/larder.1")
        with open(manual, encoding="utf-8") as file:
            text = file.read().replace("\\-", "-")
        for command in COMMANDS:
            for line in self.out(*command.split(), "--help").decode().splitlines():
                if line.startswith("  --"):
                    self.assertIn(line.split()[0], text)
            self.assertIn(command, text)

    def test_version(self):
        self.assertRegex(self.out("--version").decode(), r"^larder \d+\.\d+\.\d+\n$")

    def test_no_command(self):
        self.assertIn("--help", self.complaint(code=USAGE))

    def test_unknown_commands_with_the_nearest(self):
        for typed, meant in ((["gte"], "get"), (["sets"], "set"), (["clutser"], "cluster"), (["benhc"], "bench"),
                             (["plugin", "lsit"], "plugin list"), (["plugin"], "plugin list")):
            with self.subTest(typed=typed):
                self.assertIn(f"did you mean '{meant}'?", self.complaint(*typed, code=USAGE))
        for typed in (["nonsense"], [""], ["--node"], ["x\x1b[2J"]):
            with self.subTest(typed=typed):
                line = self.complaint(*typed, code=USAGE)
                self.assertIn("--help", line)
                self.assertNotIn("\x1b", line)

    def test_unknown_options_with_the_nearest(self):
        for arguments, meant in ((["get", "g", "k", "--noed", "x"], "--node"), (["stats", "--jsno"], "--json"),
                                 (["set", "g", "k", "--tll=5s"], "--ttl"),
                                 (["bench", "--conections", "3"], "--connections")):
            with self.subTest(arguments=arguments):
                self.assertIn(f"did you mean '{meant}'?", self.complaint(*arguments, code=USAGE))
        for arguments in (["get", "g", "k", "--ttl", "5s"], ["get", "g", "k", "--nonsense"], ["get", "g", "k", "-x"],
                          ["plugin", "list", "--node", "x"], ["groups", "--xxxxxxxx=1"]):
            with self.subTest(arguments=arguments):
                self.assertIn("unknown option", self.complaint(*arguments, code=USAGE))

    def test_numbers_of_arguments(self):
        for arguments in (["get"], ["get", "g"], ["get", "g", "k", "v"], ["set", "g"], ["set", "g", "k", "v", "w"],
                          ["del", "g"], ["touch", "g"], ["groups", "g"], ["stats", "g", "h"], ["cluster", "c"],
                          ["plugin", "list", "x"], ["plugin", "info"], ["bench", "x"], ["sim", "x"]):
            with self.subTest(arguments=arguments):
                self.complaint(*arguments, code=USAGE)

    def test_wrong_values_of_options(self):
        for option, values in (("--connections", ("0", "-1", "x", "", "4097", "1e3", "99999999999999999999")),
                               ("--timeout", ("5", "0ms", "25h", "")), ("--get-ratio", ("2", "-0.1", "nan", "0x1", "")),
                               ("--value-size", ("1 KB", "2GiB", "-1", "k")), ("--zipf", ("11", "inf", "1,5")),
                               ("--trace", ("",)), ("--group", ("",))):
            for value in values:
                with self.subTest(option=option, value=value):
                    line = self.complaint("bench", f"{option}={value}", code=USAGE)
                    self.assertIn(f"{option}: got ", line)
                    self.assertIn("wanted ", line)

    def test_value_where_none_is_taken_and_none_where_one_is(self):
        self.assertIn("--json takes no value", self.complaint("groups", "--json=1", code=USAGE))
        self.assertIn("--node: got nothing, wanted URL", self.complaint("groups", "--node", code=USAGE))

    def test_nothing_after_two_dashes_is_an_option(self):
        self.assertIn("unexpected argument '--json'", self.complaint("groups", "--", "--json", code=USAGE))

    def test_environment_names_the_node(self):
        port = self.silent_port()
        node = {"LARDER_NODE": f"http://127.0.0.1:{port}"}
        self.assertIn(f":{port}:", self.complaint("groups", code=REFUSED, env=node))
        self.assertIn(":1:", self.complaint("groups", "--node", "http://127.0.0.1:1", code=REFUSED, env=node))

    def test_full_output_is_noticed(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([kit.LARDER, "--help"], stdout=full, stderr=subprocess.PIPE, check=False,
                                  timeout=kit.PATIENCE, env=kit.environment())
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn(b"standard output", done.stderr)

    def test_closed_pipe_is_no_crash(self):
        ours, theirs = os.pipe()
        os.close(ours)
        with open(theirs, "wb") as pipe:
            done = subprocess.run([kit.LARDER, "--help"], stdout=pipe, stderr=subprocess.PIPE, check=False,
                                  timeout=kit.PATIENCE, env=kit.environment())
        self.assertIn(done.returncode, (DONE, REFUSED))


if __name__ == "__main__":
    kit.main()
