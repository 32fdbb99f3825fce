"""Tests of what follows from who bought what."""

import unittest

from recommendations.__main__ import Follower
from recommendations.baskets import Baskets


class BasketsTest(unittest.TestCase):
    def setUp(self):
        self.baskets = Baskets()
        self.baskets.add("ada", ["plate", "bowl"])
        self.baskets.add("ada", ["jar"])
        self.baskets.add("bob", ["plate", "jar"])
        self.baskets.add("eve", ["vase"])

    def test_most_customers_first(self):
        self.assertEqual(self.baskets.also_bought("plate", 2), ["jar", "bowl"])
        self.assertEqual(self.baskets.also_bought("jar", 2), ["plate", "bowl"])

    def test_a_customer_counts_once(self):
        for _ in range(5):
            self.baskets.add("ada", ["bowl", "plate"])
        self.assertEqual(self.baskets.also_bought("plate", 1), ["jar"])

    def test_filled_up_with_popular_ones(self):
        self.assertEqual(self.baskets.also_bought("vase", 2), ["jar", "plate"])
        self.assertNotIn("vase", self.baskets.also_bought("vase", 9))
        self.assertEqual(Baskets().also_bought("vase", 4), [])

    def test_popular(self):
        self.assertEqual(self.baskets.popular(3), ["jar", "plate", "bowl"])


class FollowerTest(unittest.TestCase):
    def test_reads_on_and_skips_what_is_no_order(self):
        asked = []
        good = ["1-0", ["order", '{"customer": "ada", "skus": ["plate", "bowl"]}']]
        bad = [["2-0", ["order", "{"]], ["3-0", ["other", "x"]], ["4-0", ["order", "[]"]]]
        replies = [[["orders:accepted", [good, *bad]]], None]

        def redis(*command):
            asked.append(command[-1])
            return replies.pop(0)

        baskets = Baskets()
        follower = Follower(baskets, None)
        self.assertFalse(follower.ready)
        follower.read(redis)
        follower.read(redis)
        self.assertTrue(follower.ready)
        self.assertEqual(asked, ["0-0", "4-0"])
        self.assertEqual(baskets.also_bought("plate", 4), ["bowl"])


if __name__ == "__main__":
    unittest.main()
