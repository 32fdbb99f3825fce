"""What the chart's hooks and test run: `python -m notifications.client register|backup|check`."""

import json
import os
import sys
import time
import urllib.request
import uuid

URL = os.environ.get("NOTIFICATIONS_URL", "http://notifications:8080").rstrip("/")
PATIENCE_SECONDS = float(os.environ.get("PATIENCE_SECONDS", "120"))


def call(method, path, body=None):
    request = urllib.request.Request(URL + path, json.dumps(body or {}).encode() if method != "GET" else None, method=method)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def patiently(method, path, body=None):
    """The service may still be starting: an install hook runs as soon as the objects exist."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call(method, path, body)
        except OSError as error:
            if time.monotonic() >= end:
                raise
            print(f"{URL} does not answer yet: {error}", flush=True)
            time.sleep(2)


def register():
    """Makes the channels listed in a file known."""
    with open(os.environ.get("CHANNELS_FILE", "/etc/notifications/channels.json")) as file:
        channels = json.load(file)
    for channel in channels:
        patiently("PUT", "/channels/" + channel["name"], channel)
        print("registered", channel["name"])


def backup():
    """Has the running release keep a copy of its store, before the next one opens it."""
    print("backup", patiently("POST", "/backups")["backup"])


def check():
    """Sends an event and finds it again."""
    order = str(uuid.uuid4())
    patiently("POST", "/events", {"kind": "test", "order": order})
    if order not in [event["order"] for event in call("GET", "/events?limit=50")["events"]]:
        sys.exit("the event that was sent is not among the last ones")
    if not call("GET", "/channels")["channels"]:
        sys.exit("no channel is registered")
    print("delivered and kept")


if __name__ == "__main__":
    {"register": register, "backup": backup, "check": check}[sys.argv[1]]()
