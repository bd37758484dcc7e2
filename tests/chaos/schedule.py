"""Which faults there are when, and what is asked of each."""

import random

import faults
from world import GROUP, LEASE


def is_cached(operation):
    return operation.group == GROUP or operation.key.startswith("static ")


class Step:
    """A fault, how long it stands, and what must hold besides what the checker says."""

    def __init__(self, fault, stands, answered=True, planned=False, cuts=False, dead=False, jumps=False, spares=None):
        self.fault, self.stands = fault, stands
        self.answered = answered  # strictly, nothing that is asked of other nodes may fail
        self.planned = planned  # the origin is not asked for what is cached
        self.dead = dead  # a node is: it is bypassed within 2 s; strictly, writes wait for its lease
        self.cuts = cuts  # takes network namespaces
        self.jumps = jumps  # takes clocks of their own
        self.spares = spares  # operations that must be answered, whatever else fails and in either mode
        self.name = fault.__name__.replace("_", " ")


STEPS = [
    Step(faults.kill, LEASE + 2, dead=True),
    Step(faults.kill_and_restart, 0.5, dead=True),
    Step(faults.stand, LEASE + 2, dead=True),
    Step(faults.stand_shortly, 0),
    Step(faults.join, 0.5, planned=True),
    Step(faults.leave, 0.5, planned=True),
    Step(faults.rolling_restart, 0, planned=True),
    Step(faults.isolate, LEASE + 2, cuts=True, dead=True),
    Step(faults.cut_from_etcd, LEASE + 2, cuts=True),
    Step(faults.one_way, LEASE, answered=False, cuts=True),
    Step(faults.lose_packets, LEASE, answered=False, cuts=True),
    Step(faults.delay, 2),
    Step(faults.half_open, 2, dead=True),
    Step(faults.restart_etcd, 1),
    Step(faults.etcd_away, LEASE + 2),
    Step(faults.jump_clock, 1.5, jumps=True),
    Step(faults.origin_away, 2, answered=False, spares=is_cached),
]


def named(names, may_cut, may_jump):
    """The steps of some faults, or of all that can be had here, if there are no names; and the names of what cannot."""
    unknown = set(names) - {step.fault.__name__ for step in STEPS}
    if unknown:
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
    wanted = [step for step in STEPS if not names or step.fault.__name__ in names]
    chosen = [step for step in wanted if (may_cut or not step.cuts) and (may_jump or not step.jumps)]
    return chosen, [step.name for step in wanted if step not in chosen]


def rounds(steps, seed):
    """Without an end: each of them once, in an order that the seed gives, and again in another."""
    dice = random.Random(f"{seed} schedule")
    steps = list(steps)
    while steps:
        dice.shuffle(steps)
        yield list(steps)
