"""The shipped policies against reference.csv: misses that two other simulators agree on, to the last one.

Traces and figures are those of the folder LARDER_TRACES, or ../shared/traces beside the checkout; where it is not there,
that is said and nothing is tested. `--small` takes the smallest trace only.
"""

import csv
import os
import subprocess
import sys
import unittest

import kit

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRACES = os.environ.get("LARDER_TRACES", os.path.join(os.path.dirname(ROOT), "shared", "traces"))
SMALL, LARGE = ["lirs_gli"], ["cloudphysics_io", "oltp", "scarab_recs"]
LEAST_SIZE = 20
# Its sketch may count other requests together than that of the reference does, which is Caffeine's.
TOLERANCE = {"wtinylfu": 0.0075}
# Misses of stores with so many shards and the hits that they hand on, of one seed: tests/unit/test_store_exact.c prints them.
STORES = {("oltp", "lfu", 10000, 8): 566380, ("oltp", "wtinylfu", 50000, 8): 261255,
          ("scarab_recs", "wtinylfu", 25836, 8): 485089, ("scarab_recs", "wtinylfu", 100000, 16): 329591}
PATIENCE = 250  # seconds, with other tests beside it


def reference(trace):
    with open(os.path.join(TRACES, "reference.csv"), encoding="ascii", newline="") as file:
        return {(row["policy"], int(row["size_objects"])): (int(row["requests"]), int(row["misses"]))
                for row in csv.DictReader(file) if row["trace"] == trace and int(row["size_objects"]) >= LEAST_SIZE}


def simulated(trace, policies, sizes, *options):
    command = [kit.LARDER, "sim", "--trace", os.path.join(TRACES, trace + ".txt.zst"), "--policy", ",".join(policies),
               "--size", ",".join(map(str, sizes)), "--csv", *options]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE,
                         env=kit.environment()).stdout
    return {(row["policy"], int(row["size"])): (int(row["requests"]), int(row["misses"]))
            for row in csv.DictReader(out.splitlines())}


class Reference(unittest.TestCase):
    traces = SMALL + LARGE

    def setUp(self):
        if not os.path.isfile(os.path.join(TRACES, "reference.csv")):
            self.skipTest(f"{TRACES} is not there")

    def test_every_line(self):
        for trace in self.traces:
            wanted = reference(trace)
            policies, sizes = (sorted({key[i] for key in wanted}) for i in (0, 1))
            self.assertGreaterEqual(len(policies), 9, trace)
            got = simulated(trace, policies, sizes)
            for key, (requests, misses) in wanted.items():
                with self.subTest(trace=trace, policy=key[0], size=key[1]):
                    print(f"{trace},{key[0]},{key[1]},expected {misses},got {got[key][1]}", flush=True)
                    self.assertEqual(got[key][0], requests)
                    self.assertLessEqual(abs(got[key][1] - misses), TOLERANCE.get(key[0], 0) * requests, got[key])

    def test_shards_miss_what_stores_do(self):
        """And a single cache does not."""
        for (trace, policy, size, shards), misses in STORES.items():
            if trace not in self.traces:
                continue
            with self.subTest(trace=trace, policy=policy):
                requests, whole = simulated(trace, [policy], [size])[policy, size]
                divided = simulated(trace, [policy], [size], "--shards", str(shards))[policy, size][1]
                print(f"{trace},{policy},{size},{shards} shards,store {misses},got {divided},a single cache {whole}", flush=True)
                self.assertLess(abs(divided - misses) / requests, 0.005)
                self.assertGreater(abs(whole - misses) / requests, 0.005)


if __name__ == "__main__":
    if "--small" in sys.argv:
        sys.argv.remove("--small")
        Reference.traces = SMALL
    kit.main()
