"""A small PostgreSQL client: protocol 3.0, SCRAM-SHA-256, the extended query protocol with text values."""

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from contextlib import contextmanager

MECHANISM = b"SCRAM-SHA-256"
MAX_ITERATIONS = 1 << 20  # so that a hostile server cannot keep us computing


class PostgresError(Exception):
    """The server refused a statement; the connection stays usable."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('S')} {fields.get('C')}: {fields.get('M')}")
        self.code = fields.get("C", "")


class Scram:
    """The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password, user="", nonce=None):
        # PostgreSQL takes the user from the startup message and wants this one empty.
        self._password = password
        self._nonce = nonce or secrets.token_urlsafe(18)
        self._bare = f"n={user},r={self._nonce}"
        self._signature = None
        self.verified = False

    def first(self):
        return "n,," + self._bare

    def final(self, challenge):
        fields = dict(field.split("=", 1) for field in challenge.split(","))
        nonce, salt, rounds = fields["r"], base64.b64decode(fields["s"], validate=True), int(fields["i"])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ConnectionError("SCRAM challenge answers another nonce")
        if not salt or not 1 <= rounds <= MAX_ITERATIONS:
            raise ConnectionError(f"SCRAM challenge with iteration count {rounds}")
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), salt, rounds)
        client_key = _mac(salted, b"Client Key")
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self._bare},{challenge},{without_proof}".encode()
        signature = _mac(hashlib.sha256(client_key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self._signature = _mac(_mac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def verify(self, message):
        """Makes sure that the server knows the password too."""
        expected = "v=" + base64.b64encode(self._signature or secrets.token_bytes(32)).decode()
        if not hmac.compare_digest(message, expected):
            raise ConnectionError("the server's SCRAM proof is wrong")
        self.verified = True


class Postgres:
    def __init__(self, address, user, password, database, name, timeout=10.0):
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        settings = ("user", user, "database", database, "application_name", name, "client_encoding", "UTF8")
        body = struct.pack("!i", 3 << 16) + b"".join(s.encode() + b"\0" for s in settings) + b"\0"
        self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self._authenticate(password)

    def _authenticate(self, password):
        scram = None
        while True:
            kind, body = self._receive()
            if kind == b"E":
                raise PostgresError(_fields(body))
            if kind == b"Z":
                if scram and not scram.verified:
                    raise ConnectionError("the server never proved that it knows the password")
                return
            if kind != b"R":
                continue
            (step,), data = struct.unpack("!i", body[:4]), body[4:]
            if step == 10 and MECHANISM in data.split(b"\0"):
                scram = Scram(password)
                first = scram.first().encode()
                self._send(b"p", MECHANISM + b"\0" + struct.pack("!i", len(first)) + first)
            elif step == 11 and scram:
                self._send(b"p", scram.final(data.decode()).encode())
            elif step == 12 and scram:
                scram.verify(data.decode())
            elif step != 0:
                raise ConnectionError(f"authentication method {step} is not accepted, only {MECHANISM.decode()}")

    def query(self, statement, *args):
        """Runs one statement; $1, $2, … take args, which never become part of its text. Rows are lists of str or None."""
        bind = [b"\0\0\0\0", struct.pack("!h", len(args))]
        for arg in args:
            if arg is None:
                bind.append(struct.pack("!i", -1))
                continue
            data = str(arg).encode()
            if b"\0" in data:
                raise ValueError("a text argument holds a NUL byte")
            bind.append(struct.pack("!i", len(data)) + data)
        bind.append(b"\0\0")
        self._socket.sendall(
            _message(b"P", b"\0" + statement.encode() + b"\0\0\0")
            + _message(b"B", b"".join(bind))
            + _message(b"E", b"\0\0\0\0\0")
            + _message(b"S", b"")
        )
        rows, failure = [], None
        while True:
            kind, body = self._receive()
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                failure = PostgresError(_fields(body))
            elif kind == b"Z":
                if failure:
                    raise failure
                return rows

    @contextmanager
    def transaction(self):
        self.query("BEGIN")
        try:
            yield
        except OSError:
            raise  # the connection is lost: the server rolls back by itself
        except Exception:
            self.query("ROLLBACK")
            raise
        self.query("COMMIT")

    def close(self):
        self._file.close()
        self._socket.close()

    def _send(self, kind, body):
        self._socket.sendall(_message(kind, body))

    def _receive(self):
        head = self._file.read(5)
        if len(head) < 5:
            raise ConnectionError("PostgreSQL closed the connection")
        kind, size = struct.unpack("!ci", head)
        body = self._file.read(size - 4)
        if len(body) < size - 4:
            raise ConnectionError("PostgreSQL closed the connection")
        return kind, body


def _message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def _mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def _fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def _row(body):
    (count,) = struct.unpack_from("!h", body)
    row, at = [], 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        row.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return row
