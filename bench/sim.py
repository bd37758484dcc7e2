"""How many requests a second `larder sim` simulates on one core, parsing included: `sim.py LARDER [--rounds N] [--json]`.

The trace is oltp, as plain text and twelve times over, out of the folder LARDER_TRACES, or ../shared/traces beside the
checkout. The figure of a policy is that of its fastest round, by user time: what else the machine does takes no part in it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACES = os.environ.get("LARDER_TRACES", os.path.join(os.path.dirname(ROOT), "shared", "traces"))
POLICIES = ("lru", "fifo", "clock", "lfu", "sieve", "2q", "s3fifo", "arc", "wtinylfu")
SIZE = 2000
TIMES = 12


def write_trace(file):
    """The requests in it."""
    source = os.path.join(TRACES, "oltp.txt.zst")
    if not os.path.exists(source):
        sys.exit(f"bench: sim: {source} is not there: LARDER_TRACES names the folder with it")
    text = subprocess.run(["zstd", "-dcq", source], stdout=subprocess.PIPE, check=True).stdout
    for _ in range(TIMES):
        file.write(text)
    file.flush()
    return TIMES * text.count(b"\n")


def user_seconds(larder, trace, policy):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([larder, "sim", "--trace", trace, "--policy", policy, "--size", str(SIZE), "--csv"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def goal(options, name, got, wanted):
    met = got >= wanted
    if options.json:
        print(json.dumps({"goal": name, "got": got, "wanted": wanted, "met": met}))
    else:
        print(f"goal {name}: got {got:.4g}, wanted {wanted:.4g}: {'met' if met else 'missed'}")
    return met


def main():
    parser = argparse.ArgumentParser(prog="bench/sim.py")
    parser.add_argument("larder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    speeds = {}
    with tempfile.NamedTemporaryFile(suffix=".txt") as trace:
        requests = write_trace(trace)
        for number in range(options.rounds):
            for policy in POLICIES:
                print(f"\rround {number + 1} of {options.rounds}: {policy:<10}", end="", file=sys.stderr, flush=True)
                speed = requests / user_seconds(options.larder, trace.name, policy)
                speeds[policy] = max(speeds.get(policy, 0), speed)
    print("\r\033[K", end="", file=sys.stderr)
    if not options.json:
        print(f"requests a second, {requests} requests, {SIZE} objects")
    for policy, speed in speeds.items():
        print(json.dumps({"row": "sim", "policy": policy, "requests_per_s": speed}) if options.json
              else f"  {policy:<10} {speed / 1e6:6.1f} M")
    met = goal(options, "sim-clock", speeds["clock"], 25e6)
    return 0 if goal(options, "sim-slowest", min(speeds.values()), 12e6) and met else 1


if __name__ == "__main__":
    sys.exit(main())
