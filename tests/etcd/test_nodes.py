"""Nodes whose members are etcd's: who is one, who is refused, and what happens when etcd or a node is away."""

import http.client
import json
import os
import signal
import subprocess
import threading

from nodes import GROUP, Nodes
from world import LARDERD, PATIENCE, PREFIX, Client, free_port, main, wait_until

MEMBERS = f"{PREFIX}/members/"


class Load:
    """Clients that ask without a pause; what was not as it should be is kept."""

    def __init__(self, nodes, misses=False):
        """`misses`: keys move while they ask, and are not found where they are looked for then."""
        self.found = (200, 404) if misses else (200,)
        self.nodes, self.wrong, self.done, self.ending = nodes, [], 0, False
        self.threads = [threading.Thread(target=self.run, args=(node,)) for node in nodes]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        for thread in self.threads:
            thread.join()

    def run(self, node):
        turn = 0
        with Client(node.port) as client:
            while not self.ending:
                turn += 1
                key = f"{node.name} {turn % 50}"
                try:
                    put, got = client.put(GROUP, key, str(turn)), client.get(GROUP, key)
                except (OSError, http.client.HTTPException) as error:
                    self.wrong.append(repr(error))
                    continue
                if put.status not in (201, 204) or got.status not in self.found:
                    self.wrong.append(f"{key}: {put} {got}")
                self.done += 1


class Membership(Nodes):
    def test_fault_5_nodes_find_each_other_and_agree(self):
        etcd = self.etcd()
        nodes = self.cluster_of(etcd)
        self.check_keys(nodes)
        self.assertEqual(len(self.epochs(nodes)), 1)
        self.assertEqual(len({node.ask("GET", "/v1/cluster").json()["checksum"] for node in nodes.values()}), 1)
        self.assertEqual(set(etcd.kvs(MEMBERS)), {MEMBERS + name for name in "abc"})

    def test_a_strict_cluster_that_is_started_together_acts_at_once(self):
        """Nobody waits for members of an earlier list: there is none."""
        etcd = self.etcd()
        for turn in range(3):
            nodes = self.cluster_of(etcd, cluster={"replicas": 2, "write_acks": "all", "orphan_wait": "10m"},
                                    prefix=f"{PREFIX}/{turn}")
            for node in nodes.values():
                wait_until(lambda: node.ask("GET", "/v1/cluster").json()["acts"], f"node {node.name} acts")
            self.check_keys(nodes, 30)

    def test_fault_7_a_node_that_goes_is_off_the_list_at_once(self):
        nodes = self.cluster_of(self.etcd(), lease_ttl="10m")
        gone = nodes.pop("b")
        self.assertEqual(gone.stop(), 0)
        self.assertIn("this node is no longer registered", gone.log_text())
        self.wait_together(nodes)
        self.check_keys(nodes)

    def test_fault_7_a_node_that_is_killed_is_off_the_list_after_its_lease(self):
        nodes = self.cluster_of(self.etcd(), lease_ttl="2s")
        nodes.pop("b").kill()
        self.wait_together(nodes)
        self.check_keys(nodes)

    def test_a_node_that_was_killed_comes_back_at_once(self):
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, lease_ttl="10m")
        created = etcd.kvs(MEMBERS)[MEMBERS + "b"]["created"]
        nodes["b"].restart()
        self.wait_together(nodes)
        self.assertGreater(etcd.kvs(MEMBERS)[MEMBERS + "b"]["created"], created)
        self.check_keys(nodes)

    def test_two_nodes_that_flap(self):
        nodes = self.cluster_of(self.etcd(), lease_ttl="10m")
        with Load([nodes["a"]], misses=True) as load:
            for turn in range(4):
                nodes["b"].restart()
                self.assertEqual(nodes["c"].stop(), 0)
                nodes["c"].start()
                nodes["c"].wait_ready()
        self.assertEqual(load.wrong[:3], [])
        self.assertGreater(load.done, 0)
        self.wait_together(nodes)

    def test_a_gateway(self):
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, "ab")
        gate = self.node("gate", node={"role": "gateway"}, cluster={"discovery": self.section(etcd)})
        gate.start()
        gate.wait_ready()
        self.assertEqual(set(gate.members()), {"a", "b"})
        self.assertEqual(gate.put(GROUP, "k", "v").status, 201)
        self.assertEqual(nodes["a"].get(GROUP, "k").body, b"v")
        self.assertEqual(set(etcd.kvs(MEMBERS)), {MEMBERS + "a", MEMBERS + "b"})

    def test_a_reload_moves_a_node_to_other_endpoints(self):
        etcds = self.etcds()
        nodes = self.cluster_of(etcds[:1], lease_ttl="60s")
        for node in nodes.values():
            node.config["cluster"]["discovery"]["endpoints"] = [each.endpoint for each in etcds[1:]]
            node.reload()
            wait_until(lambda: "reload: done" in node.log_text(), "it is reloaded")
        etcds[0].kill()
        self.wait_together(nodes)
        nodes.pop("c").stop()
        self.wait_together(nodes)
        self.check_keys(nodes)


class Refused(Nodes):
    def ended(self, node):
        self.assertEqual(node.process.wait(PATIENCE), 3)
        return node.log_text()

    def test_a_second_node_of_one_name_does_not_start(self):
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, "ab", lease_ttl="3s")
        second = self.member("a", etcd, lease_ttl="3s")
        second.start()
        self.assertIn(f"larderd: etcd: another node runs under the name a: {MEMBERS}a is kept alive by it "
                      f"(http 127.0.0.1:{nodes['a'].port}); node.name must differ", self.ended(second))
        self.check_keys(nodes)

    def test_a_node_with_other_settings_does_not_start(self):
        etcd = self.etcd()
        self.cluster_of(etcd, "a")
        for role in ("node", "gateway"):
            other = self.node("b", cluster={"discovery": self.section(etcd), "virtual_nodes": 64}, node={"role": role})
            other.start()
            text = self.ended(other)
            self.assertRegex(text, f'the cluster under {PREFIX} has other settings than this node: got "hash=xxhash .*'
                                   'virtual_nodes=64.*", wanted "hash=xxhash .*virtual_nodes=256')

    def test_with_all_acks_peer_timeout_is_the_clusters(self):
        etcd = self.etcd()
        strict = {"replicas": 2, "write_acks": "all", "discovery": self.section(etcd)}
        nodes = [self.node("a", cluster=strict), self.node("b", cluster=dict(strict, peer_timeout="700ms"))]
        for node in nodes:
            node.start()
            if node is nodes[0]:
                node.wait_ready()
        self.assertRegex(self.ended(nodes[1]), 'other settings than this node: got ".* write_acks=all peer_timeout=700ms", '
                                               'wanted ".* write_acks=all peer_timeout=1000ms"')

    def test_an_address_that_nobody_can_reach_is_not_announced(self):
        node = self.member("a", self.etcd())
        node.config["transports"][0]["listen"] = f":{node.port}"
        node.start()
        self.assertIn("cluster.discovery.advertise: got no http, wanted the address at which others reach this node",
                      self.ended(node))

    def test_fault_4_a_node_that_listens_everywhere_knows_itself_by_its_name(self):
        etcd = self.etcd()
        nodes = {}
        for name, host in (("a", "127.0.0.1"), ("b", "localhost")):
            port = free_port()
            nodes[name] = self.member(name, etcd, port, advertise={"http": f"{host}:{port}"})
            nodes[name].config["transports"][0]["listen"] = f":{port}"
            nodes[name].start()
        self.wait_together(nodes)
        self.check_keys(nodes)
        for node in nodes.values():
            self.assertEqual(node.members()[node.name]["state"], "self")

    def test_what_check_finds_without_asking_anybody(self):
        password = os.path.join(self.directory, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write("secret\n")
        os.chmod(password, 0o644)
        for more, words in (({"endpoints": ["ftp://x"]}, 'cluster.discovery.endpoints: got "ftp://x"'),
                            ({"username": "u", "password_file": password}, "wanted a file that others may not read or write"),
                            ({"tls": {"ca": "/nowhere"}}, "tls: ca: cannot read"),
                            ({"endpoint": ["x"]}, 'cluster.discovery.endpoint: unknown'),
                            ({"lease_ttl": "10ms"}, "cluster.discovery.lease_ttl"), ({}, None)):
            node = self.node("a", cluster={"discovery": {"plugin": "etcd", "endpoints": ["192.0.2.1:2379"], **more}})
            node.write_config()
            done = subprocess.run([LARDERD, "--check", "--config", node.path], capture_output=True, text=True, check=False,
                                  timeout=PATIENCE)
            self.assertEqual(done.returncode, 1 if words else 0, done.stderr)
            self.assertIn(words or "", done.stderr)


class Faults(Nodes):
    def test_fault_8_a_node_without_etcd_is_not_ready_and_answers_for_no_key(self):
        etcd = self.etcd()
        etcd.kill()
        node = self.member("a", etcd, start_timeout="200ms")
        node.start()
        wait_until(lambda: "no list of members after 200 ms" in node.log_text(), "the start is over")
        with node.client() as client:
            self.assertEqual(client.ask("GET", "/health").status, 200)
            self.assertEqual(client.ask("GET", "/ready").status, 503)
            self.assertEqual(client.put(GROUP, "k", "v").status, 503)
            self.assertEqual(client.get(GROUP, "k").status, 503)
        etcd.start()
        node.wait_ready()
        self.assertEqual(node.put(GROUP, "k", "v").status, 201)

    def test_fault_8_a_node_that_waits_for_etcd_can_be_ended(self):
        etcd = self.etcd()
        etcd.kill()
        node = self.member("a", etcd, start_timeout="0", node={"leave_timeout": "1s"})
        node.start()
        wait_until(lambda: "no endpoint answers" in node.log_text(), "it tries")
        self.assertEqual(node.stop(), 0)

    def test_fault_9_etcd_is_away_and_comes_back(self):
        """Down, or standing for longer than the leases last: the nodes serve on, and are members again without a restart."""
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, lease_ttl="2s")
        for away, back in ((etcd.pause, etcd.resume), (etcd.kill, etcd.start)):
            lines = {node.name: node.log_text().count("no endpoint answers") for node in nodes.values()}
            with Load(list(nodes.values())) as load:
                away()
                for node in nodes.values():
                    wait_until(lambda: node.log_text().count("no endpoint answers") > lines[node.name], "it is noticed")
                done = load.done
                wait_until(lambda: load.done > done + 500, "they serve on")
                self.assertEqual(load.wrong[:3], [])
            for node in nodes.values():
                self.assertEqual(set(node.members()), set("abc"), "the members are those that were known")
            back()
            wait_until(lambda: set(etcd.kvs(MEMBERS)) == {MEMBERS + name for name in "abc"}, "they are members again")
            self.wait_together(nodes)
            wait_until(lambda: len(self.epochs(nodes)) == 1, "they agree")
            self.check_keys(nodes)

    def test_etcd_whose_data_are_lost(self):
        """The nodes register again with all that they have. While they do the list changes, and keys move; strict, that is not seen."""
        for cluster in ({"replicas": 2}, {"replicas": 2, "write_acks": "all", "orphan_wait": "10m"}):
            etcd = self.etcd()
            for i in range(30):
                etcd.put("/another/application", str(i))  # else revisions would soon be as high as they were
            nodes = self.cluster_of(etcd, cluster=cluster, lease_ttl="5s")
            self.wait_settled(nodes)
            self.fill(nodes["a"], 100)
            before, = self.epochs(nodes)
            with Load(list(nodes.values()), misses="write_acks" not in cluster) as load:
                etcd.forget()
                etcd.start()
                wait_until(lambda: set(etcd.kvs(MEMBERS)) == {MEMBERS + name for name in "abc"}, "they are members again")
                self.wait_settled(nodes)
                done = load.done
                wait_until(lambda: load.done > done + 100, "they serve on")
            self.assertEqual(load.wrong[:3], [])
            after, = self.epochs(nodes)
            self.assertGreater(after, before)
            self.check(nodes, 100)
            self.assertIn("its history is not the one that was known", "".join(node.log_text() for node in nodes.values()))

    def test_a_node_that_stood_for_longer_than_its_lease(self):
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, lease_ttl="2s")
        nodes["b"].pause()
        for name in "ac":
            wait_until(lambda: set(nodes[name].members()) == {"a", "c"}, "it is off the list")
        nodes["b"].resume()
        self.wait_together(nodes)
        self.check_keys(nodes)

    def test_a_member_with_a_wrong_address(self):
        """It is suspended, and the others answer for its keys."""
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, "ab")
        wrong = self.member("w", etcd, advertise={"http": f"127.0.0.1:{free_port()}"})
        wrong.start()
        wrong.wait_ready()
        for node in nodes.values():
            wait_until(lambda: node.members().get("w", {}).get("state") == "suspended", "nobody reaches it")
        clients = [self.enterContext(node.client()) for node in nodes.values()]
        for i in range(100):
            self.assertIn(clients[i % 2].put(GROUP, str(i), "v").status, (201, 204))
            self.assertEqual(clients[i % 2].get(GROUP, str(i)).body, b"v")

    def test_fault_1_a_node_whose_list_lags(self):
        """A node that hears nothing of etcd any more, while another one joins: one hop for each request at most."""
        etcd = self.etcd()
        proxy = self.proxy(etcd)
        nodes = self.cluster_of(etcd, "ab")
        nodes["lags"] = self.member("lags", proxy, lease_ttl="10m", check_interval="1h")
        nodes["lags"].start()
        self.wait_together(nodes)
        proxy.refuse()
        joined = self.member("d", etcd)
        joined.start()
        joined.wait_ready()
        wait_until(lambda: set(nodes["a"].members()) == {"a", "b", "lags", "d"}, "it has joined")
        everybody = [*nodes.values(), joined]
        before, requests = sum(node.metric("peer_requests_total") for node in everybody), 0
        clients = [self.enterContext(node.client()) for node in everybody]
        for i in range(200):
            for client in clients:
                self.assertIn(client.put(GROUP, f"{client.port} {i}", "v").status, (201, 204))
                self.assertEqual(client.get(GROUP, f"{client.port} {i}").body, b"v")
                requests += 2
        after = sum(node.metric("peer_requests_total") for node in everybody)
        self.assertLessEqual(after - before, requests)
        self.assertEqual(sum(node.metric("forwarded_refused_total") for node in everybody), 0)
        proxy.refuse(False)
        nodes["d"] = joined
        self.wait_together(nodes)
        wait_until(lambda: len(self.epochs(nodes)) == 1, "all have the same list")

    def test_a_thousand_members(self):
        etcd = self.etcd()
        nodes = self.cluster_of(etcd, "ab", {"virtual_nodes": 16, "probe_interval": "10s"}, lease_ttl="30s")
        dead = json.dumps({"addresses": {"http": f"127.0.0.1:{free_port()}"}})
        for i in range(0, 1000, 100):
            etcd.transaction(*[("put", f"{MEMBERS}m{j}", dead) for j in range(i, i + 100)])
        for node in nodes.values():
            wait_until(lambda: node.metric("members") == 1002, "they are all there")
        for i in range(0, 1000, 100):
            etcd.transaction(*[("del", f"{MEMBERS}m{j}") for j in range(i, i + 100)])
        self.wait_together(nodes)
        self.check_keys(nodes)
        self.assertNotIn("the lease of this node is lost", nodes["a"].log_text() + nodes["b"].log_text())

    def test_secrets_are_not_logged(self):
        etcd = self.etcd()
        password = os.path.join(self.directory, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write("verysecretword\n")
        os.chmod(password, 0o600)
        etcd.ctl("user", "add", "root:verysecretword")
        etcd.ctl("user", "grant-role", "root", "root")
        etcd.ctl("auth", "enable")
        node = self.member("a", etcd, node={"log_level": "debug", "leave_timeout": "1s"}, username="root", password_file=password)
        node.start()
        node.wait_ready()
        etcd.ctl("user", "passwd", "root", "--interactive=false", text="another", user="root:verysecretword")
        wait_until(lambda: "authentication failed" in node.log_text(), "the password is wrong now")
        shown = node.log_text() + "".join(node.ask("GET", path).body.decode() for path in ("/v1/cluster", "/stats", "/metrics"))
        self.assertNotIn("verysecretword", shown)
        node.signal(signal.SIGTERM)
        self.assertEqual(node.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    main()
