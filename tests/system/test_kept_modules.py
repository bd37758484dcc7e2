"""Modules that were built with the first published headers, in a larderd of today: see tests/abi."""

import json
import os
import subprocess

from kit import BUILD, LARDER, PATIENCE, Case, main

MODULES = os.path.join(BUILD, "tests", "abi", "1")


class KeptModules(Case):
    def test_a_node_places_keys_and_evicts_with_them(self):
        node = self.node(plugins={"path": [MODULES]}, groups=[
            {"name": name, "max_bytes": "64KiB", "eviction": {"plugin": name, "mode": "fancy", **self.others()}}
            for name in ("kept_counted", "kept_called", "kept_deaf")])
        node.config["cluster"] = {"hash": "kept_hash", "discovery": {
            "plugin": "static", "members": [{"name": "solo", "http": f"127.0.0.1:{node.port}"}]}}
        node.start()
        node.wait_ready()
        for group in node.config["groups"]:
            name = group["name"]
            with node.client() as client:
                for number in range(1500):
                    path = f"/v1/groups/{name}/keys/{number}"
                    self.assertEqual(client.ask("PUT", path, b"v" * 100).status, 201)
                    self.assertEqual(client.ask("GET", path).status, 200)
            stats = node.ask("GET", f"/v1/groups/{name}/stats").json()
            self.assertGreater(stats["evictions"], 500)
            self.assertEqual(stats["entries"] + stats["evictions"], 1500)
            self.assertEqual(stats["policy_faults"], 0)

    @staticmethod
    def others():
        """The values that tests/abi/1/policy.c expects when they are given."""
        return {"flag": False, "count": 2, "share": 0.5, "room": "1MiB", "pause": "1m", "tags": ["one", "two"],
                "limits": {"low": 2, "high": 20}, "rules": [{"high": 30}, {"low": 4, "high": 40}],
                "names": {"tom": "630"}}

    def test_their_parameters_are_shown(self):
        done = subprocess.run([LARDER, "plugin", "info", os.path.join(MODULES, "eviction", "kept_counted.so"), "--json"],
                              capture_output=True, timeout=PATIENCE, check=True)
        (plugin,) = json.loads(done.stdout)
        self.assertEqual((plugin["kind"], plugin["name"], plugin["abi"]), ("eviction", "kept_counted", 1))
        self.assertEqual([param["name"] for param in plugin["params"]],
                         ["flag", "count", "share", "room", "pause", "mode", "tags", "limits", "rules", "names"])
        self.assertEqual([field["name"] for field in plugin["params"][8]["fields"]], ["low", "high"])


main()
