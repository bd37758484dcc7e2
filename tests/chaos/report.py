"""What a run has found, step by step."""

from history import FAILED

from checker import ALWAYS, STRICT, check
from workload import READ_TIMEOUT
from world import LEASE

BYPASSED = 2  # seconds, when a node is dead
SENDS = 3  # 1 + `cluster.retries`


class Report:
    def __init__(self, strict, patience):
        self.strict, self.patience, self.wrong, self.counts = strict, patience, [], {}

    def blame(self, text):
        self.wrong.append(text)
        print(f"    WRONG: {text}", flush=True)

    def strictly(self, text):
        """What is promised with `write_acks: all` only, and told else."""
        if self.strict:
            self.blame(text)
        else:
            print(f"    {text}", flush=True)

    def step(self, world, step, told, operations, converged):
        """`operations`: those since the fault began."""
        # What was waited for before the node was dead is not for that.
        since = world.last_impaired() if step.dead else 0

        def took(each):
            return max(each.ended - max(each.begun, since), 0)
        failed = [each for each in operations if each.outcome == FAILED]
        refused = [each for each in failed if not world.was_impaired(each.door, each.begun, each.ended)]
        slowest = {kind: max((each for each in operations if (each.kind == "get") == (kind == "get")
                              and not world.was_impaired(each.door, each.begun, each.ended)),
                             key=took, default=None) for kind in ("get", "write")}
        slow = {kind: took(each) if each else 0 for kind, each in slowest.items()}
        print(f"  {step.name} ({told}): {len(operations)} requests, {len(failed)} failed, {len(refused)} of them at other "
              f"nodes; slowest get {slow['get']:.2f} s, write {slow['write']:.2f} s; converged in {converged:.1f} s",
              flush=True)
        longest = {"get": READ_TIMEOUT, "write": LEASE + 1} if self.strict else {"get": BYPASSED, "write": BYPASSED}
        for kind, limit in longest.items():
            if step.dead and slow[kind] > limit * self.patience:
                self.blame(f"{step.name} ({told}): a {kind} took {slow[kind]:.2f} s, wanted at most {limit} s: "
                           f"{slowest[kind]}")
        if not (step.answered if self.strict else step.dead or step.planned):
            refused = [each for each in refused if step.spares and step.spares(each)]
        if refused:
            self.blame(f"{step.name} ({told}): {len(refused)} requests to other nodes failed, as {refused[0]}")

    def peer_requests(self, step, requests, gets, writes, nodes):
        """
        For each operation one and two further attempts; besides, of a write all others are told that have the key near.
        `gets` and `writes`: how many clients asked for.
        """
        most = SENDS * gets + (SENDS + nodes - 1) * writes
        print(f"    {requests} requests to peers for {gets} gets and {writes} writes: {requests / (gets + writes):.2f} for each",
              flush=True)
        if requests > most:
            self.blame(f"{step.name}: {requests} requests to peers, wanted at most {most}")

    def history(self, operations, may_be_old):
        """What the checker finds in all of them."""
        never = STRICT if self.strict else ALWAYS
        for finding in check(operations, may_be_old=may_be_old):
            self.counts[finding.kind] = self.counts.get(finding.kind, 0) + 1
            if finding.kind in never and self.counts[finding.kind] <= 5:
                self.blame(str(finding))
        print("  " + (", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items())) or "nothing found"),
              flush=True)
