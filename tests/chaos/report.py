"""What a run has found, step by step."""

from history import FAILED

from checker import ALWAYS, STRICT, check
from world import LEASE

BYPASSED = 2  # seconds, when a node is dead


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
        failed = [each for each in operations if each.outcome == FAILED]
        refused = [each for each in failed if not world.was_impaired(each.door, each.begun, each.ended)]
        slow = {kind: max((each.ended - each.begun for each in operations if (each.kind == "get") == (kind == "get")
                           and not world.was_impaired(each.door, each.begun, each.ended)), default=0)
                for kind in ("get", "write")}
        print(f"  {step.name} ({told}): {len(operations)} requests, {len(failed)} failed, {len(refused)} of them at other "
              f"nodes; slowest get {slow['get']:.2f} s, write {slow['write']:.2f} s; converged in {converged:.1f} s",
              flush=True)
        longest = {"get": BYPASSED, "write": LEASE + 1 if self.strict else BYPASSED}
        for kind, limit in longest.items():
            if step.dead and slow[kind] > limit * self.patience:
                self.blame(f"{step.name} ({told}): a {kind} took {slow[kind]:.2f} s, wanted at most {limit} s")
        if refused and (step.answered if self.strict else step.dead or step.planned):
            self.blame(f"{step.name} ({told}): {len(refused)} requests to other nodes failed, as {refused[0]}")

    def history(self, operations):
        """What the checker finds in all of them."""
        never = STRICT if self.strict else ALWAYS
        for finding in check(operations):
            self.counts[finding.kind] = self.counts.get(finding.kind, 0) + 1
            if finding.kind in never and self.counts[finding.kind] <= 5:
                self.blame(str(finding))
        print("  " + (", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items())) or "nothing found"),
              flush=True)
