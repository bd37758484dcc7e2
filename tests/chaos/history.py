"""What clients did, and what they were told."""

import threading

OK, ABSENT, FAILED = "ok", "absent", "failed"


def value_of(group, key, version):
    """The value that a key has in a version: it names both, and its length changes with the version."""
    return f"{group}/{key} {version} {'.' * (version * 37 % 300)}".encode()


def version_in(group, key, value):
    """The version of a key's value; None: the key never had such a value."""
    number = value[len(f"{group}/{key} ".encode()):].partition(b" ")[0]
    if number.isdigit() and value == value_of(group, key, int(number)):
        return int(number)
    return None


class Operation:
    """
    One request. Versions of a key are counted by its only writer, deletes among them. `failed` writes may have been done,
    or be done by `until`.
    """

    __slots__ = ("kind", "group", "key", "door", "begun", "ended", "outcome", "version", "ttl", "until", "settled", "told")

    def __init__(self, kind, group, key, door, version=None, ttl=None, settled=False):
        self.kind, self.group, self.key, self.door, self.version, self.ttl = kind, group, key, door, version, ttl
        self.begun = self.ended = self.until = self.outcome = None
        self.settled = settled  # a get after a fault, when all is well again
        self.told = ""  # what a failure looked like

    def __repr__(self):
        ttl = f" ttl {self.ttl} s" if self.ttl else ""
        return (f"{self.kind} {self.group}/{self.key} version {self.version}{ttl} at {self.door} "
                f"{self.begun:.3f}-{self.ended:.3f} {self.outcome} {self.told}".rstrip())


class History:
    def __init__(self):
        self.operations, self.lock = [], threading.Lock()

    def add(self, operation):
        with self.lock:
            self.operations.append(operation)

    def __len__(self):
        return len(self.operations)

    def since(self, index):
        with self.lock:
            return self.operations[index:]
