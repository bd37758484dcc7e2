"""Reads a history and tells which promises it breaks. No clocks and no processes: test_checker.py makes histories up.

A key has one writer, so its writes are in order. A get must bring the last write that was acknowledged before it began, or one
that was begun later, or one that failed and may have been done meanwhile. A get may miss; after a fault, when all is well
again, a miss of what was acknowledged is a loss.
"""

from bisect import bisect_left
from collections import defaultdict

from history import FAILED, OK

WRONG, STALE, RESURRECTED, EXPIRED, LOST, MISSED = "wrong", "stale", "resurrected", "expired", "lost", "missed"
ALWAYS = (WRONG, EXPIRED)  # never, whatever the mode
STRICT = (WRONG, EXPIRED, STALE, RESURRECTED, LOST)  # never with `write_acks: all`


class Finding:
    def __init__(self, kind, get, text):
        self.kind, self.get, self.text = kind, get, text

    def __str__(self):
        return f"{self.kind}: {self.get}: {self.text}"


class Key:
    """The writes of one key."""

    def __init__(self, writes):
        self.writes = sorted(writes, key=lambda write: write.version)
        self.by_version = {write.version: write for write in self.writes}
        self.acknowledged = [write for write in self.writes if write.outcome != FAILED]
        self.ends = [write.ended for write in self.acknowledged]

    def last_before(self, time):
        """The last write that was acknowledged before a time."""
        index = bisect_left(self.ends, time)
        return self.acknowledged[index - 1] if index else None

    def replaced(self, write):
        """When something newer than a write was acknowledged."""
        return min(other.ended for other in self.acknowledged if other.version > write.version)

    def may_miss(self, get, last):
        """Whether there need be nothing: it was never written, was deleted, or its time is over."""
        if last is None or last.kind == "delete" or last.ttl:
            return True
        return any(write.begun < get.ended and (write.kind == "delete" or write.ttl) and
                   (write.version > last.version or write.until > last.begun) for write in self.writes)


def _check_value(key, get, loaded, may_be_old):
    """`may_be_old`: by how many seconds."""
    write = key.by_version.get(get.version)
    if get.version == 0 and loaded:
        last = key.last_before(get.begun - may_be_old)
        return Finding(STALE, get, f"the origin's first value, after {last}") if last else None
    if write is None or write.begun > get.ended or (write.kind == "delete" and not loaded):
        return Finding(WRONG, get, "a version that was not written")
    if write.ttl and get.begun > write.until + write.ttl:
        return Finding(EXPIRED, get, f"{get.begun - write.until - write.ttl:.3f} s too late after {write}")
    last = key.last_before(get.begun - may_be_old)
    if last is None or write.version >= last.version or (write.outcome == FAILED and write.until > last.begun):
        return None
    kind = RESURRECTED if last.kind == "delete" and not loaded else STALE
    return Finding(kind, get, f"{get.begun - key.replaced(write):.3f} s old after {last}")


def check(operations, loaded=("loaded",), may_be_old=lambda get: 0):
    """
    All findings, in the order of the gets. `loaded`: groups with an origin, where a delete makes way for its value.
    `may_be_old`: for how many seconds after a write the get may bring what was before.
    """
    writes, gets, findings = defaultdict(list), [], []
    for operation in operations:
        if operation.kind == "get":
            if operation.outcome != FAILED:
                gets.append(operation)
        else:
            writes[operation.group, operation.key].append(operation)
    keys = defaultdict(lambda: Key([]), {name: Key(each) for name, each in writes.items()})
    for get in gets:
        key = keys[get.group, get.key]
        if get.outcome == OK:
            finding = _check_value(key, get, get.group in loaded, may_be_old(get))
        else:
            last = key.last_before(get.begun)
            missed = not key.may_miss(get, last)
            finding = Finding(LOST if get.settled else MISSED, get, f"nothing, after {last}") if missed else None
        if finding:
            findings.append(finding)
    return findings
