"""Nodes that run out of something, and clients that take more than their part: one clear answer, and everybody else goes on."""

import http.client
import socket

from kit import PATIENCE, SANITIZER, Case, Metrics, key_path, main, wait_until

GROUP = "default"
MIB = 1 << 20


class Limits(Case):
    def test_no_file_descriptors_left(self):
        """Connections beyond the limit wait or are closed; those that are open are served, and later all are again."""
        node = self.node(groups=[{"name": GROUP}])
        node.start(under=["prlimit", "--nofile=48"])
        node.wait_ready()
        with node.client() as client:
            self.assertEqual(client.put(GROUP, "key", "x").status, 201)
            crowd = [self.connection(node) for _ in range(100)]
            wait_until(lambda: self.value(client, "connections_refused_total") > 0, "connections are refused")
            for _ in range(50):
                self.assertEqual(client.get(GROUP, "key").body, b"x")
            for each in crowd:
                each.close()
            # By every worker: one that is served by the first may still be refused by the next.
            wait_until(lambda: self.value(client, "connections") == 1, "the crowd has gone")
        wait_until(node.ready, "new connections are served again")
        self.assertEqual(node.get(GROUP, "key").body, b"x")

    def connection(self, node):
        """Closed when the test ends."""
        connection = socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def value(client, name):
        """Of a metric, read over a connection that is open already."""
        return Metrics(client.ask("GET", "/metrics").body.decode()).value(name)

    def test_memory_is_short(self):
        """Requests that cannot be stored fail one by one; what is there is served, and room that is made is used."""
        if SANITIZER:
            self.skipTest("a sanitizer needs more address space than a limit would leave")
        node = self.node(groups=[{"name": GROUP, "max_bytes": "4GiB"}, {"name": "small"}], http={"workers": 1})
        node.start(under=["prlimit", f"--as={700 * MIB}"])
        node.wait_ready()
        value, statuses = b"v" * (8 * MIB), []
        with node.client() as client:
            self.assertEqual(client.put("small", "key", "x").status, 201)
            for i in range(120):
                try:
                    statuses.append(client.put(GROUP, f"large {i}", value).status)
                except (OSError, http.client.HTTPException):
                    statuses.append(0)  # without memory for the body the connection is closed
                self.assertEqual(client.get("small", "key").body, b"x")
            self.assertIn(201, statuses)
            self.assertLess(statuses.count(201), 100, "the limit is below what was asked for")
            self.assertLessEqual(set(statuses), {201, 503, 507, 0})
            self.assertEqual(client.ask("DELETE", f"/v1/groups/{GROUP}/keys").status, 204)
            wait_until(lambda: client.put(GROUP, "again", value).status in (201, 204), "there is room again")
            self.assertEqual(client.get(GROUP, "again").body, value)

    def test_idle_clients_cost_nobody_anything(self):
        nodes = self.cluster(http={"header_timeout": "10m", "idle_timeout": "10m"})
        crowd = [self.connection(nodes["a"]) for _ in range(600)]
        for i, each in enumerate(crowd):
            if i % 2:
                each.sendall(b"GET /v1/groups/default/keys/half-a-requ")
        wait_until(lambda: nodes["a"].metric("connections") > len(crowd), "all are connected")
        for node in nodes.nodes():
            with node.client() as client:
                for i in range(50):
                    self.assertIn(client.put(GROUP, str(i), "x").status, (201, 204))
                    self.assertEqual(client.get(GROUP, str(i)).body, b"x")

    def test_a_client_that_does_not_read_costs_only_itself(self):
        nodes = self.cluster(groups=[{"name": GROUP, "max_bytes": "64MiB"}], http={"idle_timeout": "3s"})
        value = b"v" * (4 * MIB)
        for node in nodes.nodes():
            self.assertIn(node.put(GROUP, "large", value).status, (201, 204))
        request = f"GET {key_path(GROUP, 'large')} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
        for i in range(20):
            self.connection(nodes["abc"[i % 3]]).sendall(request * 20)
        for node in nodes.nodes():
            with node.client() as client:
                for i in range(50):
                    self.assertIn(client.put(GROUP, str(i), "x").status, (201, 204))
                    self.assertEqual(client.get(GROUP, str(i)).body, b"x")
                self.assertEqual(client.get(GROUP, "large").body, value)
        for node in nodes.nodes():
            wait_until(lambda: node.metric("connections") < 6, "those that do not read are closed")


if __name__ == "__main__":
    main()
