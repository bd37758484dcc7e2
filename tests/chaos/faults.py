"""Faults, one function each: a context in which the fault is there, and after which it is undone.

Each takes the world and the run's random numbers. What it is called with and for how long it stands is the schedule's.
"""

import contextlib
import subprocess
import time
from email.utils import parsedate_to_datetime

from kit import LARDER, PATIENCE, wait_until
from world import LEASE, NAMES, RELAYED, SPARE


def some_node(world, random):
    return random.choice([node for node in world.running() if node.name in NAMES])


def received(nodes):
    """How many entries they were given so far because keys moved."""
    return int(sum(node.metric("handoff_entries_received_total") for node in nodes))


def entries(world, nodes):
    return sum(world.entries(node) for node in nodes)


def check_moved(what, moved, total, nodes):
    """With one of so many nodes goes its part of all entries, and no more than a tenth on top. Counted with each copy."""
    print(f"    {what}: {moved} of {total} entries moved, 1 in {nodes} is {total / nodes:.0f}", flush=True)
    if moved > 1.1 * total / nodes:
        raise AssertionError(f"{what}: {moved} entries moved, wanted at most 1.1 x {total} / {nodes}")


def others_of(world, node):
    return [other.host for other in world.nodes.values() if other is not node]


# ------------------------------------------------------------------------------------------------ processes

@contextlib.contextmanager
def kill(world, random):
    """SIGKILL, and back after its lease."""
    node = some_node(world, random)
    with world.impairing(node, "down"):
        node.kill()
        yield node.name
        node.start()
        node.wait_ready()


@contextlib.contextmanager
def kill_and_restart(world, random):
    """SIGKILL, and back at once."""
    node = some_node(world, random)
    with world.impairing(node, "down"):
        node.kill()
        node.start()
        yield node.name
        node.wait_ready()


@contextlib.contextmanager
def stand(world, random):
    node = some_node(world, random)
    with world.impairing(node, "standing"):
        node.pause()
        try:
            yield node.name
        finally:
            node.resume()


@contextlib.contextmanager
def stand_shortly(world, random):
    """SIGSTOP for less than the lease, again and again."""
    node = some_node(world, random)
    with world.impairing(node, "standing"):
        for _ in range(2):
            node.pause()
            time.sleep(random.uniform(0.2, 0.5) * LEASE)
            node.resume()
            time.sleep(0.3)
        yield node.name


# ------------------------------------------------------------------------------------------------ members

@contextlib.contextmanager
def join(world, random):
    """A node joins, and is ended with SIGTERM afterwards."""
    node, others = world.nodes[SPARE], world.running()
    before = received(others)
    with world.impairing(node, "down"):
        node.start()
        node.wait_ready()
    world.converge(PATIENCE)
    check_moved("join", received([node, *others]) - before, entries(world, [node, *others]), len(others) + 1)
    yield node.name
    with world.impairing(node, "down"):
        end(world, node)


def end(world, node):
    world.count()
    code = node.stop()
    if code != 0:
        raise AssertionError(f"node {node.name} ended with {code} after SIGTERM")


@contextlib.contextmanager
def leave(world, random):
    """`larder cluster leave`, and back."""
    node = some_node(world, random)
    others = [other for other in world.running() if other is not node]
    before, total = received(others), entries(world, [node, *others])
    world.count()
    with world.impairing(node, "down"):
        told = subprocess.run([LARDER, "cluster", "leave", "--node", f"{node.host}:{node.port}"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        if told.returncode != 0:
            raise AssertionError(f"larder cluster leave: {told.returncode} {told.stderr}")
        node.process.wait(PATIENCE)
        world.converge(PATIENCE, heals=False)
        check_moved("leave", received(others) - before, total, len(others) + 1)
        yield node.name
        node.start()
        node.wait_ready()


@contextlib.contextmanager
def rolling_restart(world, random):
    nodes = [node for node in world.running() if node.name in NAMES]
    random.shuffle(nodes)
    for node in nodes:
        with world.impairing(node, "down"):
            end(world, node)
            node.start()
            node.wait_ready()
        world.converge(PATIENCE)
    yield "all"


# ------------------------------------------------------------------------------------------------ the network

@contextlib.contextmanager
def dropping(world, node, **rules):
    with world.impairing(node, "cut"):
        world.net.drop(node.name, **rules)
        try:
            yield node.name
        finally:
            world.net.mend(node.name)


@contextlib.contextmanager
def isolate(world, random):
    """From the other nodes and from etcd."""
    node = some_node(world, random)
    away = [*others_of(world, node), world.net.ETCD]
    with dropping(world, node, come_from=away, go_to=away) as told:
        yield told


@contextlib.contextmanager
def cut_from_etcd(world, random):
    node = some_node(world, random)
    with dropping(world, node, come_from=[world.net.ETCD], go_to=[world.net.ETCD]) as told:
        yield told


@contextlib.contextmanager
def one_way(world, random):
    """Hears nothing of one other node, which hears it."""
    node = some_node(world, random)
    other = random.choice([other for other in world.running() if other is not node])
    with world.impairing(other, "cut"), dropping(world, node, come_from=[other.host]):
        yield f"{other.name} to {node.name}"


@contextlib.contextmanager
def delay(world, random):
    """Of what others send to one node, and of its answers; it reaches them at once. Less than peer_timeout in all."""
    seconds = random.choice((0.02, 0.1, 0.3))
    world.relay.tell(f"delay {seconds}")
    yield f"{seconds} s to {RELAYED} and back"
    world.relay.tell("delay 0")


@contextlib.contextmanager
def half_open(world, random):
    """Connections that others have to one node lead nowhere any more, of which they are not told; new ones work."""
    with world.impairing(world.nodes[RELAYED], "cut"):
        world.relay.tell("half-open")
        yield f"to {RELAYED}"


@contextlib.contextmanager
def lose_packets(world, random):
    node = some_node(world, random)
    percent = random.choice((5, 15, 30))
    with dropping(world, node, come_from=[*others_of(world, node), world.net.ETCD], percent=percent):
        yield f"{percent} % at {node.name}"


# ------------------------------------------------------------------------------------------------ etcd, origin, clocks

@contextlib.contextmanager
def restart_etcd(world, random):
    world.etcd.kill()
    yield "etcd"
    world.etcd.start()


@contextlib.contextmanager
def etcd_away(world, random):
    """For longer than the leases last: nodes act on what the others say, and register again afterwards."""
    nodes = world.running()
    with world.without_etcd():
        before = max(world.epoch(node) for node in nodes)
        world.etcd.pause()
        try:
            yield "etcd"
        finally:
            world.etcd.resume()
        wait_until(lambda: all(world.epoch(node) > before for node in nodes), "all have another list")


@contextlib.contextmanager
def origin_away(world, random):
    """The origin hangs, or answers with errors."""
    rule = random.choice(({"status": 503}, {"delay": 1000}, {"hang": True}))
    world.origin.behave(**{"": rule})
    yield str(rule)
    world.origin.behave()


@contextlib.contextmanager
def jump_clock(world, random):
    node = some_node(world, random)
    seconds = random.choice((-3600, -10, 10, 3600))
    node.jump(seconds)
    yield f"{seconds:+} s at {node.name}"
    told = parsedate_to_datetime(node.ask("GET", "/health").headers["Date"]).timestamp()
    if abs(told - time.time() - seconds) > 3:  # it counts in seconds, and asks for the time once a second
        raise AssertionError(f"the clock of {node.name} is off by {told - time.time():.0f} s, wanted {seconds:+} s")
    node.jump(0)
