"""Allocations that fail, of the module and of jansson: something is tried again, nothing is lost."""

from world import PREFIX, World, main, wait_until

MEMBERS = f"{PREFIX}/members/"
QUICK = {"retry_max": "20ms", "start_timeout": "90s", "lease_ttl": "2s"}


class Memory(World):
    def try_each(self, etcd, name):
        host = self.host(etcd, name, QUICK, each=1)
        tried = host.wait_for("tried")
        self.assertEqual(tried["reason"], "", "the only reason there may be is that memory is short")
        self.assertGreater(tried["allocations"], 100)
        self.assertGreater(tried["refused"], 10)
        host.wait_for("ended")
        self.assertEqual([lease for lease in etcd.ctl("lease", "list").splitlines()[1:] if "remaining" in lease], [])

    def test_each_allocation_of_a_member_fails_once(self):
        etcd = self.etcd()
        self.try_each(etcd, "a")
        self.assertEqual(list(etcd.kvs(MEMBERS)), [])

    def test_each_allocation_of_a_gateway_fails_once(self):
        etcd = self.etcd()
        etcd.put(f"{PREFIX}/settings", "hash=test")
        etcd.put(MEMBERS + "a", '{"addresses": {"http": "x:1"}}')
        etcd.put(MEMBERS + "garbage", "x")
        self.try_each(etcd, None)

    def test_many_allocations_fail_while_members_come_and_go(self):
        etcd = self.etcd()
        etcd.put(f"{PREFIX}/settings", "hash=test")
        for every in (20, 7, 4):
            hosts = {name: self.started_somehow(etcd, name, every) for name in ("a", "b", None)}
            for i in range(20):
                etcd.transaction(("put", f"{MEMBERS}m{i}", '{"addresses": {}}'), ("del", f"{MEMBERS}m{i - 3}"))
            for host in hosts.values():
                host.tell("enough")
                self.assertGreater(host.wait(lambda event: event["event"] == "enough", "enough")["failures"], 0)
            last = etcd.transaction(*[("del", f"{MEMBERS}m{i}") for i in range(20)],
                                    ("put", MEMBERS + "z", '{"addresses": {}}'))
            for host in hosts.values():
                wait_until(lambda: host.names() == ["a", "b", "z"] and host.last()["epoch"] >= last, "the truth")
            for host in hosts.values():
                host.close()
            etcd.delete(MEMBERS, prefix=True)

    def started_somehow(self, etcd, name, every):
        """A host of which each allocation of that number fails, once it is open."""
        return self.started(etcd, name, {**QUICK, "check_interval": "100ms", "start_timeout": "0"}, every=every)


if __name__ == "__main__":
    main()
