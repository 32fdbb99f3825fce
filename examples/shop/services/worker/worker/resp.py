"""A small Redis client (RESP2) over one connection."""

import socket


class RedisError(Exception):
    """Redis refused a command; the connection stays usable."""


class Redis:
    def __init__(self, address, password="", timeout=10.0):
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        if password:
            self("AUTH", password)

    def __call__(self, *args):
        """Runs one command; the reply is a str, an int, None or a list of these."""
        parts = [b"*%d\r\n" % len(args)]
        for arg in args:
            data = str(arg).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self._socket.sendall(b"".join(parts))
        reply = self._read()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def _read(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            data = self._file.read(number + 2)
            if len(data) != number + 2:
                raise ConnectionError("Redis closed the connection")
            return data[:-2].decode()
        if kind == b"*":
            return [self._read() for _ in range(number)]
        raise ConnectionError(f"not a Redis reply: {line!r}")

    def close(self):
        self._file.close()
        self._socket.close()
