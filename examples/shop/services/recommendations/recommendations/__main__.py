"""Answers "customers also bought" from the stream of accepted orders."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .baskets import Baskets
from .resp import Redis, RedisError

STREAM = "orders:accepted"
MAX_ITEMS = 20


class Follower(threading.Thread):
    """Reads the stream from its start, then waits for what is added."""

    def __init__(self, baskets, connect):
        super().__init__(daemon=True)
        self._baskets = baskets
        self._connect = connect
        self._last = "0-0"
        self.ready = False

    def run(self):
        while True:
            try:
                redis = self._connect()
                while True:
                    self.read(redis)
            except (OSError, RedisError) as error:
                log("starting over", error=str(error))
                time.sleep(1)

    def read(self, redis):
        reply = redis("XREAD", "COUNT", 500, "BLOCK", 1000, "STREAMS", STREAM, self._last)
        for _, entries in reply or []:
            for key, fields in entries:
                self._last = key
                try:
                    order = json.loads(dict(zip(fields[::2], fields[1::2]))["order"])
                    self._baskets.add(str(order["customer"]), [str(sku) for sku in order["skus"]])
                except (ValueError, KeyError, TypeError) as error:
                    log("entry skipped", entry=key, error=str(error))
        self.ready = True  # what came before is counted, or there was nothing


def handler(baskets, follower):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urlsplit(self.path)
            query = parse_qs(url.query)
            try:
                limit = min(max(int(query.get("limit", ["4"])[0]), 1), MAX_ITEMS)
            except ValueError:
                return self.reply(400, {"error": "limit is a number"})
            if url.path == "/healthz":
                return self.reply(200 if follower.is_alive() else 503, {"alive": follower.is_alive()})
            if url.path == "/readyz":
                return self.reply(200 if follower.ready else 503, {"ready": follower.ready})
            if url.path == "/popular":
                return self.reply(200, {"items": baskets.popular(limit)})
            if url.path == "/recommendations":
                sku = query.get("sku", [""])[0]
                return self.reply(200, {"sku": sku, "items": baskets.also_bought(sku, limit)})
            return self.reply(404, {"error": "not here"})

        def reply(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return Handler


class Server(ThreadingHTTPServer):
    # Connections that callers keep open must not hold up the end.
    daemon_threads = True
    block_on_close = False


def log(message, **fields):
    print(json.dumps({"time": time.strftime("%FT%TZ", time.gmtime()), "msg": message, **fields}), flush=True)


def main():
    baskets = Baskets()
    follower = Follower(
        baskets, lambda: Redis(os.environ.get("REDIS_ADDRESS", "redis:6379"), os.environ.get("REDIS_PASSWORD", ""))
    )
    follower.start()
    server = Server(("", int(os.environ.get("LISTEN_PORT", "8080"))), handler(baskets, follower))
    received = []

    def on_signal(number, _):
        received.append(number)
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    log("serving")
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    log("stopped")
    if received[0] == signal.SIGHUP:  # reload: the process starts over from its files, under the same pid
        os.execv(sys.executable, [sys.executable, "-m", "recommendations"])


if __name__ == "__main__":
    main()
