"""Takes orders from Redis, writes them to PostgreSQL and tells the notifications service."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import orders, settings
from .postgres import PostgresError
from .queue import Queue
from .resp import RedisError

STALLED_SECONDS = 60


class State:
    ready = False
    beat = time.monotonic()
    stopping = False
    reload = False


class Probes(BaseHTTPRequestHandler):
    def do_GET(self):
        alive = time.monotonic() - State.beat < STALLED_SECONDS
        good = {"/healthz": alive, "/readyz": State.ready and not State.stopping}.get(self.path)
        self.send_response(404 if good is None else 200 if good else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


class Stop(BaseException):
    """Raised by the signal handler, so that waiting for an order ends at once."""


class Work:
    """One session: a connection to each store, used until either fails."""

    def __init__(self):
        self.redis = settings.redis()
        self.database = settings.postgres()
        self.queue = Queue(self.redis, settings.NAME)
        self.next_care = 0.0
        self.silence_until = 0.0
        self.busy = False

    def run(self):
        while not State.stopping:
            State.beat = time.monotonic()
            if time.monotonic() >= self.next_care:
                self.care()
            entry = self.queue.take(2)
            if entry is not None:
                self.busy = True  # from here the signal handler lets us finish
                self.one(entry)
                self.busy = False

    def one(self, entry):
        try:
            order = orders.parse(entry)
            status = orders.store(self.database, order)
        except (orders.Malformed, PostgresError) as error:
            # 22 and 23: the entry's own values are at fault. Anything else is the database's trouble.
            if isinstance(error, PostgresError) and error.code[:2] not in ("22", "23"):
                raise
            log("order cannot be read", error=str(error))
            self.queue.bury(entry)
            return
        if status == "accepted":
            orders.publish(self.redis, order)
        self.queue.done(entry)
        log("order stored", order=order["id"], status=status)
        self.confirm()

    def confirm(self):
        if time.monotonic() < self.silence_until:
            return
        try:
            orders.confirm_waiting(self.database, settings.NOTIFICATIONS_URL)
        except orders.Unheard as error:
            # The order is safe; it is confirmed when the notifications service is back.
            log("notifications do not answer", error=str(error))
            self.silence_until = time.monotonic() + 5

    def care(self):
        returned = self.queue.recover()
        if returned:
            log("orders taken back", count=returned)
        self.confirm()
        # Ready only with a schema to write to: the migration may still be under way.
        self.database.query("SELECT 1 FROM orders LIMIT 1")
        State.ready = True
        self.next_care = time.monotonic() + 10

    def close(self):
        for connection in (self.redis, self.database):
            connection.close()


def log(message, **fields):
    print(json.dumps({"time": time.strftime("%FT%TZ", time.gmtime()), "msg": message, **fields}), flush=True)


def main():
    work = None

    def on_signal(number, _):
        State.stopping = True
        State.reload = number == signal.SIGHUP
        if work is None or not work.busy:
            raise Stop

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGHUP, on_signal)  # reload: the process starts over from its files, under the same pid
    try:
        probes = ThreadingHTTPServer(("", settings.LISTEN_PORT), Probes)
        threading.Thread(target=probes.serve_forever, daemon=True).start()
        log("working", name=settings.NAME)
        while not State.stopping:
            try:
                work = Work()
                work.run()
            except (OSError, RedisError, PostgresError) as error:
                State.ready = False
                log("starting over", error=str(error))
                if work:
                    work.close()
                    work = None
                State.beat = time.monotonic()
                time.sleep(1)
    except Stop:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        if not State.reload:
            # Over a new connection: the old one may be in the middle of a reply.
            Queue(settings.redis(), settings.NAME).leave()
    except (OSError, RedisError) as error:
        log("left without a word", error=str(error))
    log("stopped")
    if State.reload:
        os.execv(sys.executable, [sys.executable, "-m", "worker"])


if __name__ == "__main__":
    main()
