"""A reliable queue in Redis: an entry stays in its worker's own list until the work is done."""

QUEUE = "orders:queue"
WORKERS = "orders:workers"
DEAD = "orders:malformed"
ALIVE_SECONDS = 30


class Queue:
    def __init__(self, redis, worker):
        self._redis = redis
        self._worker = worker
        self._own = _processing(worker)

    def recover(self):
        """Puts back what this worker and workers that are gone had begun. Returns how many entries."""
        self._redis("SADD", WORKERS, self._worker)
        self.heartbeat()
        returned = self._return(self._worker)
        for worker in self._redis("SMEMBERS", WORKERS):
            if worker != self._worker and not self._redis("EXISTS", _alive(worker)):
                returned += self._return(worker)
                self._redis("SREM", WORKERS, worker)
        return returned

    def heartbeat(self):
        self._redis("SET", _alive(self._worker), 1, "EX", ALIVE_SECONDS)

    def take(self, seconds):
        """Waits for an entry; None when there is none in time."""
        return self._redis("BLMOVE", QUEUE, self._own, "RIGHT", "LEFT", seconds)

    def done(self, entry):
        self._redis("LREM", self._own, 1, entry)

    def bury(self, entry):
        """Keeps an entry that nobody can work on, for people to look at."""
        self._redis("LPUSH", DEAD, entry)
        self._redis("LTRIM", DEAD, 0, 999)
        self.done(entry)

    def leave(self):
        self._return(self._worker)
        self._redis("SREM", WORKERS, self._worker)
        self._redis("DEL", _alive(self._worker))

    def _return(self, worker):
        count = 0
        while self._redis("LMOVE", _processing(worker), QUEUE, "LEFT", "RIGHT") is not None:
            count += 1
        return count


def _processing(worker):
    return f"orders:processing:{worker}"


def _alive(worker):
    return f"orders:alive:{worker}"
