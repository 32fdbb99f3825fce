"""Settings from the environment, and connections made from them."""

import os
import socket

from .postgres import Postgres
from .resp import Redis

NAME = os.environ.get("POD_NAME") or socket.gethostname()
NOTIFICATIONS_URL = os.environ.get("NOTIFICATIONS_URL", "http://notifications:8080").rstrip("/")
LISTEN_PORT = int(os.environ.get("LISTEN_PORT", "8080"))


def redis():
    return Redis(os.environ.get("REDIS_ADDRESS", "redis:6379"), os.environ.get("REDIS_PASSWORD", ""))


def postgres(name="worker"):
    return Postgres(
        os.environ.get("DATABASE_ADDRESS", "postgres:5432"),
        os.environ.get("DATABASE_USER", "shop"),
        os.environ.get("DATABASE_PASSWORD", ""),
        os.environ.get("DATABASE_NAME", "shop"),
        name,
    )
