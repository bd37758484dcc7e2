"""larder sim: counts that a model confirms, traces in every form, samples, tables and pictures."""

import csv
import functools
import gzip
import io
import itertools
import os
import random
import subprocess
import xml.etree.ElementTree

import kit
from kit import DONE, NO
from simulation import Simulation, zipf

COLUMNS = ["trace", "policy", "size", "unit", "requests", "hits", "misses", "miss_ratio"]
SVG = "{http://www.w3.org/2000/svg}"


def zstd(content):
    return subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout


class Model:
    """LRU, FIFO or CLOCK over (key, size, operation), written another way than the modules are."""

    def __init__(self, policy, capacity):
        self.policy, self.capacity, self.sizes, self.used = policy, capacity, {}, set()
        self.held = self.requests = self.misses = 0

    def evict(self):
        while self.policy == "clock" and (oldest := next(iter(self.sizes))) in self.used:
            self.used.remove(oldest)
            self.sizes[oldest] = self.sizes.pop(oldest)
        self.drop(next(iter(self.sizes)))

    def drop(self, key):
        self.held -= self.sizes.pop(key, 0)
        self.used.discard(key)

    def request(self, key, size, operation):
        if operation == "del":
            self.drop(key)
            return
        self.requests += 1
        if key in self.sizes:
            self.used.add(key)
            if self.policy == "lru":
                self.sizes[key] = self.sizes.pop(key)
            size = self.sizes[key] if size is None else size
        else:
            self.misses += 1
            size = 1 if size is None else size
            while size <= self.capacity < self.held + size:
                self.evict()
        if size > self.capacity:
            self.drop(key)
            return
        self.held += size - self.sizes.get(key, 0)
        self.sizes[key] = size
        while self.held > self.capacity:
            self.evict()


def model_misses(policy, capacity, requests):
    model = Model(policy, capacity)
    for request in requests:
        model.request(*request)
    return model.requests, model.misses


def fewest_misses(requests, size):
    """Of all choices there are; a miss is always inserted."""
    @functools.lru_cache(maxsize=None)
    def fewest(at, resident):
        if at == len(requests):
            return 0
        key, deleted = requests[at]
        if deleted:
            return fewest(at + 1, resident - {key})
        if key in resident:
            return fewest(at + 1, resident)
        if len(resident) < size:
            return 1 + fewest(at + 1, resident | {key})
        return 1 + min(fewest(at + 1, resident - {victim} | {key}) for victim in resident)
    return fewest(0, frozenset())


def line_of(key, size, operation):
    return ",".join([key, "" if size is None else str(size), operation]).rstrip(",")


class Counts(Simulation):
    def test_by_hand(self):
        trace = self.file("a b c a b d a".split())
        # With two places lru and fifo let go what comes next; with three lru lets c go for d, and fifo a.
        self.assertEqual(self.rows(trace, "lru,fifo,belady", "1,2,3,4"), {
            ("lru", 1): (7, 7), ("lru", 2): (7, 7), ("lru", 3): (7, 4), ("lru", 4): (7, 4),
            ("fifo", 1): (7, 7), ("fifo", 2): (7, 7), ("fifo", 3): (7, 5), ("fifo", 4): (7, 4),
            ("belady", 1): (7, 7), ("belady", 2): (7, 5), ("belady", 3): (7, 4), ("belady", 4): (7, 4)})

    def test_objects_as_in_the_model(self):
        requests = [(key, None, "") for key in zipf(20000, 500)]
        trace = self.file([line_of(*request) for request in requests])
        got = self.rows(trace, "lru,clock,fifo", "1,7,100,499,1000")
        self.assertEqual(got, {(policy, size): model_misses(policy, size, requests)
                               for policy in ("lru", "clock", "fifo") for size in (1, 7, 100, 499, 1000)})

    def test_deletes(self):
        chance = random.Random(2)
        requests = [(key, None, chance.choice(["", "", "set", "del"])) for key in zipf(10000, 300)]
        trace = self.file([line_of(*request) for request in requests])
        self.assertEqual(self.rows(trace, "lru,fifo", "10,100"),
                         {(policy, size): model_misses(policy, size, requests)
                          for policy in ("lru", "fifo") for size in (10, 100)})

    def test_bytes(self):
        """Sizes that change, that are missing, that are 0, and that fit into no cache."""
        chance = random.Random(3)
        sizes = {}
        requests = []
        for key in zipf(10000, 300):
            if key not in sizes or chance.random() < 0.1:
                sizes[key] = chance.choice([None, 0, 1, 10, 100, 5000, 20000])
            requests.append((key, sizes[key], chance.choice(["", "", "", "w", "del"])))
        trace = self.file([line_of(*request) for request in requests])
        wanted = [(key, 1 if size == 0 else size, operation) for key, size, operation in requests]
        self.assertEqual(self.rows(trace, "lru,fifo", "100B,10000,1MiB", "--unit", "bytes"),
                         {(policy, size): model_misses(policy, size, wanted)
                          for policy in ("lru", "fifo") for size in (100, 10000, 1 << 20)})

    def test_more_objects_than_their_sizes_let_expect(self):
        """After the first requests objects are smaller by far: all move to larger states, in their order."""
        large = [(f"large-{i}", 5000, "") for i in range(20000)]
        small = [(key, 3, "") for key in zipf(60000, 20000)]
        trace = self.file([line_of(*request) for request in large + small])
        model = Model("lru", 30000)
        for request in large + small:
            model.request(*request)
        self.assertGreater(len(model.sizes), 8 * 1024, "states begin with room for 1,024 objects or twice the expected")
        got = self.rows(trace, "lru", "30000", "--unit", "bytes")
        self.assertEqual(got, {("lru", 30000): (model.requests, model.misses)})

    def test_optimum_is_the_best_of_all_choices(self):
        chance = random.Random(4)
        for turn in range(30):
            requests = [(chance.choice("abcdef"), chance.random() < 0.1) for _ in range(14)]
            trace = self.file([key + (",,d" if deleted else "") for key, deleted in requests])
            for size in (1, 2, 3):
                with self.subTest(turn=turn, size=size):
                    got = self.rows(trace, "belady", str(size))["belady", size]
                    self.assertEqual(got[1], fewest_misses(tuple(requests), size), requests)

    def test_keys_are_told_apart_by_every_byte(self):
        keys = [b"k", b"k\0", b"\0", b"\0\0", b"12345678", b"123456789", b"12345678\0", b"x" * 65535, b"x" * 65534 + b"y",
                b" k", b"\xff\xfe"] + [b"long key number %d" % i for i in range(5000)]
        # So many that some of those that differ in zeros at the end only lie side by side.
        keys += [b"%x" % i + b"\0" * zeros for i in range(4096, 12288) for zeros in range(5)]
        trace = self.file(b"\n".join(keys + keys) + b"\n")
        self.assertEqual(self.rows(trace, "lru", "100000")["lru", 100000], (2 * len(keys), len(keys)))

    def test_memory_does_not_grow_with_the_length_of_the_trace(self):
        piece = b"".join(b"%d\n" % i for i in range(1000)) * 100
        peaks = []
        with subprocess.Popen([kit.LARDER, "sim", "--trace", "-", "--policy", "lru,clock", "--size", "50"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=kit.environment()) as process:
            for count in (4, 40):  # of hundred thousand requests, of which a pipe holds but a few thousand
                for _ in range(count):
                    process.stdin.write(piece)
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    peaks += [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
            process.stdin.close()
            self.assertEqual(process.wait(kit.PATIENCE), DONE)
        self.assertLess(peaks[1], peaks[0] + 2048, "KiB; four million requests more")


class Inputs(Simulation):
    lines = zipf(3000, 200)

    def test_every_form_gives_the_same(self):
        plain = "".join(line + "\n" for line in self.lines).encode()
        wanted = self.rows(self.file(plain), "lru,fifo", "10,50")
        forms = {"gzip": gzip.compress(plain), "zstd": zstd(plain), "crlf": plain.replace(b"\n", b"\r\n"),
                 "gzip and zeros": gzip.compress(plain) + bytes(100000), "gzip and a zero": gzip.compress(plain) + b"\0",
                 "no newline at the end": plain[:-1], "two gzip": gzip.compress(plain[:5000]) + gzip.compress(plain[5000:])}
        for name, content in forms.items():
            with self.subTest(form=name):
                self.assertEqual(self.rows(self.file(content), "lru,fifo", "10,50"), wanted)
        for name, content in {"plain": plain, **forms}.items():
            with self.subTest(stdin=name):
                self.assertEqual(self.rows("-", "lru,fifo", "10,50", stdin=content), wanted)

    def test_all_at_once_is_the_same_as_one_after_the_other(self):
        trace = self.file(self.lines)
        alone = {}
        for policy in ("lru", "clock", "belady"):
            for size in (5, 20, 100):
                alone |= self.rows(trace, policy, str(size))
        self.assertEqual(self.rows(trace, "lru,clock,belady", "5,20,100"), alone)
        more = self.out("sim", "--trace", trace, "--policy", "lru", "--policy", "clock,belady", "--size", "5",
                        "--size=20,100", "--csv")
        self.assertEqual(more, self.out("sim", "--trace", trace, "--policy", "lru,clock,belady", "--size", "5,20,100",
                                        "--csv"))

    def test_a_byte_order_mark_is_no_part_of_the_first_key(self):
        for content in (b"\xef\xbb\xbfa\na\n", gzip.compress(b"\xef\xbb\xbfa\na\n")):
            self.assertEqual(self.rows(self.file(content), "lru", "5"), {("lru", 5): (2, 1)})
        self.assertEqual(self.rows(self.file(b"a\n\xef\xbb\xbfa\n"), "lru", "5"), {("lru", 5): (2, 2)})

    def test_empty_trace(self):
        for content in (b"", gzip.compress(b"")):
            self.assertEqual(self.rows(self.file(content), "lru,belady", "5"),
                             {("lru", 5): (0, 0), ("belady", 5): (0, 0)})

    def test_lenient_says_nothing_where_nothing_is_wrong(self):
        self.assertEqual(self.rows(self.file(["a", "a"]), "lru", "5", "--lenient"), {("lru", 5): (2, 1)})

    def test_progress_on_a_terminal_only(self):
        arguments = ["sim", "--trace", self.file(self.lines * 20), "--policy", "lru", "--size", "10"]
        seen = self.on_terminal(*arguments, stream="stderr")
        self.assertRegex(seen, rb"\[#*\.*\] +\d+ %  \d+ requests")
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen)
        self.out(*arguments)


class Sample(Simulation):
    def test_a_sample_is_near_to_all(self):
        trace = self.file(zipf(200000, 20000))
        all_of_it = self.rows(trace, "lru,clock,belady", "1000,5000")
        self.assertEqual(self.rows(trace, "lru,clock,belady", "1000,5000", "--sample", "1/1"), all_of_it)
        part, warning = self.rows_and_warning(trace, "lru,clock,belady", "1000,5000", "--sample", "1/10")
        self.assertIn("100 objects", warning)
        for key, (requests, misses) in all_of_it.items():
            self.assertEqual(part[key][0], requests)
            self.assertEqual(part[key][1] % 10, 0)
            self.assertNotEqual(part[key][1], misses)
            self.assertLess(abs(part[key][1] - misses) / requests, 0.05, (key, misses, part[key]))

    def test_hits_are_never_negative(self):
        trace = self.file([f"{i}" for i in range(10000)])
        requests, misses = self.rows(trace, "lru", "3000", "--sample", "1/3")["lru", 3000]
        self.assertEqual(requests, 10000)
        self.assertLessEqual(misses, 10000)
        self.assertGreater(misses, 9000)

    def test_few_objects_are_warned_of(self):
        trace = self.file(zipf(5000, 500))
        for sizes, left in (("9995,20000", None), ("20000,9994,9999", 999), ("1", 1)):
            with self.subTest(sizes=sizes):
                _, warning = self.rows_and_warning(trace, "lru", sizes, "--sample", "1/10")
                least = min(map(int, sizes.split(",")))
                self.assertEqual(warning, "" if left is None else f"larder: sim: --sample: 1/10 of size {least} leaves {left}"
                                 " objects; with less than 1000 the results are rough\n")
        self.rows(trace, "lru", "10", "--sample", "1/1")
        self.rows(trace, "lru", "10", "--sample", "1/10", "--unit", "bytes")

    def test_by_bytes_what_is_larger_than_the_part_of_the_size_is_a_miss(self):
        trace = self.file([f"{i},1000" for i in range(100)] * 2)
        self.assertEqual(self.rows(trace, "lru", "1000000", "--unit", "bytes")["lru", 1000000], (200, 100))
        for size, ratio in ((1000 * 10, 1), (999 * 10, 1), (100000 * 10, 0.5)):
            with self.subTest(size=size):
                requests, misses = self.rows(trace, "lru", str(size), "--unit", "bytes", "--sample", "1/10")["lru", size]
                self.assertEqual(requests, 200)
                sampled = misses / 10 / ratio  # requests
                self.assertEqual(sampled % 2, 0)
                self.assertTrue(0 < sampled < 60, sampled)


class Shards(Simulation):
    SHARDS, PART = 3, 20

    def are_of_one(self, key, other):
        """With one place in each shard, keys push each other out where they share one."""
        trace = self.file([key, other, key])
        return self.rows(trace, "lru", str(self.SHARDS), "--shards", str(self.SHARDS))["lru", self.SHARDS] == (3, 3)

    def parts_of(self, keys):
        parts = []
        for key in keys:
            part = next((part for part in parts if self.are_of_one(part[0], key)), None)
            if part is None:
                parts.append(part := [])
            part.append(key)
        return parts

    def test_each_is_a_cache_of_its_own(self):
        requests = zipf(20000, 120)
        parts = self.parts_of(sorted(set(requests)))
        self.assertEqual(len(parts), self.SHARDS)
        self.assertGreater(min(map(len, parts)), 20, "keys are spread")
        policies = [plugin["name"] for plugin in self.document("plugin", "list")["plugins"]
                    if plugin["kind"] == "eviction"] + ["belady"]
        alone = [self.rows(self.file([key for key in requests if key in part]), ",".join(policies), str(self.PART))
                 for part in map(set, parts)]
        size = self.SHARDS * self.PART
        got = self.rows(self.file(requests), ",".join(policies), str(size), "--shards", str(self.SHARDS))
        for policy in policies:
            self.assertEqual(got[policy, size], (len(requests), sum(rows[policy, self.PART][1] for rows in alone)), policy)
        whole = self.rows(self.file(requests), ",".join(policies), str(size))
        self.assertEqual(self.rows(self.file(requests), ",".join(policies), str(size), "--shards", "1"), whole)
        self.assertTrue(all(got[policy, size] != whole[policy, size] for policy in policies), (got, whole))

    def test_what_is_left_of_a_size_is_used(self):
        keys = [str(i) for i in range(4000)]
        for size in (64, 65, 127):  # after the first half of the requests every shard is full
            self.assertEqual(self.rows(self.file(keys + keys[::-1]), "lru", str(size), "--shards", "64")["lru", size],
                             (8000, 8000 - size))

    def test_with_a_sample(self):
        trace = self.file(zipf(200000, 20000))
        for policy, (requests, misses) in self.rows(trace, "lru,lfu", "10000", "--shards", "4").items():
            part = self.rows(trace, "lru,lfu", "10000", "--shards", "4", "--sample", "1/10")[policy]
            self.assertEqual((part[0], part[1] % 10), (requests, 0))
            self.assertLess(abs(part[1] - misses) / requests, 0.05, (policy, misses, part))


class Reports(Simulation):
    def test_columns(self):
        trace = self.file(["a", "b", "a", "c"], "with, comma")
        arguments = ["sim", "--trace", trace, "--policy", "fifo,belady", "--size", "2,3"]
        rows = list(csv.reader(io.StringIO(self.out(*arguments, "--csv").decode())))
        self.assertEqual(rows[0], COLUMNS)
        self.assertEqual(rows[1], [trace, "fifo", "2", "objects", "4", "1", "3", "0.750000"])
        self.assertEqual([row[1:3] for row in rows[1:]], [["fifo", "2"], ["fifo", "3"], ["belady", "2"], ["belady", "3"]])
        document = self.document(*arguments)
        self.assertEqual([list(row) for row in document], [[*COLUMNS[:4], "sample", "shards", *COLUMNS[4:]]] * 4)
        self.assertEqual(document[0], {"trace": trace, "policy": "fifo", "size": 2, "unit": "objects", "sample": "1/1",
                                       "shards": 1, "requests": 4, "hits": 1, "misses": 3, "miss_ratio": 0.75})
        self.assertEqual(self.document(*arguments[:-1], "5000", "--sample", "1/2")[0]["sample"], "1/2")
        self.assertEqual(self.document(*arguments[:-1], "5000", "--shards", "8")[0]["shards"], 8)
        table = self.out(*arguments).decode().splitlines()
        self.assertEqual(table[0].split(), "TRACE POLICY SIZE UNIT REQUESTS HITS MISSES MISS RATIO".split())
        self.assertEqual(table[1].removeprefix(trace).split(), ["fifo", "2", "objects", "4", "1", "3", "0.7500"])
        self.assertEqual(len(table), 5)

    def plot(self, policies, sizes, *more, trace=None):
        path = os.path.join(self.scratch(), "plot.svg")
        trace = trace or self.file(zipf(3000, 200), "a<b>&\"c\"")
        self.out("sim", "--trace", trace, "--policy", policies, "--size", sizes, "--plot", path, *more)
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertEqual(root.tag, SVG + "svg")
        texts = [text.text for text in root.iter(SVG + "text")]
        width, height = (float(root.get(name)) for name in ("width", "height"))
        lines = [[tuple(map(float, point.split(","))) for point in line.get("points").split()]
                 for line in root.iter(SVG + "polyline")]
        for x, y in itertools.chain(*lines):
            self.assertTrue(0 <= x <= width and 0 <= y <= height, (x, y))
        return texts, lines, trace

    def test_plot_has_a_line_for_each_policy(self):
        texts, lines, trace = self.plot("lru,clock,fifo,belady", "100,1,10")
        self.assertEqual([len(line) for line in lines], [3] * 4)
        self.assertLessEqual({"lru", "clock", "fifo", "belady", "miss ratio", "cache size, objects", trace}, set(texts))
        self.assertLessEqual({"1", "10", "100"}, set(texts))
        for line in lines:
            x = [point[0] for point in line]
            self.assertEqual(x, sorted(x))
            self.assertAlmostEqual(x[1] - x[0], x[2] - x[1], delta=0.2)  # decades are equally wide
            y = [point[1] for point in line]
            self.assertEqual(y, sorted(y))  # downwards: fewer misses with more room

    def test_plot_of_sizes_that_are_near_to_each_other_and_of_one(self):
        texts, lines, _ = self.plot("lru", "20,40,60")
        self.assertAlmostEqual(lines[0][1][0] - lines[0][0][0], lines[0][2][0] - lines[0][1][0], delta=0.2)
        self.assertLessEqual({"20", "40", "60"}, set(texts))
        texts, lines, _ = self.plot("lru", "20")
        self.assertEqual(len(lines[0]), 1)
        self.assertIn("20", texts)
        self.plot("lru,fifo", "5,50", trace=self.file([]))

    def test_plot_of_sizes_that_three_digits_do_not_tell_apart(self):
        for sizes, unit, wanted in (("12340,12342,12345,12350", "objects", ["12340", "12342", "12344", "12350"]),
                                    ("1073741824,1073741924", "bytes", ["1073741824 B", "1073741856 B"])):
            texts, _, _ = self.plot("lru", sizes, "--unit", unit)
            self.assertLessEqual(set(wanted), set(texts))
            self.assertEqual(len(texts), len(set(texts)), texts)
        texts, _, _ = self.plot("lru", "12000,12500,13000")
        self.assertLessEqual({"12k", "12.2k", "13k"}, set(texts))

    def test_plot_in_the_place_of_another(self):
        path = self.file(b"<svg>" * 10000, "plot.svg")
        self.complaint("sim", "--trace", self.file(["a,b"]), "--policy", "lru", "--size", "5", "--plot", path, code=NO)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"<svg>" * 10000)
        self.out("sim", "--trace", self.file(["a"]), "--policy", "lru", "--size", "5", "--plot", path)
        xml.etree.ElementTree.parse(path)

    def test_plot_of_bytes(self):
        texts, _, _ = self.plot("lru", "64KiB,256KiB,1MiB,4MiB", "--unit", "bytes")
        self.assertLessEqual({"64 KiB", "256 KiB", "1 MiB", "4 MiB"}, set(texts))

    def test_plot_of_many_policies(self):
        texts, lines, _ = self.plot(",".join(["lru", "clock", "fifo"] * 12), "5,50")
        self.assertEqual((len(lines), texts.count("lru")), (36, 12))

class Policies(Simulation):
    def test_a_file(self):
        trace, path = self.file(zipf(3000, 200)), self.shipped_file("lru")
        got = self.rows(trace, f"{path},lru", "50")
        self.assertEqual(got[path, 50], got["lru", 50])

    def test_parameters(self):
        trace, path = self.file(zipf(20000, 2000)), self.shipped_file("2q")
        params = {row["name"]: row for plugin in self.document("plugin", "info", "2q") for row in plugin["params"]}
        name = next(iter(params))
        default, least = params[name]["default"], params[name]["minimum"]
        policies = [f"2q:{name}={default}", f"2q:{name}={least}", f"{path}:{name}={least}"]
        got = self.rows(trace, ",".join(["2q", *policies]), "100")
        self.assertEqual(got["2q", 100], got[policies[0], 100])
        self.assertNotEqual(got["2q", 100], got[policies[1], 100])
        self.assertEqual(got[policies[1], 100], got[policies[2], 100])

if __name__ == "__main__":
    kit.main()
