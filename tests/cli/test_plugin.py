"""larder plugin list, plugin info: what is found, what is refused, and why."""

import os
import shutil

import kit
from kit import NO, USAGE

SHIPPED = {("eviction", "clock"), ("eviction", "fifo"), ("eviction", "lru"),
           ("hash", "crc32"), ("hash", "murmur3"), ("hash", "xxhash"),
           ("transport", "http"), ("discovery", "static"), ("loader", "http")}


class Plugins(kit.Test):
    def directory(self, **files):
        """A search path of its own, with files in the folder of evictions."""
        path = self.scratch()
        os.mkdir(os.path.join(path, "eviction"), 0o755)
        for name, content in files.items():
            with open(os.path.join(path, "eviction", name + ".so"), "wb") as file:
                file.write(content)
            os.chmod(file.name, 0o644)
        return path

    def shipped_file(self, kind, name):
        found = [plugin["file"] for plugin in self.document("plugin", "list")["plugins"]
                 if (plugin["kind"], plugin["name"]) == (kind, name)]
        self.assertEqual(len(found), 1)
        return found[0]


class List(Plugins):
    def test_what_is_shipped(self):
        document = self.document("plugin", "list")
        self.assertLessEqual(SHIPPED, {(plugin["kind"], plugin["name"]) for plugin in document["plugins"]})
        self.assertEqual(document["refused"], [])
        self.assertTrue(all(plugin["help"] and os.path.isfile(plugin["file"]) for plugin in document["plugins"]))

    def test_table(self):
        lines = self.out("plugin", "list").decode().splitlines()
        self.assertEqual(lines[0].split("  ")[0], "KIND")
        rows = {tuple(line.split()[:2]): line for line in lines[1:]}
        self.assertLessEqual(SHIPPED, rows.keys())
        self.assertTrue(rows["eviction", "lru"].endswith("/eviction/lru.so"))

    def test_refused_files_come_on_standard_error_and_change_no_exit_code(self):
        path = self.directory(broken=b"no ELF file")
        out, err = self.larder("plugin", "list", "--plugin-path", path)
        self.assertNotIn(b"broken", out)
        self.assertIn(b"lru", out)
        self.assertRegex(err.decode(), r"^larder: refused: .*/eviction/broken\.so: [^\n]+\n$")

    def test_refused_files_as_json(self):
        path = self.directory(broken=b"no ELF file")
        refused = self.document("plugin", "list", "--plugin-path", path)["refused"]
        self.assertEqual([one["file"] for one in refused], [os.path.join(path, "eviction", "broken.so")])
        self.assertTrue(refused[0]["reason"])

    def test_names_of_files_that_are_no_utf8(self):
        path = self.directory()
        with open(os.path.join(path.encode(), b"eviction", b"\xff.so"), "wb"):
            pass
        (refused,) = self.document("plugin", "list", "--plugin-path", path)["refused"]
        self.assertEqual(refused["file"], os.path.join(path, "eviction", r"\xff.so"))

    def test_names_of_files_are_obeyed_by_no_terminal(self):
        path = self.directory(**{"x\x1b[2J": b"no ELF file"})
        _, err = self.larder("plugin", "list", "--plugin-path", path)
        self.assertNotIn(b"\x1b", err)
        self.assertIn(rb"\x1b[2J", err)

    def test_own_modules_hide_those_that_are_shipped(self):
        path = self.directory()
        copy = shutil.copy(self.shipped_file("eviction", "lru"), os.path.join(path, "eviction"))
        os.chmod(copy, 0o644)
        for arguments, env in ((["--plugin-path", path], {}), ([], {"LARDER_PLUGIN_PATH": path})):
            with self.subTest(arguments=arguments):
                plugins = self.document("plugin", "list", *arguments, env=env)["plugins"]
                self.assertEqual([plugin["file"] for plugin in plugins if plugin["name"] == "lru"], [copy])

    def test_path_of_a_configuration(self):
        path = self.directory(broken=b"no ELF file")
        config = os.path.join(self.scratch(), "larder.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"plugins: {{path: ['{path}']}}\n")
        os.chmod(config, 0o600)
        _, err = self.larder("plugin", "list", "--config", config)
        self.assertIn(b"broken.so", err)

    def test_no_such_configuration(self):
        line = self.complaint("plugin", "list", "--config", "/nonexistent/larder.yaml", code=NO)
        self.assertIn("/nonexistent/larder.yaml", line)


class Info(Plugins):
    def test_parameters_of_a_module(self):
        text = self.out("plugin", "info", "static").decode()
        self.assertRegex(text, r"(?m)^name +static$")
        self.assertRegex(text, r"(?m)^kind +discovery$")
        self.assertRegex(text, r"(?m)^PARAMETER +TYPE +DEFAULT +RANGE +WHAT IT IS$")
        self.assertRegex(text, r"(?m)^members +list of mappings +\(required\) +1 to 10000 items +\S")
        self.assertRegex(text, r"(?m)^members\[\]\.weight +whole number +1 +1 to 100 +\S")

    def test_units_of_ranges(self):
        text = self.out("plugin", "info", "http").decode()
        self.assertRegex(text, r"(?m)^listen +text +- +2 to 512 bytes +\S")
        self.assertRegex(text, r"(?m)^idle_timeout +duration +60s +10 ms to 24 h +\S")
        self.assertRegex(text, r"(?m)^max_header_bytes +size +16KiB +256 B to 1 MiB +\S")

    def test_one_name_of_two_kinds(self):
        self.assertEqual({plugin["kind"] for plugin in self.document("plugin", "info", "http")},
                         {"transport", "loader"})

    def test_no_parameters(self):
        self.assertIn(b"takes no parameters", self.out("plugin", "info", "xxhash"))

    def test_json(self):
        (plugin,) = self.document("plugin", "info", "static")
        self.assertEqual((plugin["kind"], plugin["name"], plugin["abi"]), ("discovery", "static", 2))
        (members,) = plugin["params"]
        self.assertEqual((members["name"], members["required"], members["minimum"]), ("members", True, 1))
        weight = {field["name"]: field for field in members["fields"]}["weight"]
        self.assertEqual((weight["type"], weight["default"], weight["maximum"]), ("whole number", "1", 100))

    def test_file(self):
        file = self.shipped_file("eviction", "lru")
        self.assertEqual(self.document("plugin", "info", file), self.document("plugin", "info", "lru"))

    def test_refused_file(self):
        file = os.path.join(self.directory(broken=b"no ELF file"), "eviction", "broken.so")
        self.assertIn(file, self.complaint("plugin", "info", file, code=NO))
        self.complaint("plugin", "info", "/nonexistent.so", code=NO)

    def test_unknown_name_with_the_nearest(self):
        self.assertIn("'lru'", self.complaint("plugin", "info", "lur", code=NO))
        self.assertIn("plugin list", self.complaint("plugin", "info", "qqqqqqqq", code=NO))

    def test_name_is_wanted(self):
        self.assertIn("NAME", self.complaint("plugin", "info", code=USAGE))


if __name__ == "__main__":
    kit.main()
