"""What is reported: full lists, each change once, in order, and the same under one epoch at every node."""

import json
import random

from world import PREFIX, World, main, wait_until

MEMBERS = f"{PREFIX}/members/"
PAUSE = {"check_interval": "1h"}  # no help for the watch


def value(port=1, **fields):
    return json.dumps({"addresses": {"http": f"10.0.0.1:{port}"}, **fields})


class Epochs(World):
    def test_the_epoch_is_the_revision_of_the_last_change_of_the_members(self):
        etcd = self.etcd()
        etcd.put("/another/application", "x")
        host = self.started(etcd, "a", PAUSE)
        self.assertEqual(host.last()["epoch"], etcd.revision())
        for i in range(10):
            etcd.put("/another/application", str(i))
            etcd.put(f"{PREFIX}/something", str(i))
        revision = etcd.transaction(("put", MEMBERS + "b", value()))
        host.wait_names("a", "b")
        self.assertEqual(host.last()["epoch"], revision)
        self.assertEqual(host.member("b")["incarnation"], revision)
        changed = etcd.transaction(("put", MEMBERS + "b", value(2)))
        wait_until(lambda: host.last()["epoch"] == changed, "an address has changed")
        self.assertEqual(host.member("b"), {"name": "b", "weight": 1, "zone": "", "leaving": False,
                                            "incarnation": revision, "addresses": {"http": "10.0.0.1:2"}})
        etcd.put("/another/application", "y")
        deleted = etcd.transaction(("del", MEMBERS + "b"))
        host.wait_names("a")
        self.assertEqual(host.last()["epoch"], deleted, "fault 7: a deletion carries no value")
        self.assertEqual(len(host.lists()), 4)

    def test_changes_at_one_revision_are_one_change(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", PAUSE)
        joined = etcd.transaction(*[("put", f"{MEMBERS}b{i}", value(i)) for i in range(20)])
        host.wait_names("a", *[f"b{i}" for i in range(20)])
        changed = etcd.transaction(("put", MEMBERS + "c", value()), *[("del", f"{MEMBERS}b{i}") for i in range(20)])
        host.wait_names("a", "c")
        self.assertEqual([each["epoch"] for each in host.lists()[1:]], [joined, changed])

    def test_lists_of_one_epoch_are_the_same_at_all_nodes(self):
        """Members that come and go, nodes that come and go, connections that break: who names an epoch means one list."""
        etcd = self.etcd()
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        proxy = self.proxy(etcd)
        hosts = [self.started(etcd, "a"), self.started(proxy, "b"), self.started(proxy), self.started(etcd)]
        there = set()
        for step in range(60):
            name = f"m{chance.randrange(8)}"
            if name in there:
                etcd.transaction(("del", MEMBERS + name))
            else:
                etcd.transaction(("put", MEMBERS + name, value(step)))
            there ^= {name}
            if step % 10 == 3:
                proxy.cut()
            if step % 20 == 7:
                hosts.append(self.started(etcd))
            if step % 20 == 13:
                hosts.append(self.started(proxy, f"n{step}"))
                there.add(f"n{step}")
        members = sorted({"a", "b"} | there)
        for host in hosts:
            wait_until(lambda: host.names() == members, f"{host.name} has the last list, seed {seed}")
        kept = etcd.kvs(MEMBERS)
        said = {}
        for host in hosts:
            epochs = [each["epoch"] for each in host.lists()]
            self.assertEqual(epochs, sorted(set(epochs)), f"each once, in order; seed {seed}")
            for each in host.lists():
                self.assertEqual(said.setdefault(each["epoch"], each["members"]), each["members"], f"seed {seed}")
        self.assertEqual(len({host.last()["epoch"] for host in hosts}), 1, f"seed {seed}")
        self.assertGreaterEqual(hosts[0].last()["epoch"], max(each["modified"] for each in kept.values()))

    def test_two_nodes_that_flap(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", PAUSE)
        for turn in range(100):
            last = etcd.transaction(*[("put", MEMBERS + "x", value(turn)), ("del", MEMBERS + "y")][::1 if turn % 2 else -1])
            last = etcd.transaction(("del", MEMBERS + "x"), ("put", MEMBERS + "y", value(turn)))
        wait_until(lambda: host.last()["epoch"] == last, "the last list has come")
        self.assertEqual(host.names(), ["a", "y"])
        epochs = [each["epoch"] for each in host.lists()]
        self.assertEqual(epochs, sorted(set(epochs)))
        for each in host.lists()[1:]:
            self.assertIn(len(each["members"]), (2, 3))


class Gateway(World):
    def test_a_gateway_only_watches(self):
        etcd = self.etcd()
        self.started(etcd, "a")
        before, revision = etcd.kvs(PREFIX), etcd.revision()
        gateway = self.started(etcd)
        self.assertEqual(gateway.names(), ["a"])
        self.assertEqual(gateway.last()["epoch"], before[MEMBERS + "a"]["modified"])
        joined = etcd.transaction(("put", MEMBERS + "b", value()))
        gateway.wait_names("a", "b")
        self.assertEqual(gateway.last()["epoch"], joined)
        etcd.transaction(("del", MEMBERS + "b"))
        gateway.wait_names("a")
        self.assertEqual((etcd.kvs(PREFIX), etcd.revision()), (before, revision + 2), "it wrote nothing")
        self.assertEqual(gateway.all("lease") + gateway.all("founded"), [])
        gateway.tell("leave")
        self.assertEqual(gateway.wait_for("left")["status"], "OK")

    def test_a_gateway_that_comes_after_a_deletion_learns_when_it_was(self):
        etcd = self.etcd()
        host = self.started(etcd, "a")
        etcd.transaction(("put", MEMBERS + "b", value()))
        deleted = etcd.transaction(("del", MEMBERS + "b"))
        host.wait_names("a")
        gateway = self.started(etcd)
        wait_until(lambda: gateway.last()["epoch"] == deleted, "the epoch is the members'")
        self.assertEqual(gateway.names(), ["a"])
        self.assertEqual(host.last()["epoch"], deleted)

    def test_a_gateway_that_is_first_waits_for_the_cluster(self):
        etcd = self.etcd()
        gateway = self.started(etcd, parameters={"start_timeout": "100ms"})
        gateway.wait_log(f"no cluster has formed under {PREFIX} yet")
        gateway.wait_log("no list of members after 100 ms")
        self.assertEqual(gateway.lists(), [])
        self.assertEqual(etcd.kvs(PREFIX), {})
        self.started(etcd, "a")
        gateway.wait_names("a")


class Garbage(World):
    BAD = {
        "text": "hello", "empty": "", "number": "17", "list": "[]", "null": "null", "no-addresses": "{}",
        "addresses": '{"addresses": []}', "address": '{"addresses": {"http": 1}}', "blank": '{"addresses": {"http": "a b"}}',
        "weight": value(weight=0), "heavy": value(weight=101), "words": value(weight="1"), "zone": value(zone=[1]),
        "leaving": value(leaving="yes"), "long": value(zone="z" * 300), "deep": "[" * 100000, "cut": value()[:-1],
        "many": json.dumps({"addresses": {f"t{i}": "x" for i in range(17)}}), "latin": '{"addresses": {"http": "\\u0000"}}',
    }

    def test_garbage_under_the_prefix_is_logged_and_passed_over(self):
        etcd = self.etcd()
        host, gateway = self.started(etcd, "a", PAUSE), self.started(etcd, None, PAUSE)
        before = host.last()["epoch"]
        for name, text in self.BAD.items():
            etcd.transaction(("put", MEMBERS + name, text))
        etcd.transaction(("put", MEMBERS, value()), ("put", MEMBERS + "x/y", value()), ("put", MEMBERS + "ä", value()),
                         ("put", MEMBERS + "a\0b", value()), ("put", MEMBERS + "n" * 65, value()),
                         ("put", MEMBERS + "x" * 5000, value()))
        etcd.put(f"{PREFIX}/members", value())
        etcd.put(f"{PREFIX}/members0", value())
        last = etcd.transaction(("put", MEMBERS + "b", value()))
        late = self.started(etcd)
        for each in (host, gateway, late):
            each.wait_names("a", "b")
            self.assertEqual(each.last()["epoch"], last)
            for name in [*self.BAD, "x/y", "n" * 65]:
                each.wait_log(f"{MEMBERS}{name} is passed over, it is no registration")
        self.assertEqual([each["epoch"] for each in host.lists()], [before, last], "garbage changes nothing")
        self.assertLess(max(len(line) for line in host.lines()), 400)
        for name in self.BAD:
            etcd.transaction(("del", MEMBERS + name))
        last = etcd.transaction(("del", MEMBERS + "b"))
        for each in (host, gateway, late):
            each.wait_names("a")
            self.assertEqual(each.last()["epoch"], last)

    def test_garbage_is_no_change_for_the_check_either(self):
        etcd = self.etcd()
        for i in range(50):
            etcd.transaction(("put", f"{MEMBERS}bad{i}", "x"))
        host = self.started(etcd, "a", {"check_interval": "100ms"})
        for i in range(25):
            etcd.transaction(("del", f"{MEMBERS}bad{i}"))
        etcd.transaction(("put", MEMBERS + "b", value()))
        host.wait_names("a", "b")
        self.assertEqual(len(host.lists()), 2)

    def test_what_becomes_garbage_is_no_member_any_more(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", PAUSE)
        etcd.transaction(("put", MEMBERS + "b", value()))
        host.wait_names("a", "b")
        spoilt = etcd.transaction(("put", MEMBERS + "b", "x"))
        host.wait_names("a")
        self.assertEqual(host.last()["epoch"], spoilt)
        mended = etcd.transaction(("put", MEMBERS + "b", value()))
        host.wait_names("a", "b")
        self.assertEqual(host.last()["epoch"], mended)


class Gone(World):
    def test_an_empty_list_is_never_reported(self):
        etcd = self.etcd()
        etcd.put(f"{PREFIX}/settings", "hash=test")
        etcd.transaction(("put", MEMBERS + "b", value()))
        gateway = self.started(etcd, None, PAUSE)
        etcd.delete(MEMBERS, prefix=True)
        gateway.wait_log(f"nobody is registered under {MEMBERS}; the members stay as they are known")
        last = etcd.transaction(("put", MEMBERS + "c", value()))
        gateway.wait_names("c")
        self.assertEqual(gateway.last()["epoch"], last)
        self.assertEqual([len(each["members"]) for each in gateway.lists()], [1, 1])

    def test_members_whose_keys_are_deleted_register_again(self):
        etcd = self.etcd()
        hosts = [self.started(etcd, name, {"lease_ttl": "10m"}) for name in "abc"]
        for host in hosts:
            host.wait_names("a", "b", "c")
        before = {name: hosts[0].member(name)["incarnation"] for name in "abc"}
        etcd.delete(MEMBERS, prefix=True)
        for host, name in zip(hosts, "abc"):
            host.wait_log(f"{MEMBERS}{name} was deleted, this node registers again")
            host.wait_for("lease", held=False)
            wait_until(lambda: host.names() == ["a", "b", "c"] and
                       all(host.member(each)["incarnation"] > before[each] for each in "abc"), "all are back")
            self.assertTrue(host.all("lease")[-1]["held"])
            self.assertNotIn([], [each["members"] for each in host.lists()])

    def test_a_registration_that_is_overwritten_is_written_again(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", {"lease_ttl": "10m"})
        kept = etcd.kvs(MEMBERS)[MEMBERS + "a"]
        etcd.put(MEMBERS + "a", "garbage")
        host.wait_log(f"{MEMBERS}a was overwritten, this node writes it again")
        wait_until(lambda: etcd.kvs(MEMBERS)[MEMBERS + "a"]["value"] == kept["value"], "it is as it was")
        self.assertEqual(etcd.kvs(MEMBERS)[MEMBERS + "a"]["lease"], kept["lease"])
        wait_until(lambda: host.last()["epoch"] == etcd.kvs(MEMBERS)[MEMBERS + "a"]["modified"], "it is reported")
        self.assertEqual(host.member("a")["incarnation"], kept["created"], "it was never gone")

    def test_a_thousand_members(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", {"lease_ttl": "5s"})
        for i in range(0, 1000, 100):
            last = etcd.transaction(*[("put", f"{MEMBERS}m{j:03}", value(j + 1, zone="z")) for j in range(i, i + 100)])
        gateway = self.started(etcd)
        for each in (host, gateway):
            wait_until(lambda: each.last()["epoch"] == last, f"{each.name} has them all")
            self.assertEqual(len(each.last()["members"]), 1001 if each is host else 1001)
            self.assertEqual(each.member("m999")["addresses"], {"http": "10.0.0.1:1000"})
        for i in range(0, 1000, 100):
            last = etcd.transaction(*[("del", f"{MEMBERS}m{j:03}") for j in range(i, i + 100)])
        for each in (host, gateway):
            wait_until(lambda: each.last()["epoch"] == last and each.names() == ["a"], "they are gone")
        self.assertTrue(all(lease["held"] for lease in host.all("lease")))


if __name__ == "__main__":
    main()
