"""Clients: each writes keys of its own and reads everybody's, at any node, and remembers what it was told."""

import http.client
import base64
import json
import random
import threading
import time
from urllib.parse import quote

from history import ABSENT, FAILED, OK, Operation, value_of, version_in
from kit import Client, key_path, wait_until
from versioned_origin import LOADED
from world import GROUP

WRITE_TIMEOUT, READ_TIMEOUT = 8, 3  # seconds; a write may have to wait for a lease
SLACK = 1.0  # seconds by which a deadline may be late
PLAIN, TIMED, ORIGIN = 8, 3, 5  # keys of each writer
STATIC, FILLING = 200, 3000  # keys that are only read: of the origin, and stored at the start
BURST = 8  # gets of one key at one node, which then keeps it near
PAUSE = 0.01


class Caller:
    """One client program: a connection to each node."""

    def __init__(self, world, history):
        self.world, self.history, self.connections = world, history, {}

    def ask(self, node, method, path, body, timeout):
        if node.pid not in self.connections:  # a new process knows nothing of the old one's connections
            self.connections[node.pid] = Client(node.port, timeout + 2 * SLACK, node.host)
        client = self.connections[node.pid]
        client.timeout = timeout + 2 * SLACK
        if client.connection is not None and client.connection.sock is not None:
            client.connection.sock.settimeout(client.timeout)
        return client.ask(method, path, body, {"Larder-Timeout": f"{timeout}s"})

    def do(self, operation, node, method, path, body, timeout):
        """Sends it, and remembers how it went."""
        operation.begun = operation.begun or time.monotonic()
        try:
            answer = self.ask(node, method, path, body, timeout)
            operation.outcome = {200: OK, 201: OK, 204: OK, 404: ABSENT}.get(answer.status, FAILED)
            if operation.outcome == FAILED:
                operation.told = f"<{answer.status} {answer.body[:600]!r}>"
        except (OSError, http.client.HTTPException) as error:
            answer, operation.outcome, operation.told = None, FAILED, repr(error)
        operation.ended = operation.until = time.monotonic()
        if operation.outcome == FAILED:
            operation.until = max(operation.ended, operation.begun + timeout + SLACK)
        return answer

    def get(self, node, group, key, settled=False):
        operation = Operation("get", group, key, node.name, settled=settled)
        answer = self.do(operation, node, "GET", key_path(group, key), None, READ_TIMEOUT)
        if operation.outcome == OK:
            operation.version = version_in(group, key, answer.body)
            operation.told = "" if operation.version is not None else repr(answer.body[:80])
        self.history.add(operation)

    def write(self, node, kind, group, key, version, ttl=None):
        operation = Operation(kind, group, key, node.name, version, ttl)
        if group == LOADED:  # first where the values come from, then here
            operation.begun = time.monotonic()
            self.world.origin.ask("PUT", "/users/" + quote(key), value_of(group, key, version))
        method, body = ("PUT", value_of(group, key, version)) if kind == "put" else ("DELETE", None)
        self.do(operation, node, method, key_path(group, key) + (f"?ttl={ttl}s" if ttl else ""), body, WRITE_TIMEOUT)
        self.history.add(operation)
        return operation


class Worker(threading.Thread):
    def __init__(self, world, history, name, seed):
        super().__init__(name=name, daemon=True)
        self.world, self.random, self.ending = world, random.Random(seed), threading.Event()
        self.caller = Caller(world, history)
        self.error, self.turns = None, 0

    def run(self):
        try:
            while not self.ending.wait(PAUSE):
                doors = self.world.doors()
                if doors:
                    self.turn(self.random.choice(doors))
                self.turns += 1
        except Exception as error:  # told by the main thread
            self.error = error


class Writer(Worker):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.versions = {}

    def turn(self, node):
        dice = self.random.random()
        if dice < 0.5:
            group, key, ttl = GROUP, f"{self.name} plain {self.random.randrange(PLAIN)}", None
        elif dice < 0.65:
            group, key, ttl = GROUP, f"{self.name} timed {self.random.randrange(TIMED)}", self.random.randint(1, 3)
        else:
            group, key, ttl = LOADED, f"{self.name} origin {self.random.randrange(ORIGIN)}", None
        version = self.versions[group, key] = self.versions.get((group, key), 0) + 1
        kind = "delete" if self.random.random() < 0.3 else "put"
        operation = self.caller.write(node, kind, group, key, version, ttl if kind == "put" else None)
        if operation.outcome == FAILED:  # it may still be done: the next one waits, so that the order is known
            self.ending.wait(operation.until - operation.ended)


class Reader(Worker):
    def __init__(self, *arguments, writers=()):
        super().__init__(*arguments)
        self.writers = writers

    def turn(self, node):
        if self.random.random() < 0.2:
            self.caller.get(node, LOADED, f"static {self.random.randrange(STATIC)}")
            return
        writer = self.random.choice(self.writers)
        if self.random.random() < 0.05:
            for _ in range(BURST):
                self.caller.get(node, GROUP, f"{writer.name} plain 0")
            return
        keys = list(writer.versions.copy())
        if keys:
            self.caller.get(node, *self.random.choice(keys))


class Workload:
    def __init__(self, world, history, seed, writers=4, readers=4):
        self.world, self.history = world, history
        self.writers = [Writer(world, history, f"w{i}", f"{seed} w{i}") for i in range(writers)]
        self.workers = self.writers + [Reader(world, history, f"r{i}", f"{seed} r{i}", writers=self.writers)
                                       for i in range(readers)]
        self.caller = Caller(world, history)

    def start(self):
        for worker in self.workers:
            worker.start()

    def finish_turns(self):
        """Until everybody has finished what he is at: no request then has to outlive two faults."""
        turns = [worker.turns for worker in self.workers]
        wait_until(lambda: all(worker.turns > turn or worker.error for worker, turn in zip(self.workers, turns)),
                   "all requests are answered")

    def stop(self):
        for worker in self.workers:
            worker.ending.set()
        for worker in self.workers:
            if worker.ident is not None:  # it was started
                worker.join()
        errors = [worker.error for worker in self.workers if worker.error]
        if errors:
            raise errors[0]

    # ------------------------------------------------------------------------------------------ keys only read

    def batch(self, node, group, operation, keys):
        results = []
        for i in range(0, len(keys), 1000):
            items = keys[i:i + 1000]
            if operation == "set":
                items = [{"key": key, "value": base64.b64encode(value_of(group, key, 1)).decode()} for key in items]
            answer = node.ask("POST", f"/v1/groups/{group}/batch", json.dumps({operation: items}))
            results += answer.json()["results"]
        return results

    def fill(self):
        node = self.world.running()[0]
        statuses = {each["status"] for each in self.batch(node, GROUP, "set", [f"filling {i}" for i in range(FILLING)])}
        if statuses != {"OK"}:
            raise AssertionError(f"the first writes: {statuses}")

    def warm(self, node):
        """Has the origin's static keys cached."""
        statuses = {each["status"] for each in self.batch(node, LOADED, "get", [f"static {i}" for i in range(STATIC)])}
        if statuses != {"OK"}:
            raise AssertionError(f"keys of the origin: {statuses}")

    def sweep(self, node):
        """When all is well: every key is read. How many of those stored at the start are not there."""
        for writer in self.writers:
            for group, key in list(writer.versions.copy()):
                self.caller.get(node, group, key, settled=True)
        keys = [f"filling {i}" for i in range(FILLING)]
        wrong = 0
        for key, result in zip(keys, self.batch(node, GROUP, "get", keys)):
            value = base64.b64decode(result.get("value", ""))
            wrong += value != value_of(GROUP, key, 1)
        return wrong
