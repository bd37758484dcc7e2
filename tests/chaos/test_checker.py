"""The checker on histories that are made up: each promise broken once, and what looks like it and is none."""

import unittest

from checker import EXPIRED, LOST, MISSED, RESURRECTED, STALE, WRONG, check
from history import ABSENT, FAILED, OK, Operation, value_of, version_in


def did(kind, version, begun, ended, outcome=OK, group="kv", until=None, **more):
    operation = Operation(kind, group, "k", "a", version, **more)
    operation.begun, operation.ended, operation.outcome, operation.until = begun, ended, outcome, until or ended
    return operation


class Checker(unittest.TestCase):
    def found(self, *operations):
        return [finding.kind for finding in check(operations)]

    def test_what_holds(self):
        self.assertEqual(self.found(did("put", 1, 0, 1), did("get", 1, 2, 3), did("put", 2, 2.5, 4), did("get", 2, 3, 3.5),
                                    did("get", 1, 3, 5), did("delete", 3, 6, 7), did("get", None, 8, 9, ABSENT)), [])

    def test_a_version_never_written_or_before_it_was(self):
        self.assertEqual(self.found(did("put", 1, 5, 6), did("get", 2, 7, 8), did("get", 1, 0, 4)), [WRONG, WRONG])

    def test_a_value_that_is_older_than_an_acknowledged_one(self):
        self.assertEqual(self.found(did("put", 1, 0, 1), did("put", 2, 2, 3), did("get", 1, 3.1, 4)), [STALE])

    def test_a_bound_on_how_old_a_value_may_be(self):
        history = [did("put", 1, 0, 1), did("put", 2, 2, 3), did("delete", 3, 4, 5), did("get", 1, 3.1, 4), did("get", 2, 5.5, 6),
                   did("get", 2, 6.1, 7)]
        self.assertEqual([(each.kind, each.get.begun) for each in check(history, may_be_old=lambda get: 1)], [(RESURRECTED, 6.1)])
        late = [did("put", 1, 2, 3, group="loaded"), did("get", 0, 3.9, 4, group="loaded"), did("get", 0, 4.1, 5, group="loaded")]
        self.assertEqual([each.get.begun for each in check(late, may_be_old=lambda get: 1)], [4.1])

    def test_a_failed_write_may_be_done_until_its_time_is_over(self):
        late = did("put", 1, 0, 1, FAILED, until=2.5)
        self.assertEqual(self.found(late, did("put", 2, 2, 3), did("get", 1, 4, 5)), [])
        self.assertEqual(self.found(late, did("put", 2, 2.6, 3), did("get", 1, 4, 5)), [STALE])

    def test_a_delete_that_comes_undone(self):
        self.assertEqual(self.found(did("put", 1, 0, 1), did("delete", 2, 2, 3), did("get", 1, 4, 5)), [RESURRECTED])

    def test_a_value_past_its_time(self):
        self.assertEqual(self.found(did("put", 1, 0, 1, ttl=2), did("get", 1, 2.9, 4), did("get", 1, 3.1, 4)), [EXPIRED])

    def test_misses_and_losses(self):
        put = did("put", 1, 0, 1)
        self.assertEqual(self.found(put, did("get", None, 2, 3, ABSENT)), [MISSED])
        self.assertEqual(self.found(put, did("get", None, 2, 3, ABSENT, settled=True)), [LOST])
        self.assertEqual(self.found(put, did("delete", 2, 2, 3, FAILED), did("get", None, 4, 5, ABSENT, settled=True)), [])

    def test_values_of_an_origin(self):
        loaded = {"group": "loaded"}
        gone = did("delete", 1, 2, 3, **loaded)
        self.assertEqual(self.found(did("get", 0, 0, 1, **loaded), gone, did("get", 1, 4, 5, **loaded)), [])
        self.assertEqual(self.found(gone, did("get", 0, 4, 5, **loaded)), [STALE])

    def test_values_name_their_key(self):
        self.assertEqual(version_in("kv", "k", value_of("kv", "k", 7)), 7)
        self.assertEqual(version_in("kv", "k l", value_of("kv", "k l", 0)), 0)
        for value in (value_of("kv", "l", 7), value_of("kv", "k", 7)[:-1], b"", b"kv/k x "):
            self.assertIsNone(version_in("kv", "k", value))


if __name__ == "__main__":
    unittest.main()
