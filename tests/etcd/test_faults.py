"""etcd that is away, late, gone back in time; connections that break or hang; leases that are lost."""

import os
import shutil
import signal
import socket
import time

from world import PATIENCE, PREFIX, World, free_port, main, wait_until

MEMBERS = f"{PREFIX}/members/"
QUICK = {"retry_max": "200ms", "request_timeout": "1s", "dial_timeout": "500ms"}


def now():
    """On the clock of leases."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Away(World):
    def test_fault_9_a_restart_of_etcd_costs_no_membership(self):
        etcd = self.etcd()
        hosts = [self.started(etcd, name, {**QUICK, "lease_ttl": "10s"}) for name in "ab"]
        for host in hosts:
            host.wait_names("a", "b")
        before = hosts[0].last()
        etcd.kill()
        for host in hosts:
            host.wait_log("no endpoint answers, the members stay as they are known")
        etcd.start()
        for host in hosts:
            host.wait_log(f"{etcd.endpoint} answers")
        joined = etcd.transaction(("put", MEMBERS + "c", '{"addresses": {}}'))
        for host in hosts:
            host.wait_names("a", "b", "c")
            self.assertEqual(host.last()["epoch"], joined)
            self.assertEqual(host.lists()[-2], before)
            self.assertTrue(all(lease["held"] for lease in host.all("lease")))

    def test_fault_9_etcd_that_stands_for_longer_than_the_lease(self):
        etcd = self.etcd()
        hosts = [self.started(etcd, name, QUICK) for name in "ab"]
        for host in hosts:
            host.wait_names("a", "b")
        before = {name: hosts[0].member(name)["incarnation"] for name in "ab"}
        etcd.pause()
        for host in hosts:
            host.wait_log("no endpoint answers, the members stay as they are known")
            last = host.all("lease")[-1]
        wait_until(lambda: now() > last["at"] + last["left"] + 2, "the leases have run out")
        etcd.resume()
        for host in hosts:
            host.wait_log("the lease of this node is lost")
            host.wait_for("lease", held=False)
            wait_until(lambda: host.names() == ["a", "b"] and
                       all(host.member(name)["incarnation"] > before[name] for name in "ab"), "both are back, anew")
            self.assertTrue(host.all("lease")[-1]["held"])

    def test_fault_9_etcd_that_is_down_for_longer_than_the_lease(self):
        """A server that was restarted gives every lease its whole time again: nobody is lost, whatever the clock says."""
        etcd = self.etcd()
        host = self.started(etcd, "a", QUICK)
        before = host.last()
        etcd.kill()
        last = host.all("lease")[-1]
        wait_until(lambda: now() > last["at"] + last["left"] + 1, "the lease has run out")
        etcd.start()
        wait_until(lambda: host.all("lease")[-1]["at"] > last["at"] and host.all("lease")[-1]["held"], "a member again")
        self.assertEqual(host.names(), ["a"])
        self.assertEqual(etcd.kvs(MEMBERS)[MEMBERS + "a"]["created"], host.member("a")["incarnation"])
        self.assertGreaterEqual(host.last()["epoch"], before["epoch"])

    def test_fault_8_a_start_without_etcd_goes_on_trying(self):
        etcd = self.etcd()
        etcd.kill()
        host = self.started(etcd, "a", {**QUICK, "start_timeout": "300ms"})
        self.assertGreaterEqual(host.all("started")[0]["took"], 0.3)
        host.wait_log("no list of members after 300 ms: this node goes on trying, and is not ready until then")
        host.wait_log("no endpoint answers; last " + etcd.endpoint)
        self.assertEqual(host.lists() + host.all("lease"), [])
        etcd.start()
        host.wait_names("a")
        self.assertLess(len([line for line in host.lines() if "no endpoint answers" in line]), 3, "it does not chatter")

    def test_a_close_without_etcd_does_not_hang(self):
        etcd = self.etcd()
        for hang in (etcd.kill, etcd.pause):
            if not etcd.running():
                etcd.start()
            host = self.started(etcd, "a", {**QUICK, "lease_ttl": "3s"})
            hang()
            self.assertLess(host.close(), 30)
            host.wait_log("the registration of this node stays for up to 3 s")

    def test_a_host_that_stood_for_longer_than_its_lease(self):
        etcd = self.etcd()
        other, host = self.started(etcd, "a"), self.started(etcd, "b")
        other.wait_names("a", "b")
        before = host.member("b")["incarnation"]
        host.process.send_signal(signal.SIGSTOP)
        other.wait_names("a")
        host.process.send_signal(signal.SIGCONT)
        host.wait_for("lease", held=False)
        for each in (host, other):
            wait_until(lambda: each.names() == ["a", "b"] and each.member("b")["incarnation"] > before, "it is back")

    def test_a_lease_that_an_operator_revokes(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", {"lease_ttl": "3s"})
        lease = etcd.kvs(MEMBERS)[MEMBERS + "a"]["lease"]
        etcd.ctl("lease", "revoke", f"{lease:x}")
        host.wait_for("lease", held=False)
        wait_until(lambda: MEMBERS + "a" in etcd.kvs(MEMBERS) and
                   host.member("a")["incarnation"] == etcd.kvs(MEMBERS)[MEMBERS + "a"]["created"], "it registers again")
        self.assertTrue(host.all("lease")[-1]["held"])
        self.assertNotEqual(etcd.kvs(MEMBERS)[MEMBERS + "a"]["lease"], lease)


class Endpoints(World):
    def test_an_endpoint_that_is_dead_is_passed_over(self):
        etcd = self.etcd()
        dead = f"http://127.0.0.1:{free_port()}"
        host = self.started([dead, etcd], "a", QUICK)
        host.wait_log(f"{dead} failed, the next endpoint is {etcd.endpoint}")
        host.wait_log(f"{etcd.endpoint} answers")

    def test_an_endpoint_that_hangs_is_passed_over(self):
        etcd = self.etcd()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
            host = self.started([hanging, etcd], "a", QUICK)
            host.wait_log(f"{hanging} failed")
            self.assertEqual(host.names(), ["a"])

    def test_an_endpoint_that_is_no_etcd_is_passed_over(self):
        etcd, origin = self.etcd(), self.origin()
        self.started([f"http://127.0.0.1:{origin.port}", etcd], "a", QUICK).wait_log("HTTP status")

    def test_the_member_in_use_dies(self):
        etcds = self.etcds()
        hosts = [self.started(etcds, "a", {**QUICK, "lease_ttl": "10s"}), self.started(etcds, None, QUICK)]
        joined = 0
        for down in (etcds[0], etcds[1]):
            down.kill()
            rest = next(each for each in etcds if each.running())
            wait_until(rest.is_up, "the rest goes on")
            joined += 1
            rest.ctl("put", f"{MEMBERS}b{joined}", '{"addresses": {}}')
            for host in hosts:
                host.wait_names("a", *[f"b{i + 1}" for i in range(joined)])
            down.start()
        self.assertTrue(all(lease["held"] for lease in hosts[0].all("lease")))
        epochs = [each["epoch"] for each in hosts[0].lists()]
        self.assertEqual(epochs, sorted(set(epochs)))

    def test_the_member_in_use_hangs(self):
        etcds = self.etcds()
        host = self.started(etcds, "a", {**QUICK, "lease_ttl": "6s"})
        gateway = self.started(etcds, None, {**QUICK, "check_interval": "500ms"})
        etcds[0].pause()
        host.wait_log(f"{etcds[0].endpoint} failed")
        gateway.wait_log(f"{etcds[0].endpoint} failed")
        wait_until(etcds[1].is_up, "the rest goes on")
        etcds[1].ctl("put", MEMBERS + "b", '{"addresses": {}}')
        host.wait_names("a", "b")
        gateway.wait_names("a", "b")
        etcds[0].resume()


class Connections(World):
    def test_a_connection_that_breaks(self):
        etcd = self.etcd()
        proxy = self.proxy(etcd)
        host = self.started(proxy, "a", {**QUICK, "check_interval": "1h", "lease_ttl": "20s"})
        for i in range(5):
            proxy.cut()
            last = etcd.transaction(("put", f"{MEMBERS}b{i}", '{"addresses": {}}'))
            host.wait_names("a", *[f"b{j}" for j in range(i + 1)])
            self.assertEqual(host.last()["epoch"], last)
        self.assertEqual(len(host.lists()), 6)

    def test_what_happened_meanwhile_is_told_with_its_revision(self):
        etcd = self.etcd()
        proxy = self.proxy(etcd)
        host = self.started(proxy, "a", {**QUICK, "lease_ttl": "60s"})
        etcd.transaction(("put", MEMBERS + "b", '{"addresses": {}}'))
        host.wait_names("a", "b")
        proxy.refuse()
        deleted = etcd.transaction(("del", MEMBERS + "b"))
        for i in range(10):
            etcd.put("/another/application", str(i))
        host.wait_log("no endpoint answers")
        proxy.refuse(False)
        host.wait_names("a")
        self.assertEqual(host.last()["epoch"], deleted)

    def test_a_watch_that_is_silent_is_noticed(self):
        etcd = self.etcd()
        for name in ("a", None):
            proxy = self.proxy(etcd)
            host = self.started(proxy, name, {**QUICK, "check_interval": "300ms", "lease_ttl": "60s"})
            last = etcd.transaction(("put", f"{MEMBERS}{name}b", '{"addresses": {}}'))
            wait_until(lambda: host.last()["epoch"] == last, "the watch works")
            self.assertEqual(proxy.freeze_watches(), 1)
            last = etcd.transaction(("put", f"{MEMBERS}{name}c", '{"addresses": {}}'))
            wait_until(lambda: host.last()["epoch"] == last, "the check finds what the watch does not tell")
            self.assertEqual([line for line in host.lines() if "no endpoint" in line], [], "nothing else was wrong")
            host.close()

    def test_compaction_of_what_was_missed(self):
        etcd = self.etcd()
        proxy = self.proxy(etcd)
        host = self.started(proxy, "a", {**QUICK, "lease_ttl": "60s"})
        gateway = self.started(proxy, None, QUICK)
        for turn in range(3):
            for each in (host, gateway):
                each.wait(lambda event: event["event"] == "members", "a list")
            before = host.last()["epoch"]
            proxy.refuse()
            etcd.transaction(("put", f"{MEMBERS}b{turn}", '{"addresses": {}}'))
            etcd.transaction(("del", f"{MEMBERS}b{turn - 1}"))
            if turn == 2:
                etcd.transaction(("del", f"{MEMBERS}b{turn}"))
            etcd.put("/another/application", "x")
            etcd.compact()
            revision = etcd.revision()
            proxy.refuse(False)
            wanted = ["a"] if turn == 2 else ["a", f"b{turn}"]
            for each in (host, gateway):
                each.wait_names(*wanted)
                self.assertGreater(each.last()["epoch"], before)
                self.assertLessEqual(each.last()["epoch"], revision)
                wait_until(lambda: sum("was compacted" in line for line in each.lines()) == turn + 1, "it is told")
        joined = etcd.transaction(("put", MEMBERS + "c", '{"addresses": {}}'))
        for each in (host, gateway):
            each.wait_names("a", "c")
            self.assertEqual(each.last()["epoch"], joined)

    def test_compaction_without_changes_changes_nothing(self):
        etcd = self.etcd()
        proxy = self.proxy(etcd)
        host = self.started(proxy, "a", {**QUICK, "lease_ttl": "60s"})
        gateway = self.started(proxy, None, QUICK)
        before = host.last()["epoch"]
        proxy.refuse()
        for i in range(10):
            etcd.put("/another/application", str(i))
        etcd.compact()
        proxy.refuse(False)
        joined = etcd.transaction(("put", MEMBERS + "b", '{"addresses": {}}'))
        late = self.started(etcd)
        for each in (host, gateway, late):
            each.wait_names("a", "b")
            self.assertEqual(each.last()["epoch"], joined)
        self.assertEqual([each["epoch"] for each in host.lists()], [before, joined])
        etcd.compact()
        self.assertEqual(self.started(etcd).last()["epoch"], joined, "the revision of the last change is there still")

    def test_a_gateway_that_comes_after_a_compaction(self):
        etcd = self.etcd()
        self.started(etcd, "a")
        for i in range(10):
            etcd.put("/another/application", str(i))
        etcd.compact()
        gateway = self.started(etcd)
        self.assertEqual(gateway.last()["epoch"], etcd.kvs(MEMBERS)[MEMBERS + "a"]["modified"])


class History(World):
    """etcd whose data are lost or restored: revisions go back, epochs do not."""

    def converge(self, hosts, before):
        for host in hosts:
            wait_until(lambda: host.names() == ["a", "b"] and host.last()["epoch"] > before, "the members are back", PATIENCE)
        wait_until(lambda: len({host.last()["epoch"] for host in hosts}) == 1, "all have one list")
        for host in hosts:
            epochs = [each["epoch"] for each in host.lists()]
            self.assertEqual(epochs, sorted(set(epochs)), host.name)

    def three(self, etcd):
        hosts = [self.started(etcd, "a", QUICK), self.started(etcd, "b", QUICK),
                 self.started(etcd, None, {**QUICK, "check_interval": "300ms"})]
        for _ in range(30):
            etcd.put("/another/application", "x")
        etcd.transaction(("put", MEMBERS + "c", '{"addresses": {}}'))
        for host in hosts:
            host.wait_names("a", "b", "c")
        return hosts

    def test_all_data_are_lost(self):
        etcd = self.etcd()
        hosts = self.three(etcd)
        before = hosts[0].last()["epoch"]
        incarnations = {member["incarnation"] for member in hosts[0].last()["members"]}
        etcd.forget()
        etcd.start()
        self.converge(hosts, before)
        self.assertEqual(len(hosts[0].all("founded") + hosts[1].all("founded")), 1, "a list that was known goes on")
        for name in "ab":
            self.assertGreater(hosts[0].member(name)["incarnation"], max(incarnations))
        late = self.started(etcd, "late", QUICK)
        for host in (*hosts, late):
            host.wait_names("a", "b", "late")
        self.assertEqual(len({host.last()["epoch"] for host in (*hosts, late)}), 1)
        self.assertEqual(late.all("founded"), [])

    def test_a_backup_is_restored(self):
        etcd = self.etcd()
        hosts = [self.started(etcd, "a", QUICK), self.started(etcd, "b", QUICK)]
        for host in hosts:
            host.wait_names("a", "b")
        backup = os.path.join(self.directory, "backup.db")
        etcd.ctl("snapshot", "save", backup)
        hosts.append(self.started(etcd, None, {**QUICK, "check_interval": "300ms"}))
        for _ in range(30):
            etcd.put("/another/application", "x")
        etcd.transaction(("put", MEMBERS + "c", '{"addresses": {}}'))
        for host in hosts:
            host.wait_names("a", "b", "c")
        before = hosts[0].last()["epoch"]
        etcd.forget()
        etcd.ctl("snapshot", "restore", backup, "--data-dir", etcd.data, "--name", etcd.name, "--initial-cluster",
                 f"{etcd.name}={etcd.peer_url}", "--initial-cluster-token", etcd.token, "--initial-advertise-peer-urls",
                 etcd.peer_url)
        etcd.start()
        self.converge(hosts, before)
        shutil.rmtree(etcd.data, ignore_errors=True)


if __name__ == "__main__":
    main()
