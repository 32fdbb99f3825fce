"""Tests of the store, and of the service over HTTP with the client that the hooks run."""

import json
import os
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from notifications import client
from notifications.__main__ import Handler, Server
from notifications.store import Store


class StoreTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.store = Store(directory.name, keep=3)
        self.addCleanup(self.store.close)

    def test_keeps_the_last_ones_newest_first(self):
        for number in range(5):
            self.assertTrue(self.store.add({"kind": "order.accepted", "order": str(number)}))
        self.assertEqual([event["order"] for event in self.store.events(10)], ["4", "3", "2"])

    def test_repeats_are_known(self):
        event = {"kind": "order.accepted", "order": "1"}
        self.assertEqual([self.store.add(event), self.store.add(event)], [True, False])
        self.assertEqual(len(self.store.events(10)), 1)

    def test_survives_a_restart(self):
        self.store.add({"kind": "order.accepted", "order": "1"})
        self.store.set_channel("a", "email", "x")
        self.store.set_channel("a", "webhook", "y")
        again = Store(self.directory, keep=3)
        self.addCleanup(again.close)
        self.assertEqual(len(again.events(10)), 1)
        self.assertEqual(again.channels(), [{"name": "a", "kind": "webhook", "target": "y"}])

    def test_backups_are_whole_and_few(self):
        self.store.add({"kind": "order.accepted", "order": "1"})
        names = [self.store.backup() for _ in range(5)]
        self.assertEqual(self.store.backups(), names[2:])


class ServiceTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        Handler.store = Store(directory.name, keep=100)
        self.addCleanup(Handler.store.close)
        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        client.URL = f"http://127.0.0.1:{server.server_address[1]}"
        client.PATIENCE_SECONDS = 0
        self.directory = directory.name

    def test_what_the_hooks_and_the_test_do(self):
        with self.assertRaises(SystemExit):
            client.check()  # nobody is told yet
        path = os.path.join(self.directory, "channels.json")
        with open(path, "w") as file:
            json.dump([{"name": "workshop", "kind": "email", "target": "workshop@example.com"}], file)
        os.environ["CHANNELS_FILE"] = path
        self.addCleanup(os.environ.pop, "CHANNELS_FILE")
        client.register()
        client.register()
        client.backup()
        client.check()
        self.assertEqual(len(client.call("GET", "/channels")["channels"]), 1)
        self.assertEqual(len(client.call("GET", "/backups")["backups"]), 1)

    def test_what_is_no_event(self):
        for body in (b"", b"[]", b"{}", b'{"kind": 1, "order": "x"}', b'{"kind": "a", "order": ""}'):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(client.URL + "/events", body, method="POST"))
            self.assertEqual(refused.exception.code, 400)
            refused.exception.close()


if __name__ == "__main__":
    unittest.main()
