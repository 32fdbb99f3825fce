"""The last events and the channels they go to, in SQLite."""

import json
import os
import sqlite3
import threading
import time

KEPT_BACKUPS = 3


class Store:
    def __init__(self, directory, keep):
        self._directory = directory
        self._keep = keep
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            os.path.join(directory, "notifications.sqlite"), check_same_thread=False, isolation_level=None
        )
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS events (
                id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, body TEXT NOT NULL, received REAL NOT NULL);
            CREATE TABLE IF NOT EXISTS channels (name TEXT PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL);
            """
        )

    def add(self, event):
        """Keeps an event. One that came before, by kind and order, is known already: senders may repeat themselves."""
        key = f"{event['kind']}/{event['order']}"
        with self._lock:
            new = self._database.execute(
                "INSERT INTO events (key, body, received) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, json.dumps(event), time.time()),
            ).rowcount
            self._database.execute(
                "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (self._keep,)
            )
        return bool(new)

    def events(self, limit):
        with self._lock:
            rows = self._database.execute(
                "SELECT id, body, received FROM events ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [{"id": number, "received": received, **json.loads(body)} for number, body, received in rows]

    def set_channel(self, name, kind, target):
        with self._lock:
            self._database.execute(
                "INSERT INTO channels VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, target = excluded.target",
                (name, kind, target),
            )

    def channels(self):
        with self._lock:
            rows = self._database.execute("SELECT name, kind, target FROM channels ORDER BY name").fetchall()
        return [dict(zip(("name", "kind", "target"), row)) for row in rows]

    def backup(self):
        """Writes a copy beside the store, drops old ones, and returns the copy's name."""
        name = f"backup-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09d}.sqlite"
        with self._lock:
            self._database.execute("VACUUM INTO ?", (os.path.join(self._directory, name),))
        for old in self.backups()[:-KEPT_BACKUPS]:
            os.unlink(os.path.join(self._directory, old))
        return name

    def backups(self):
        return sorted(name for name in os.listdir(self._directory) if name.startswith("backup-"))

    def close(self):
        with self._lock:
            self._database.close()
