"""What the tests of larder sim share: traces, and the rows that come out."""

import csv
import io
import itertools
import os
import random

import kit


def zipf(count, keys, seed=1):
    """Requests of which some keys are preferred; a sample of the keys changes little of them."""
    chance = random.Random(seed)
    weights = list(itertools.accumulate(1 / (rank + 20) for rank in range(keys)))
    return [f"key-{key}" for key in chance.choices(range(keys), cum_weights=weights, k=count)]


class Simulation(kit.Test):
    def file(self, content, name="trace"):
        path = os.path.join(self.scratch(), name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else "".join(line + "\n" for line in content).encode())
        return path

    def rows(self, trace, policies, sizes, *more, **options):
        """Misses and requests by policy and size."""
        rows, warning = self.rows_and_warning(trace, policies, sizes, *more, **options)
        self.assertEqual(warning, "")
        return rows

    def rows_and_warning(self, trace, policies, sizes, *more, **options):
        out, err = self.larder("sim", "--trace", trace, "--policy", policies, "--size", sizes, "--csv", *more, **options)
        return {(row["policy"], int(row["size"])): (int(row["requests"]), int(row["misses"]))
                for row in csv.DictReader(io.StringIO(out.decode()))}, err.decode()

    def shipped_file(self, name):
        found = [plugin["file"] for plugin in self.document("plugin", "list")["plugins"]
                 if (plugin["kind"], plugin["name"]) == ("eviction", name)]
        self.assertEqual(len(found), 1)
        return found[0]
