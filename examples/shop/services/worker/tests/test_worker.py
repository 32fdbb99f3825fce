"""Tests of the queue, the orders and the PostgreSQL client; with real stores where TEST_DATABASE_ADDRESS and
TEST_REDIS_ADDRESS name them (the database migrated, the Redis one of its own)."""

import json
import os
import unittest
import uuid

from worker import orders
from worker.postgres import Postgres, PostgresError, Scram
from worker.queue import QUEUE, Queue
from worker.resp import Redis


class ScramTest(unittest.TestCase):
    """The exchange of RFC 7677, section 3."""

    CHALLENGE = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

    def setUp(self):
        self.scram = Scram("pencil", "user", "rOprNGfwEbeRWgbNEkqO")

    def test_the_standards_example(self):
        self.assertEqual(self.scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        self.assertEqual(
            self.scram.final(self.CHALLENGE),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        )
        self.scram.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        self.assertTrue(self.scram.verified)

    def test_impostors(self):
        for challenge in (
            self.CHALLENGE.replace("r=rO", "r=xx"),
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            self.CHALLENGE.replace("4096", "2000000000"),
        ):
            with self.assertRaises(ConnectionError):
                self.scram.final(challenge)
        self.scram.final(self.CHALLENGE)
        with self.assertRaises(ConnectionError):
            self.scram.verify("v=AAAA")


class ParseTest(unittest.TestCase):
    def test_what_is_no_order(self):
        for entry in ("", "[]", "{}", '{"id":"1","customer":"a","placed_at":"x","items":[]}',
                      '{"id":"1","customer":"a","placed_at":"x","items":[{"sku":"a","quantity":0}]}'):
            with self.assertRaises(orders.Malformed):
                orders.parse(entry)


class FakeRedis:
    """As much of Redis as the queue uses."""

    def __init__(self):
        self.lists, self.sets, self.keys = {}, {}, set()

    def __call__(self, command, *args):
        if command in ("LMOVE", "BLMOVE"):
            source, target = self.lists.setdefault(args[0], []), self.lists.setdefault(args[1], [])
            if not source:
                return None
            entry = source.pop(0 if args[2] == "LEFT" else -1)
            target.insert(0 if args[3] == "LEFT" else len(target), entry)
            return entry
        if command == "LPUSH":
            self.lists.setdefault(args[0], []).insert(0, args[1])
        elif command == "LREM":
            self.lists[args[0]].remove(args[2])
        elif command == "SADD":
            self.sets.setdefault(args[0], set()).add(args[1])
        elif command == "SREM":
            self.sets[args[0]].discard(args[1])
        elif command == "SMEMBERS":
            return sorted(self.sets[args[0]])
        elif command == "SET":
            self.keys.add(args[0])
        elif command == "DEL":
            self.keys.discard(args[0])
        elif command == "EXISTS":
            return int(args[0] in self.keys)


class QueueTest(unittest.TestCase):
    def setUp(self):
        self.redis = FakeRedis()

    def test_first_in_first_out(self):
        queue = Queue(self.redis, "a")
        for entry in ("1", "2"):
            self.redis("LPUSH", QUEUE, entry)
        self.assertEqual([queue.take(1), queue.take(1), queue.take(1)], ["1", "2", None])

    def test_what_a_lost_worker_had_begun_goes_back_in_order(self):
        lost, other = Queue(self.redis, "lost"), Queue(self.redis, "other")
        lost.recover()
        for entry in ("1", "2", "3"):
            self.redis("LPUSH", QUEUE, entry)
        lost.take(1), lost.take(1)
        self.assertEqual(other.recover(), 0)  # it is alive as yet
        self.redis.keys.clear()
        self.assertEqual(other.recover(), 2)
        self.assertEqual([other.take(1) for _ in range(3)], ["1", "2", "3"])

    def test_a_worker_that_comes_back_takes_up_its_own(self):
        self.redis("LPUSH", QUEUE, "1")
        Queue(self.redis, "a").take(1)
        again = Queue(self.redis, "a")
        self.assertEqual(again.recover(), 1)
        self.assertEqual(again.take(1), "1")
        again.done("1")
        again.leave()
        self.assertIsNone(again.take(1))


@unittest.skipUnless(os.environ.get("TEST_DATABASE_ADDRESS"), "TEST_DATABASE_ADDRESS names no server")
class DatabaseTest(unittest.TestCase):
    def setUp(self):
        self.database = Postgres(
            os.environ["TEST_DATABASE_ADDRESS"], "shop", os.environ.get("TEST_DATABASE_PASSWORD", ""), "shop", "test"
        )
        self.addCleanup(self.database.close)

    def order(self, **items):
        return orders.parse(json.dumps({
            "id": str(uuid.uuid4()), "customer": "o'brien@example.com", "placed_at": "2026-01-01T00:00:00Z",
            "items": [{"sku": sku.replace("_", "-"), "quantity": quantity} for sku, quantity in items.items()],
        }))

    def stock(self, sku):
        return int(self.database.query("SELECT stock FROM products WHERE sku = $1", sku)[0][0])

    def test_values_go_both_ways(self):
        text = "ö'\"\\$1\n€"
        self.assertEqual(self.database.query("SELECT $1::text, $2::int + 1, $3::text", text, 41, None), [[text, "42", None]])
        with self.assertRaises(PostgresError):
            self.database.query("SELECT nonsense")
        self.assertEqual(self.database.query("SELECT 1"), [["1"]])

    def test_an_order_is_stored_once_and_takes_stock(self):
        order, before = self.order(plate=2, tea_bowl=1), self.stock("plate")
        self.assertEqual(orders.store(self.database, order), "accepted")
        self.assertEqual(orders.store(self.database, order), "accepted")
        self.assertEqual(self.stock("plate"), before - 2)
        total = self.database.query("SELECT total_cents FROM orders WHERE id = $1", order["id"])
        self.assertEqual(total, [[str(2 * 3900 + 3400)]])

    def test_without_stock_nothing_is_taken(self):
        order, before = self.order(plate=1, nothing=1), self.stock("plate")
        self.assertEqual(orders.store(self.database, order), "rejected")
        self.assertEqual(self.stock("plate"), before)

    def test_an_order_is_confirmed_when_others_have_heard_of_it(self):
        order = self.order(plate=1)
        orders.store(self.database, order)
        with self.assertRaises(orders.Unheard):
            orders.confirm_waiting(self.database, "http://127.0.0.1:1")
        status = "SELECT status FROM orders WHERE id = $1"
        self.assertEqual(self.database.query(status, order["id"]), [["accepted"]])


@unittest.skipUnless(os.environ.get("TEST_REDIS_ADDRESS"), "TEST_REDIS_ADDRESS names no server")
class RedisTest(unittest.TestCase):
    def test_values_go_both_ways(self):
        redis = Redis(os.environ["TEST_REDIS_ADDRESS"], os.environ.get("TEST_REDIS_PASSWORD", ""))
        self.addCleanup(redis.close)
        key = f"test:{uuid.uuid4()}"
        redis("SET", key, "a b\r\n€", "EX", 10)
        self.assertEqual(redis("GET", key), "a b\r\n€")
        self.assertIsNone(redis("GET", key + "-"))
        queue = Queue(redis, key)
        queue.recover()
        self.assertIsNone(redis("BLMOVE", key + "-", key + "2", "RIGHT", "LEFT", 0.1))
        queue.leave()


if __name__ == "__main__":
    unittest.main()
