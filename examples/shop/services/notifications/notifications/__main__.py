"""Receives the shop's events, keeps the last ones and shows where they go."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .store import Store

MAX_BODY = 1 << 16


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path in ("/healthz", "/readyz"):
            self.reply(200, {"channels": len(self.store.channels())})
        elif url.path == "/events":
            try:
                limit = min(max(int(parse_qs(url.query).get("limit", ["20"])[0]), 1), 1000)
            except ValueError:
                return self.reply(400, {"error": "limit is a number"})
            self.reply(200, {"events": self.store.events(limit)})
        elif url.path == "/channels":
            self.reply(200, {"channels": self.store.channels()})
        elif url.path == "/backups":
            self.reply(200, {"backups": self.store.backups()})
        else:
            self.reply(404, {"error": "not here"})

    def do_POST(self):
        try:
            size = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            size = -1
        if not 0 <= size <= MAX_BODY:
            self.close_connection = True
            return self.reply(413, {"error": "too large"})
        body = self.rfile.read(size)
        if self.path == "/backups":
            name = self.store.backup()
            log("backup written", name=name)
            return self.reply(201, {"backup": name})
        if self.path != "/events":
            return self.reply(404, {"error": "not here"})
        try:
            event = json.loads(body)
            if not all(isinstance(event.get(field), str) and event[field] for field in ("kind", "order")):
                raise ValueError("an event has a kind and an order")
        except (ValueError, AttributeError) as error:
            return self.reply(400, {"error": str(error)})
        if self.store.add(event):
            for channel in self.store.channels():
                # This demonstration shop sends nothing to anybody: it says what it would have sent.
                log("notify", channel=channel["name"], target=channel["target"], kind=event["kind"], order=event["order"])
        self.reply(202, {"status": "kept"})

    def do_PUT(self):
        size = min(int(self.headers.get("Content-Length", "0") or 0), MAX_BODY)
        body = self.rfile.read(size)
        prefix, _, name = self.path.rpartition("/")
        if prefix != "/channels" or not name:
            return self.reply(404, {"error": "not here"})
        try:
            channel = json.loads(body)
            self.store.set_channel(name, str(channel["kind"]), str(channel["target"]))
        except (ValueError, KeyError, TypeError) as error:
            return self.reply(400, {"error": str(error)})
        self.reply(200, {"channel": name})

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    # Connections that callers keep open must not hold up the end.
    daemon_threads = True
    block_on_close = False


def log(message, **fields):
    print(json.dumps({"time": time.strftime("%FT%TZ", time.gmtime()), "msg": message, **fields}), flush=True)


def main():
    Handler.store = Store(os.environ.get("DATA_DIRECTORY", "/data"), int(os.environ.get("KEEP", "500")))
    server = Server(("", int(os.environ.get("LISTEN_PORT", "8080"))), Handler)
    received = []

    def on_signal(number, _):
        received.append(number)
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    log("serving")
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    Handler.store.close()
    log("stopped")
    if received[0] == signal.SIGHUP:  # reload: the process starts over from its files, under the same pid
        os.execv(sys.executable, [sys.executable, "-m", "notifications"])


if __name__ == "__main__":
    main()
