"""larder sim: what it refuses, and what it says then."""

import bz2
import gzip
import itertools
import lzma
import os
import subprocess

import kit
from kit import NO, REFUSED, USAGE
from simulation import Simulation

MODULES = os.path.join(os.path.dirname(os.path.dirname(kit.LARDER)), "tests", "modules", "confused")


class Traces(Simulation):
    def test_malformed_lines_are_named(self):
        for line, field in ((b"", "key"), (b",5", "key"), (b"a,x", "size"), (b"a,1,frob", "op"), (b"a,1,set,soon", "ttl"),
                            (b"k" * 65536, "key"), (b"k" * 200000, "line"), (b"k" * 3000000, "line")):
            with self.subTest(line=line[:20]):
                path = self.file(b"a\nb\n" + line + b"\nc\na\n,\n")
                message = self.complaint("sim", "--trace", path, "--policy", "lru", "--size", "5", code=NO)
                self.assertIn(path + ":3: ", message)
                self.assertIn(field, message)
                out, err = self.larder("sim", "--trace", path, "--policy", "lru", "--size", "5", "--csv", "--lenient")
                self.assertIn(b",4,1,3,", out)
                self.assertIn(f"skipped 2 malformed lines, the first: {path}:3: {field}".replace(": line", ": got a line"),
                              err.decode())

    def test_what_cannot_be_read(self):
        whole = gzip.compress(b"a\nb\n" * 1000)
        path = self.file(whole[:-9])
        for more in ([], ["--lenient"]):
            message = self.complaint("sim", "--trace", path, "--policy", "lru", "--size", "5", *more, code=NO)
            self.assertIn(path + ":", message)
            self.complaint("sim", "--trace", "/nonexistent", "--policy", "lru", "--size", "5", *more, code=NO)
        self.complaint("sim", "--trace", "/dev/zero", "--policy", "lru", "--size", "5", code=NO)

    def test_zeros_are_no_gzip_but_at_the_end(self):
        whole = gzip.compress(b"a\nb\n" * 1000)
        for content in (whole + bytes(10) + whole, whole + bytes(100000) + b"a", whole[:-8] + bytes(8), whole + b"a\n"):
            path = self.file(content)
            message = self.complaint("sim", "--trace", path, "--policy", "lru", "--size", "5", code=NO)
            self.assertIn("is not valid gzip", message)

    def test_other_compressed_files_are_named(self):
        lz4 = b"\x04\x22\x4d\x18\x64\x40\xa7\x04\0\0\x80a\na\n\0\0\0\0\x4a\xb8\x9a\xcc"
        for name, content in (("an xz", lzma.compress(b"a\n")), ("a bzip2", bz2.compress(b"a\n" * 9000)),
                              ("a bzip2", bz2.compress(b"", 1)), ("an lz4", lz4), ("an lz4", b"\x02\x21\x4c\x18\x05\0\0\0")):
            with self.subTest(name=name):
                path = self.file(content)
                message = self.complaint("sim", "--trace", path, "--policy", "lru", "--size", "5", code=NO)
                self.assertEqual(message, f"larder: {path}: is {name} file; wanted plain text, gzip or zstd\n")
        keys = ["BZh91AY&S", "BZh0", "\ufeff"]  # what is at the start of others only
        self.assertEqual(self.rows(self.file(keys), "lru", "5"), {("lru", 5): (3, 3)})

    def test_a_sample_without_requests(self):
        for content in (["a"] * 1000, ["a"] * 500 + ["b,,del"] * 9 + ["b"] * 500):
            for policy in ("lru", "belady"):
                message = self.complaint("sim", "--trace", self.file(content), "--policy", policy, "--size", "5000",
                                         "--sample", "1/1000000", "--json", code=NO)
                self.assertIn("--sample: got 1/1000000, which has none of the 1000 requests", message)
        self.assertEqual(self.rows(self.file([]), "lru", "5000", "--sample", "1/2"), {("lru", 5000): (0, 0)})


class Outputs(Simulation):
    def test_a_full_disk(self):
        many = ",".join(map(str, range(1, 100)))
        sim = ["sim", "--trace", self.file(["a"]), "--policy", "lru", "--size"]
        for arguments in ([*sim, many], [*sim, "1"], [*sim, many, "--json"], [*sim, many, "--csv"],
                          ["plugin", "list", "--json"], ["plugin", "check", "--list", "--json"]):
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                done = subprocess.run([kit.LARDER, *arguments], stdout=full, stderr=subprocess.PIPE, check=False,
                                      timeout=kit.PATIENCE, env=kit.environment())
                self.assertEqual((done.returncode, done.stderr),
                                 (REFUSED, b"larder: standard output cannot be written\n"))

    def test_plot_that_cannot_be_written(self):
        # Which is said first shows which was tried first.
        message = self.complaint("sim", "--trace", "/nonexistent/trace", "--policy", "lru", "--size", "5", "--plot",
                                 "/nonexistent/plot.svg", code=REFUSED)
        self.assertIn("--plot: /nonexistent/plot.svg", message)
        full = self.larder("sim", "--trace", self.file(["a"]), "--policy", "lru", "--size", "5", "--plot", "/dev/full",
                           code=REFUSED)
        self.assertIn(b"/dev/full", full[1])


class Policies(Simulation):
    def complain(self, policy, code, *more):
        return self.complaint("sim", "--trace", self.file(["a"]), "--policy", policy, "--size", "5", *more, code=code)

    def test_wrong_parameters(self):
        name = self.document("plugin", "info", "2q")[0]["params"][0]["name"]
        for policy, words in ((f"2q:{name}=1e9", ["got", "wanted", name]), (f"2q:{name}=x", ["got", "wanted", name]),
                              (f"2q:{name[:-1]}=1", ["unknown key", name]), ("lru:size=1", ["unknown key"]),
                              ("2q:", ["wanted name=value"]), ("2q:=1", ["wanted name=value"]),
                              (f"2q:{name}", [f'got "{name}", wanted name=value']),
                              ("2q" + f":{name}=0.5" * 33, ["more than 32"]), ("belady:x=1", ["no parameters"])):
            with self.subTest(policy=policy):
                message = self.complain(policy, USAGE)
                for word in words:
                    self.assertIn(word, message)

    def test_many_parameters(self):
        name = self.document("plugin", "info", "2q")[0]["params"][0]["name"]
        policy = "2q" + f":{name}=0.5" * 32
        self.assertEqual(self.rows(self.file(["a"]), policy, "5"), {(policy, 5): (1, 1)})

    def test_no_such_policy(self):
        self.assertIn("lru", self.complain("lruu", NO))
        self.assertIn("/nonexistent/lru.so", self.complain("/nonexistent/lru.so", NO))
        self.assertIn("kind hash", self.complain(self.shipped_file("lru").replace("eviction/lru", "hash/crc32"), NO))

    def test_modules_that_lose_track_end_with_a_line(self):
        trace = self.file(["a,1", "b,1", "c,2"] * 3)
        for name, answer in (("stranger", "returned slot 1000000, which is not resident"),
                             ("always_first", "returned slot 0, which is not resident"),
                             ("always_none", "returned LARDER_NO_SLOT while 2 slots are resident")):
            with self.subTest(module=name):
                path = os.path.join(MODULES, name + ".so")
                message = self.complaint("sim", "--trace", trace, "--policy", path, "--size", "2", "--unit", "bytes",
                                         code=NO)
                self.assertIn(f"{path}, size 2: request 3: evict() {answer}", message)


class Usage(Simulation):
    def test_wrong_usage(self):
        trace = self.file(["a"])
        good = {"--trace": trace, "--policy": "lru", "--size": "5"}
        for option in good:
            arguments = [word for pair in good.items() if pair[0] != option for word in pair]
            self.assertIn(f"{option}: got nothing", self.complaint("sim", *arguments, code=USAGE))
        for more, word in ((["--size", "0"], "'0'"), (["--size", "5,"], "''"), (["--size", "x"], "'x'"),
                           (["--size", "1KiB"], "--unit bytes"), (["--size", "4294967295"], "4294967294"),
                           (["--size", "1XB", "--unit", "bytes"], "'1XB'"), (["--size", "0", "--unit", "bytes"], "'0'"),
                           (["--size", "1PiB", "--unit", "bytes"], "at most 1048576GiB"),
                           (["--size", "1048577GiB", "--unit", "bytes"], "at most 1048576GiB"),
                           (["--unit", "pages"], "objects or bytes"), (["--sample", "10"], "1/N"),
                           (["--sample", "1/0"], "1/N"), (["--sample", "2/4"], "1/N"),
                           (["--shards", "0"], "from 1 to 4096"), (["--shards", "4097"], "from 1 to 4096"),
                           (["--shards", "6"], "got 6 for size 5, wanted at least one object for each"),
                           (["--shards", "2", "--sample", "1/5"], "got 2 for size 5 of a sample"),
                           (["--shards", "2", "--unit", "bytes"], "wanted --unit objects"),
                           (["--policy", "lru,,fifo"], "empty"),
                           (["--csv", "--json"], "one of them"), (["--policy", "belady", "--unit", "bytes"], "belady"),
                           (["x"], "unexpected argument"), (["--polcy", "lru"], "did you mean '--policy'?")):
            with self.subTest(more=more):
                self.assertIn(word, self.complaint("sim", *itertools.chain(*good.items()), *more, code=USAGE))

    def test_the_largest_size(self):
        self.out("sim", "--trace", self.file(["a"]), "--policy", "lru", "--size", "1048576GiB", "--unit", "bytes")


if __name__ == "__main__":
    kit.main()
