"""Nodes under faults: main.py BUILD [--minutes N] [--seed S] [--write-acks one|all] [--peers http|grpc] [--only FAULT,...]

The seed says which faults there are, in which order and where, the transport between the nodes, and what the clients do; the
rest is up to the machine, so that a seed that failed once may take a few runs to fail again.
"""

import network

network.enter()

import argparse  # noqa: E402  after the start in other namespaces
import os  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system")]
import kit  # noqa: E402,F401  takes BUILD from the arguments
import schedule  # noqa: E402
from history import History  # noqa: E402
from report import Report  # noqa: E402
from workload import Workload  # noqa: E402
from world import MAY_JUMP, World  # noqa: E402


class Run:
    def __init__(self, options, directory):
        self.options, self.random = options, random.Random(f"{options.seed} faults")
        self.world = World(directory, options.write_acks, options.peers)
        self.history, self.report = History(), Report(self.world.strict, options.patience)
        self.workload = Workload(self.world, self.history, options.seed)

    def settle(self):
        took = self.world.converge(10 * self.options.patience)
        self.workload.finish_turns()
        lost = self.workload.sweep(self.random.choice(self.world.running()))
        if lost:
            self.report.strictly(f"{lost} of the keys stored at the start are lost")
        return took

    def step(self, step):
        if step.planned:
            self.workload.warm(self.random.choice(self.world.running()))
        began, loads = len(self.history), self.world.origin.loads("static")
        with step.fault(self.world, self.random) as told:
            time.sleep(step.stands)
        took = self.settle()
        self.report.step(self.world, step, told, self.history.since(began), took)
        loads = self.world.origin.loads("static") - loads
        if step.planned and loads:
            self.report.strictly(f"{step.name} ({told}): {loads} loads of cached keys")

    def run(self):
        until = time.monotonic() + 60 * self.options.minutes
        self.world.start()
        self.workload.fill()
        self.workload.warm(self.world.running()[0])
        self.workload.start()
        time.sleep(1)
        only = self.options.only.split(",") if self.options.only else None
        for step in schedule.steps(self.options.seed, self.world.net.may_cut, MAY_JUMP, only):
            if time.monotonic() > until or self.report.wrong:
                break
            self.step(step)

    def close(self):
        self.workload.stop()
        print(f"  near copies answered {self.world.near_hits()} gets of the nodes that run now", flush=True)
        for wrong in self.world.end():
            self.report.blame(wrong)
        self.report.history(self.history.since(0))


def main():
    parser = argparse.ArgumentParser(description="real nodes under faults")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--write-acks", choices=("all", "one"))
    parser.add_argument("--peers", choices=("http", "grpc"))
    parser.add_argument("--only", help="names of faults, as in faults.py")
    parser.add_argument("--patience", type=float, default=1, help="what times are multiplied by on a slow machine")
    parser.add_argument("--keep", action="store_true", help="keeps the logs")
    options = parser.parse_args()
    dice = random.Random(f"{options.seed} modes")
    options.write_acks = options.write_acks or dice.choice(("all", "all", "one"))
    options.peers = options.peers or dice.choice(("http", "grpc"))
    print(f"chaos: seed {options.seed}, write_acks {options.write_acks}, peers over {options.peers}", flush=True)
    directory = tempfile.mkdtemp(prefix="larder-chaos.")
    run = Run(options, directory)
    try:
        run.run()
    except AssertionError as error:
        run.report.blame(str(error))
    finally:
        run.close()
    failed = bool(run.report.wrong)
    if failed or options.keep:
        print(f"logs in {directory}")
    else:
        shutil.rmtree(directory)
    print(f"chaos: seed {options.seed}: " + (f"{len(run.report.wrong)} promises broken" if failed else "all held"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
