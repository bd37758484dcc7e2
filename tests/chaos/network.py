"""Network namespaces for the nodes, in a world of their own that is gone when its first process ends."""

import os
import shutil
import subprocess
import sys

INSIDE = "CHAOS_NAMESPACES"  # set for the process that runs inside
SUBNET = "10.77.0"
TABLE = "inet chaos"


def enter():
    """Starts this program again where it may make namespaces; goes on here if that is not allowed."""
    if os.environ.get(INSIDE):
        return
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    missing = [tool for tool in ("unshare", "ip", "nft") if shutil.which(tool) is None]
    probe = "ip link add name probe type bridge && mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip netns add n && " \
            "ip netns exec n nft add table " + TABLE
    if not missing and subprocess.run([*alone, "sh", "-c", probe], capture_output=True, check=False).returncode == 0:
        command = [*alone, sys.executable, "-B", *sys.argv]
        os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})
    why = "not installed: " + ", ".join(missing) if missing else "not allowed here"
    print(f"chaos: no network namespaces ({why}): all on loopback, and without partitions and losses", flush=True)


def run(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stderr.strip()}")


class Namespaces:
    """A bridge, and a namespace for each node. Clients are on the bridge's first address, etcd and the origin on others."""

    CLIENTS, ETCD, ORIGIN = (f"{SUBNET}.{i}" for i in (1, 2, 3))
    may_cut = True

    def __init__(self):
        run("mount", "-t", "tmpfs", "none", "/run/netns")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "name", "hub", "type", "bridge")
        for address in (self.CLIENTS, self.ETCD, self.ORIGIN):
            run("ip", "address", "add", f"{address}/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        self.addresses = {}

    def add(self, name):
        """A namespace for a node; its address."""
        address = self.addresses[name] = f"{SUBNET}.{10 + len(self.addresses)}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", "name", f"to-{name}", "type", "veth", "peer", "name", "eth", "netns", name)
        run("ip", "link", "set", f"to-{name}", "master", "hub", "up")
        inside = ("ip", "-n", name)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{address}/24", "dev", "eth")
        run(*inside, "link", "set", "eth", "up")
        return address

    def under(self, name):
        """A command that runs another in a node's namespace."""
        return ["ip", "netns", "exec", name]

    def drop(self, name, come_from=(), go_to=(), percent=100):
        """Loses so many of the packets that come to a node from some addresses, and of those that go to others."""
        rules = [f"add table {TABLE}"]
        chance = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        for chain, side, addresses in (("input", "saddr", come_from), ("output", "daddr", go_to)):
            rules.append(f"add chain {TABLE} {chain} {{ type filter hook {chain} priority 0; }}")
            if addresses:
                rules.append(f"add rule {TABLE} {chain} ip {side} {{ {', '.join(addresses)} }} {chance}drop")
        run(*self.under(name), "nft", "-f", "-", text="\n".join(rules) + "\n")

    def mend(self, name):
        run(*self.under(name), "nft", "delete", "table", *TABLE.split())


class Loopback:
    """What there is without namespaces: nothing can be cut."""

    CLIENTS = ETCD = ORIGIN = "127.0.0.1"
    may_cut = False

    def add(self, name):
        return "127.0.0.1"

    def under(self, name):
        return []


def may_cut():
    return bool(os.environ.get(INSIDE))


def made():
    return Namespaces() if may_cut() else Loopback()
