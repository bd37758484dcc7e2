"""larder plugin check: good modules pass every check, and every check finds the mistake that it is there for."""

import concurrent.futures
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))
import kit  # noqa: E402
from kit import DONE, NO, USAGE  # noqa: E402

MODULES = sys.argv.pop(3)
PLUGINS = os.path.join(os.path.dirname(os.path.dirname(kit.LARDER)), "plugins")
BROKEN = os.path.join(os.path.dirname(MODULES), "modules", "eviction")

# What is wrong with a module, and a check that must find it.
FAULTS = {
    "eviction/queues_sleeps_in_open": "defaults",
    "eviction/queues_loops_in_open": "defaults",
    "eviction/queues_removes_nothing": "one-entry",
    "eviction/queues_evicts_twice": "one-entry",
    "eviction/queues_stops_early": "one-entry",
    "eviction/queues_invents_a_slot": "empty",
    "eviction/queues_off_by_one": "one-entry",
    "eviction/queues_beyond_max_slots": "one-entry",
    "eviction/queues_leaks_in_close": "close",
    "eviction/queues_leaks_in_open": "open-no-memory",
    "eviction/queues_trusts_open": "open-no-memory",
    "eviction/queues_trusts_insert": "no-memory",
    "eviction/queues_shares_a_state": "states",
    "eviction/queues_shares_a_scratch": "threads",
    "eviction/queues_grows": "growth",
    "eviction/queues_hoards": "growth",
    "eviction/queues_hit_counts_again": "charges-hit",
    "eviction/queues_hit_loses_a_charge": "charges-hit",
    "eviction/queues_updates_half": "charges-updated",
    "eviction/queues_remove_keeps_charge": "charges-removed",
    "eviction/queues_evict_keeps_charge": "charges-evicted",
    "eviction/queues_loses_on_update": "updates",
    "eviction/queues_by_order": "by-digest",
    "eviction/queues_needs_prepare": "unprepared",
    "eviction/queues_leaks_in_prepare": "aborted",
    "eviction/queues_wrong_type": "defaults",
    "eviction/queues_fails_at_maximum": "limits",
    "eviction/queues_divides_by_minimum": "limits",
    "eviction/queues_no_last_slot": "one-slot",
    "eviction/queues_writes_behind": "bounds",
    "eviction/queues_crashes_when_empty": "empty",
    "eviction/queues_loops_when_empty": "empty",
    "eviction/queues_aborts_when_empty": "empty",
    "eviction/queues_exits_in_close": "close",
    "eviction/queues_keeps_env": "defaults",
    "eviction/queues_signed_charges": "large-charges",
    "eviction/queues_refuses_known": "same-again",
    "eviction/queues_extra_underflows": "bytes",
    "eviction/queues_hides_bytes": "bytes",
    "eviction/queues_loses_when_full": "many-entries",
    "eviction/queues_loses_late": "walks",
    "eviction/queues_shares_a_size": "capacity-change",
    "eviction/circle_sweeps_for_ever": "sweep-stuck",
    "eviction/circle_gives_up": "sweep-thread",
    "eviction/circle_trusts_its_store": "sweep-stuck",
    "eviction/circle_writes_behind_hits": "one-slot",
    "hash/digest_counts_calls": "same",
    "hash/digest_reads_when_empty": "empty",
    "hash/digest_reads_behind": "unaligned",
    "hash/digest_skips_a_byte": "differs",
    "hash/digest_shares_a_scratch": "threads",
    "hash/digest_allocates": "memory",
}


def run(file, *options):
    """Exit code and lines of standard output."""
    done = subprocess.run([kit.LARDER, "plugin", "check", file, *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=900, check=False,
                          env=kit.environment())
    return done.returncode, done.stdout.decode().splitlines()


def run_all(files):
    """Two at a time: what they do is computing."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(files, pool.map(run, files)))


def failures(lines):
    """Name of a check that failed: its line."""
    return {line.split()[1].rstrip(":"): line for line in lines if line.startswith("FAILED ")}


class Good(kit.Test):
    def assert_good(self, files):
        for file, (code, lines) in run_all(files).items():
            with self.subTest(file=file):
                self.assertEqual(failures(lines), {})
                self.assertEqual(code, DONE)
                self.assertRegex(lines[-1], r"^\d+ ok, 0 failed$")

    def test_shipped_modules(self):
        files = glob.glob(os.path.join(PLUGINS, "*", "*.so"))
        self.assertGreaterEqual(len(files), 9)
        self.assert_good(files)

    def test_shipped_policies_when_every_hit_byte_sticks(self):
        files = glob.glob(os.path.join(MODULES, "stuck", "*.so"))
        self.assertEqual({os.path.basename(file) for file in files},
                         {os.path.basename(file) for file in glob.glob(os.path.join(PLUGINS, "eviction", "*.so"))})
        self.assert_good(files)

    def test_the_same_modules_without_a_fault(self):
        self.assert_good([os.path.join(MODULES, name + ".so") for name in
                          ("eviction/queues_none", "eviction/circle_none", "hash/digest_none", "eviction/lru_cpp",
                           "eviction/values")])

    def test_every_check_is_run(self):
        listed = [check["name"] for check in self.document("plugin", "check", "--list")
                  if check["kind"] in ("all", "eviction")]
        _, lines = run(os.path.join(PLUGINS, "eviction", "clock.so"))
        self.assertEqual([line.split()[1] for line in lines if line.startswith("ok ")], listed)

    def test_values_of_parameters_are_those_that_a_host_gives(self):
        """The module opens for no others, here and there."""
        file = os.path.join(MODULES, "eviction/values.so")
        trace = os.path.join(self.scratch(), "trace.txt")
        with open(trace, "w", encoding="utf-8") as out:
            out.write("a\nb\na\n")
        self.out("sim", "--trace", trace, "--policy", f"{file}:count=3:names=[]", "--size", "2")
        self.assert_good([file])

    def test_other_seeds(self):
        files = [os.path.join(MODULES, "eviction/queues_none.so"), os.path.join(PLUGINS, "eviction/clock.so")]
        for seed in ("0", "2", "1000000000000"):
            for file in files:
                code, lines = run(file, "--seed", seed)
                self.assertEqual((code, failures(lines)), (DONE, {}))


class Faulty(kit.Test):
    @classmethod
    def setUpClass(cls):
        cls.results = run_all([os.path.join(MODULES, name + ".so") for name in FAULTS])

    def test_each_fault_is_found_by_its_check(self):
        for name, check in FAULTS.items():
            code, lines = self.results[os.path.join(MODULES, name + ".so")]
            with self.subTest(name=name, lines=lines):
                self.assertIn(check, failures(lines))
                self.assertEqual(code, NO)

    def test_no_fault_is_forgotten_here(self):
        built = {os.path.relpath(file, MODULES).removesuffix(".so") for kind in ("eviction", "hash")
                 for file in glob.glob(os.path.join(MODULES, kind, "*.so"))}
        good = {"eviction/queues_none", "eviction/circle_none", "eviction/lru_cpp", "eviction/values",
                "hash/digest_none"}
        unseen = {"eviction/queues_maps_and_leaks", "eviction/queues_maps_arrays_and_leaks"}
        self.assertEqual(built - good - unseen, FAULTS.keys())

    def test_every_check_can_fail(self):
        failed = {(name.split("/")[0], check) for name in FAULTS
                  for check in failures(self.results[os.path.join(MODULES, name + ".so")][1])}
        listed = {(check["kind"], check["name"]) for check in self.document("plugin", "check", "--list")}
        self.assertEqual({check for check in listed - failed if check[0] != "all"}, set())

    def test_every_failure_is_one_line_with_what_was_wanted_and_the_seed(self):
        for file, (_, lines) in self.results.items():
            for line in lines[:-1]:
                with self.subTest(file=file, line=line):
                    self.assertRegex(line, r"^(ok [a-z-]+( \(.*\))?|note: the \d+ checks after .*|FAILED [a-z-]+: .*wanted .*\(seed 1\))$")
            passed = sum(line.startswith("ok ") for line in lines)
            self.assertRegex(lines[-1], rf"^{passed} ok, {len(failures(lines))} failed(, \d+ not run)?$")

    def test_how_a_module_ends_the_process(self):
        for name, check, wanted in (("queues_crashes_when_empty", "empty", r"in evict\(\), wanted it to return"),
                                    ("queues_loops_when_empty", "empty", r"no end in evict\(\), wanted it to return"),
                                    ("queues_aborts_when_empty", "empty", r"in evict\(\), wanted it to return"),
                                    ("queues_exits_in_close", "close", r"ended with exit code 0 in close\(\), wanted")):
            with self.subTest(name=name):
                _, lines = self.results[os.path.join(MODULES, "eviction", name + ".so")]
                self.assertRegex(failures(lines)[check], wanted)

    def test_a_module_that_hangs_ends_the_run(self):
        listed = [check for check in self.document("plugin", "check", "--list") if check["kind"] in ("all", "eviction")]
        rest = len(listed) - 2
        for name in ("queues_sleeps_in_open", "queues_loops_in_open"):
            with self.subTest(name=name):
                _, lines = self.results[os.path.join(MODULES, "eviction", name + ".so")]
                self.assertEqual(len(lines), 4)
                self.assertRegex(lines[1], r"^FAILED defaults: no end in open\(.*\), wanted it to return")
                self.assertEqual(lines[2], f"note: the {rest} checks after defaults were not run, as a module that hangs "
                                           "may do so in each")
                self.assertEqual(lines[3], f"1 ok, 1 failed, {rest} not run")

    def test_a_seed_repeats_a_failure(self):
        file = os.path.join(MODULES, "eviction/queues_loses_on_update.so")
        first, second = (failures(run(file, "--seed", "7")[1])["updates"] for _ in range(2))
        self.assertEqual(first, second)
        self.assertIn("(seed 7)", first)


class Command(kit.Test):
    def test_table_that_is_refused(self):
        file = os.path.join(BROKEN, "bad_default.so")
        code, lines = run(file)
        self.assertEqual((code, len(lines), lines[-1]), (NO, 2, "0 ok, 1 failed"))
        self.assertRegex(lines[0], r"^FAILED table: .*bad_default\.so: .*share.*wanted")

    def test_file_that_is_no_module(self):
        file = os.path.join(self.scratch(), "x.so")
        with open(file, "wb") as out:
            out.write(b"no ELF file")
        os.chmod(file, 0o644)
        code, lines = run(file)
        self.assertEqual((code, lines[-1]), (NO, "0 ok, 1 failed"))

    def test_memory_that_cannot_be_seen(self):
        """Checks that count it say so, instead of passing a module that leaks all of it."""
        counting = {"bounds", "open-no-memory", "no-memory", "close", "bytes", "growth"}
        for name in ("queues_maps_and_leaks", "queues_maps_arrays_and_leaks"):
            with self.subTest(name=name):
                file = os.path.join(MODULES, "eviction", name + ".so")
                code, lines = run(file)
                not_run = [line for line in lines if line.startswith("not run ")]
                self.assertEqual({line.split()[2].rstrip(":") for line in not_run}, counting)
                self.assertTrue(all(": its memory cannot be seen: " in line for line in not_run))
                self.assertEqual((code, failures(lines)), (DONE, {}))
                self.assertRegex(lines[-1], r"^\d+ ok, 0 failed, 6 not run$")
        document = self.document("plugin", "check", file)
        checks = {check["name"]: check for check in document["checks"]}
        self.assertIsNone(checks["close"]["ok"])
        self.assertIn("cannot be seen", checks["close"]["note"])
        self.assertEqual(document["not_run"], 6)

    def test_json(self):
        out, _ = self.larder("plugin", "check", "--json", os.path.join(MODULES, "eviction/queues_off_by_one.so"), code=NO)
        document = kit.json.loads(out)
        self.assertEqual((document["kind"], document["name"], document["seed"]), ("eviction", "queues_off_by_one", 1))
        results = {check["name"]: check for check in document["checks"]}
        self.assertTrue(results["table"]["ok"])
        self.assertIn("wanted", results["one-entry"]["reason"])
        self.assertEqual(document["failed"], sum(check["ok"] is False for check in document["checks"]))
        self.assertEqual(document["ok"] + document["failed"], len(document["checks"]))

    def test_other_kinds_say_what_was_checked(self):
        code, lines = run(os.path.join(PLUGINS, "discovery/static.so"))
        self.assertEqual((code, lines[0], lines[-1]), (DONE, "ok table", "1 ok, 0 failed"))
        self.assertIn("for a discovery module the table and the parameters are checked, and nothing else", lines[1])

    def test_libraries_besides_that_of_c(self):
        _, lines = run(os.path.join(MODULES, "eviction/lru_cpp.so"))
        self.assertRegex(lines[-2], r"^note: it needs libstdc\+\+\.so\.6 besides the C library$")

    def test_list(self):
        lines = self.out("plugin", "check", "--list").decode().splitlines()
        self.assertRegex(lines[0], r"^KIND +CHECK +WHAT A MODULE MUST DO$")
        self.assertTrue(any(line.split()[:2] == ["eviction", "growth"] for line in lines))

    def test_by_name(self):
        self.assertEqual(self.out("plugin", "check", "crc32").decode().splitlines()[0], "ok table")
        self.assertIn("did you mean 'lru'?", self.complaint("plugin", "check", "lur", code=NO))
        self.assertIn("2 modules are called 'http'", self.complaint("plugin", "check", "http", code=USAGE))

    def test_wrong_command_lines(self):
        self.assertIn("/nonexistent.so: there is no such file",
                      self.complaint("plugin", "check", "/nonexistent.so", code=NO))
        self.assertIn("wanted NAME|FILE.so", self.complaint("plugin", "check", code=USAGE))
        self.complaint("plugin", "check", "a", "b", code=USAGE)
        self.complaint("plugin", "check", "--seed", "x", "lru", code=USAGE)

    def test_progress_on_a_terminal_only(self):
        file = os.path.join(PLUGINS, "hash/crc32.so")
        self.assertIn(b"%", self.on_terminal("plugin", "check", file, stream="stderr"))
        _, err = self.larder("plugin", "check", file)
        self.assertEqual(err, b"")


if __name__ == "__main__":
    kit.main()
