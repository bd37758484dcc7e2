"""
Nodes under faults: main.py BUILD [--minutes N] [--seed S] [--write-acks one|all] [--peers http|grpc] [--only FAULT,...]

Every fault once, or again and again for some minutes. The seed says which faults there are, in which order and where, the transport between the nodes, and what the clients do; the
rest is up to the machine, so that a seed that failed once may take a few runs to fail again.
"""

import network

network.enter()

import argparse  # noqa: E402  after the start in other namespaces
import contextlib  # noqa: E402
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
from workload import FILLING, STATIC, Workload  # noqa: E402
from world import MAY_JUMP, World  # noqa: E402


class Run:
    def __init__(self, options, directory):
        self.options, self.random = options, random.Random(f"{options.seed} faults")
        self.world = World(directory, options.write_acks, options.peers)
        self.history, self.report = History(), Report(self.world.strict, options.patience)
        self.workload = Workload(self.world, self.history, options.seed)

    def settle(self, since):
        """How long it took since the fault was undone."""
        took = self.world.converge(10 * self.options.patience, begun=since)
        self.workload.finish_turns()
        lost = self.workload.sweep(self.random.choice(self.world.running()))
        if lost:
            self.report.strictly(f"{lost} of the keys stored at the start are lost")
        return took

    def step(self, step):
        if step.planned or step.spares:
            self.workload.warm(self.random.choice(self.world.running()))
        requests, _ = self.world.count()
        began, loads = len(self.history), self.world.origin.loads("static")
        with step.fault(self.world, self.random) as told:
            time.sleep(step.stands)
            undone = time.monotonic()
        took = self.settle(undone)
        operations = self.history.since(began)
        self.report.step(self.world, step, told, operations, took)
        loads = self.world.origin.loads("static") - loads
        if step.planned and loads:
            self.report.blame(f"{step.name} ({told}): {loads} loads of cached keys")
        gets = sum(each.kind == "get" for each in operations)
        self.report.peer_requests(step, self.world.count()[0] - requests, gets + FILLING, len(operations) - gets,
                                  len(self.world.running()))

    def run(self):
        self.world.start()
        self.workload.fill()
        self.workload.warm(self.world.running()[0])
        self.workload.start()
        time.sleep(1)
        until = time.monotonic() + 60 * self.options.minutes if self.options.minutes else None
        for steps in schedule.rounds(self.options.steps, self.options.seed):
            for step in steps:
                if self.report.wrong or (until and time.monotonic() > until):
                    return
                self.step(step)
            if not until:
                return

    def close(self):
        try:
            self.workload.stop()
            _, near = self.world.count()
            print(f"  near copies answered {near} gets", flush=True)
            if near == 0:
                self.report.blame("no get was answered by a near copy: what they promise was not tested")
        finally:
            for wrong in self.world.end():
                self.report.blame(wrong)
            self.report.history(self.history.since(0), self.world.may_be_old)


def choose(parser, options):
    """The steps of this run. Less than what is wanted is a mistake, unless that is allowed."""
    try:
        options.steps, missing = schedule.named(options.only.split(",") if options.only else (), network.may_cut(), MAY_JUMP)
    except ValueError as error:
        parser.error(str(error))
    if missing and not options.allow_less:
        parser.error(f"without network namespaces or libfaketime there are no {', '.join(missing)}; --allow-less does without")
    if not options.steps:
        parser.error("none of these faults is possible here")


def main():
    parser = argparse.ArgumentParser(description="real nodes under faults")
    parser.add_argument("--minutes", type=float, help="how long; every fault once, if it is not said")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--write-acks", choices=("all", "one"))
    parser.add_argument("--peers", choices=("http", "grpc"))
    parser.add_argument("--only", help="names of faults, as in faults.py")
    parser.add_argument("--patience", type=float, default=1, help="what times are multiplied by on a slow machine")
    parser.add_argument("--keep", action="store_true", help="keeps the logs")
    parser.add_argument("--allow-less", action="store_true", help="leaves out faults that are not possible here")
    options = parser.parse_args()
    choose(parser, options)
    with contextlib.suppress(PermissionError):
        os.nice(-10)  # it waits more than it computes, and measures how long that takes: what runs beside it is to wait
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
