"""Connections are made once and used again: between nodes, to the origin, and by clients."""

from kit import Case, Client, in_threads, loader, main, value_of

REQUESTS = 1000  # of each client
CLIENTS = 6


class Reuse(Case):
    def test_fault_10_nodes_use_their_connections_again(self):
        source = self.origin()
        nodes = self.cluster(groups=[{"name": "users", "loader": loader(source)}])
        accepted = {node.name: node.metric("connections_accepted_total") for node in nodes.nodes()}
        sent = nodes.total("peer_requests_total")

        def ask(i):
            with Client(nodes["abc"[i % 3]].port) as client:
                for turn in range(REQUESTS):
                    key = f"key {(turn * 13 + i) % 400}"
                    answer = client.get("users", key)
                    if (answer.status, answer.body) != (200, value_of(key.encode())):
                        raise AssertionError(f"{key}: {answer}")
                return client.connects
        self.assertEqual(in_threads(CLIENTS, ask), [1] * CLIENTS, "no client had to connect again")
        sent = nodes.total("peer_requests_total") - sent
        self.assertGreater(sent, CLIENTS * REQUESTS / 2)
        for node in nodes.nodes():
            made = node.metric("connections_accepted_total") - accepted[node.name]
            # Its clients, the readings, and for each of two peers one for every call at a time, with some to spare.
            self.assertLessEqual(made, 40, f"{sent} requests between nodes")
        connections = int(source.ask("GET", "/connections").body)
        self.assertLessEqual(connections, 40, "400 loads")


if __name__ == "__main__":
    main()
