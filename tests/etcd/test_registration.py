"""How a node becomes a member, stays one, and goes."""

import json
import signal

from world import PREFIX, World, main, wait_until

MEMBERS = f"{PREFIX}/members/"


def value(**fields):
    return json.dumps({"addresses": {"http": "10.0.0.9:8001"}, "weight": 1, "boot": "elsewhere", **fields})


class Registering(World):
    def test_a_registration_is_a_value_under_a_lease(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", weight=3, zone="north",
                            addresses=("http:10.0.0.1:8001", "grpc:10.0.0.1:9001"))
        kept = etcd.kvs(MEMBERS)[MEMBERS + "a"]
        told = json.loads(kept["value"])
        self.assertEqual(told["addresses"], {"http": "10.0.0.1:8001", "grpc": "10.0.0.1:9001"})
        self.assertEqual((told["weight"], told["zone"], told["leaving"]), (3, "north", False))
        self.assertEqual(len(told["boot"]), 32)
        self.assertNotEqual(kept["lease"], 0)
        self.assertEqual(host.last()["epoch"], kept["modified"])
        self.assertEqual(host.member("a"), {"name": "a", "weight": 3, "zone": "north", "leaving": False,
                                            "incarnation": kept["created"], "addresses": told["addresses"]})

    def test_the_lease_is_kept_alive_and_told_from_the_sending_with_a_margin(self):
        host = self.started(self.etcd(), "a", {"lease_ttl": "3s"})
        wait_until(lambda: len(host.all("lease")) >= 6, "the lease is renewed")
        leases = host.all("lease")
        for lease in leases:
            self.assertTrue(lease["held"])
            self.assertLessEqual(lease["left"], 3 * 0.99)
        ends = [lease["at"] + lease["left"] for lease in leases]
        self.assertEqual(ends, sorted(ends))
        self.assertGreater(ends[-1] - ends[0], 3, "it was renewed for longer than it lasts")
        self.assertEqual(len(host.lists()), 1, "which changes nothing")

    def test_what_etcd_grants_counts_not_what_was_asked(self):
        host = self.started(self.etcd(), "a", {"lease_ttl": "1s"})
        host.wait_log("lease of 2 s")
        self.assertGreater(host.all("lease")[0]["left"], 1)

    def test_only_the_first_member_founds_the_cluster(self):
        etcd = self.etcd()
        first = self.started(etcd, "a")
        second = self.started(etcd, "b")
        self.assertEqual((len(first.all("founded")), len(second.all("founded"))), (1, 0))
        events = [event["event"] for event in first.events if event["event"] != "log"]
        self.assertLess(events.index("founded"), events.index("members"))
        first.close()
        second.close()
        again = self.started(etcd, "a")
        self.assertEqual(len(again.all("founded")), 0, "all were gone, but the cluster was there before")
        formed = etcd.kvs(f"{PREFIX}/formed")[f"{PREFIX}/formed"]
        self.assertEqual(formed["created"], first.lists()[0]["epoch"], "in the transaction of the registration")

    def test_close_gives_the_registration_back(self):
        etcd = self.etcd()
        other, host = self.started(etcd, "a", {"lease_ttl": "60s"}), self.started(etcd, "b", {"lease_ttl": "60s"})
        host.close()
        self.assertNotIn(MEMBERS + "b", etcd.kvs(MEMBERS))
        other.wait_names("a")
        self.assertEqual(len(etcd.ctl("lease", "list").splitlines()), 2, "a heading, and the lease of the other")

    def test_leave_is_told_and_changes_no_incarnation(self):
        etcd = self.etcd()
        other, host = self.started(etcd, "a"), self.started(etcd, "b")
        before = host.member("b")
        host.tell("leave")
        for each in (host, other):
            wait_until(lambda: each.names() == ["a", "b"] and each.member("b")["leaving"], "it is told to all")
            self.assertEqual(each.member("b"), {**before, "leaving": True})
            self.assertFalse(each.member("a")["leaving"])
            self.assertEqual(each.last()["epoch"], etcd.kvs(MEMBERS)[MEMBERS + "b"]["modified"])

    def test_who_leaves_before_he_is_registered_says_so_when_he_is(self):
        etcd = self.etcd()
        etcd.kill()
        host = self.started(etcd, "a", {"start_timeout": "0"})
        host.tell("leave")
        host.wait_for("left")
        etcd.start()
        host.wait_names("a")
        self.assertTrue(host.member("a")["leaving"])


class Names(World):
    """Who else has the name?"""

    def test_a_second_live_node_is_refused(self):
        etcd = self.etcd()
        first = self.started(etcd, "a", {"lease_ttl": "3s"}, addresses=("http:10.0.0.1:8001",))
        reason = self.host(etcd, "a", {"lease_ttl": "3s"}).refused()
        self.assertIn(f"another node runs under the name a: {MEMBERS}a is kept alive by it (http 10.0.0.1:8001)", reason)
        self.assertEqual(first.lists()[-1]["epoch"], first.lists()[0]["epoch"], "which the first one did not notice")
        self.assertEqual(len(first.lists()), 1)

    def test_a_name_that_is_taken_after_the_start_is_told_and_waited_for(self):
        etcd = self.etcd()
        first = self.started(etcd, "a")
        second = self.started(etcd, "a", {"start_timeout": "0", "retry_max": "200ms"})
        second.wait_log("another node runs under the name a")
        self.assertEqual(second.lists(), [], "it is no member")
        first.close()
        second.wait_names("a")

    def test_a_process_that_was_killed_is_taken_over_at_once(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", {"lease_ttl": "10m"})
        before = host.member("a")["incarnation"]
        host.process.send_signal(signal.SIGKILL)
        host.process.wait()
        again = self.started(etcd, "a", {"lease_ttl": "10m"})
        again.wait_log("takes over")
        self.assertGreater(again.member("a")["incarnation"], before)
        self.assertEqual(len(etcd.ctl("lease", "list").splitlines()), 2, "the former lease was given back")

    def test_the_registration_of_another_machine_is_waited_for(self):
        etcd = self.etcd()
        lease = etcd.grant(5)
        etcd.put(MEMBERS + "a", value(process={"machine": "other", "namespace": "x", "id": 1, "started": 1}), lease)
        host = self.host(etcd, "a", {"start_timeout": "60s"})
        host.wait_log(f"{MEMBERS}a is registered already (http 10.0.0.9:8001): this node waits up to")
        self.assertEqual(host.lists(), [])
        host.started()
        self.assertNotEqual(etcd.kvs(MEMBERS)[MEMBERS + "a"]["lease"], lease)
        host.wait_names("a")

    def test_a_key_without_a_lease_is_refused(self):
        etcd = self.etcd()
        etcd.put(MEMBERS + "a", value())
        self.assertIn(f"{MEMBERS}a is there and has no lease", self.host(etcd, "a").refused())

    def test_a_lost_answer_to_a_registration_costs_nothing(self):
        etcd = self.etcd()
        proxy = self.proxy(etcd)
        proxy.lose_answer(b"request_txn")
        host = self.started(proxy, "a", {"lease_ttl": "10m"})
        self.assertIsNone(proxy.lose, "the answer was lost")
        self.assertEqual(len(host.all("founded")), 1, "it was this node all the same")
        kept = etcd.kvs(MEMBERS)[MEMBERS + "a"]
        self.assertEqual(host.member("a")["incarnation"], kept["created"])
        self.assertEqual(len(etcd.ctl("lease", "list").splitlines()), 2)


class Settings(World):
    def test_who_has_other_settings_does_not_start(self):
        etcd = self.etcd()
        self.started(etcd, "a", settings="hash=xxhash seed=1")
        reason = self.host(etcd, "b", settings="hash=crc32 seed=1").refused()
        self.assertIn('got "hash=crc32 seed=1", wanted "hash=xxhash seed=1"', reason)
        self.started(etcd, "c", settings="hash=xxhash seed=1")
        reason = self.host(etcd, settings="hash=xxhash seed=2").refused()
        self.assertIn('got "hash=xxhash seed=2", wanted "hash=xxhash seed=1"', reason, "gateways neither")

    def test_they_stay_when_all_members_are_gone(self):
        etcd = self.etcd()
        self.started(etcd, "a", settings="one").close()
        self.assertIn('got "two", wanted "one"', self.host(etcd, "a", settings="two").refused())
        etcd.delete(f"{PREFIX}/settings")
        self.started(etcd, "a", settings="two")

    def test_nobody_registers_under_other_settings_even_later(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", {"retry_max": "100ms"}, settings="one")
        etcd.put(f"{PREFIX}/settings", "two")
        etcd.delete(MEMBERS + "a")
        host.wait_log('got "one", wanted "two"')
        self.assertEqual(etcd.kvs(MEMBERS), {})
        etcd.delete(f"{PREFIX}/settings")
        wait_until(lambda: MEMBERS + "a" in etcd.kvs(MEMBERS), "it registers once they fit again")
        self.assertEqual(etcd.kvs(f"{PREFIX}/settings")[f"{PREFIX}/settings"]["value"], "one")


class Addresses(World):
    def test_what_is_announced_can_differ_from_where_a_node_listens(self):
        host = self.started(self.etcd(), "a", {"advertise": {"http": "cache-a.example:80"}},
                            addresses=("http:0.0.0.0:8001", "grpc:10.0.0.1:9001"))
        self.assertEqual(host.member("a")["addresses"], {"http": "cache-a.example:80", "grpc": "10.0.0.1:9001"})

    def test_fault_4_an_address_that_nobody_else_can_reach_is_not_announced(self):
        etcd = self.etcd()
        for address in ("0.0.0.0:8001", "[::]:8001", ":8001"):
            reason = self.host(etcd, "a", addresses=(f"http:{address}",)).refused()
            self.assertIn(f"cluster.discovery.advertise: got no http, wanted the address at which others reach this node, "
                          f"which listens on {address}", reason)
        self.assertEqual(etcd.kvs(PREFIX), {})

    def test_an_address_of_no_transport_is_a_mistake(self):
        reason = self.host(self.etcd(), "a", {"advertise": {"htpt": "x:1"}}).refused()
        self.assertIn('cluster.discovery.advertise: got "htpt", which is no transport of this node', reason)


if __name__ == "__main__":
    main()
