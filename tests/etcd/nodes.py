"""Clusters of real nodes whose members are etcd's."""

from world import PREFIX, World, wait_until

GROUP = "default"


class Nodes(World):
    def section(self, etcd, **more):
        endpoints = [place.endpoint for place in (etcd if isinstance(etcd, list) else [etcd])]
        return {"plugin": "etcd", "endpoints": endpoints, "prefix": PREFIX, "lease_ttl": "10s", "retry_max": "200ms",
                "request_timeout": "1s", **more}

    def cluster_of(self, etcd, names="abc", cluster=None, **more):
        """Started nodes that have found each other."""
        nodes = {name: self.member(name, etcd, cluster=cluster, **more) for name in names}
        for node in nodes.values():
            node.start()
        self.wait_together(nodes)
        return nodes

    def member(self, name, etcd, port=None, cluster=None, node=None, **more):
        section = {"discovery": self.section(etcd, **more), "probe_interval": "200ms", **(cluster or {})}
        return self.node(name, port, cluster=section, groups=[{"name": GROUP}], node=node or {})

    def wait_together(self, nodes):
        for node in nodes.values():
            node.wait_ready()
        for node in nodes.values():
            wait_until(lambda: set(node.members()) == set(nodes) and
                       all(member["state"] in ("self", "up") for member in node.members().values()),
                       f"node {node.name} sees all others")

    def epochs(self, nodes):
        return {node.ask("GET", "/v1/cluster").json()["epoch"] for node in nodes.values()}

    def check_keys(self, nodes, count=100):
        """Every node answers for every key, whoever stored it."""
        clients = [self.enterContext(node.client()) for node in nodes.values()]
        for i in range(count):
            self.assertIn(clients[i % len(clients)].put(GROUP, f"key {i}", str(i)).status, (201, 204))
        for i in range(count):
            for client in clients:
                self.assertEqual(client.get(GROUP, f"key {i}").body, str(i).encode())

    def fill(self, node, count, value="old"):
        with node.client() as client:
            for i in range(count):
                self.assertIn(client.put(GROUP, f"key {i}", f"{value} {i}").status, (201, 204))

    def check(self, nodes, count, value="old"):
        """Every node has every key."""
        for node in nodes.values():
            with node.client() as client:
                wrong = [i for i in range(count) if client.get(GROUP, f"key {i}").body != f"{value} {i}".encode()]
            self.assertEqual(wrong, [], f"at {node.name}")

    def wait_settled(self, nodes):
        self.wait_together(nodes)
        for node in nodes.values():
            wait_until(lambda: self.handoff(node)["caught_up"] and self.handoff(node)["finished"],
                       f"node {node.name} has given and been given everything")

    @staticmethod
    def handoff(node):
        return node.ask("GET", "/v1/cluster").json()["handoff"]

    def entries(self, nodes):
        return sum(node.metric("entries", group=GROUP) for node in nodes.values())
