"""Who bought what, and what follows from it. Everything fits in memory: the stream it comes from is bounded."""

import threading
from collections import Counter, defaultdict


class Baskets:
    def __init__(self):
        self._lock = threading.Lock()
        self._bought = defaultdict(set)  # customer -> SKUs
        self._together = defaultdict(Counter)  # SKU -> SKU -> customers who bought both
        self._count = Counter()  # SKU -> orders

    def add(self, customer, skus):
        skus = set(skus)
        with self._lock:
            self._count.update(skus)
            before = self._bought[customer]
            for sku in skus - before:
                for other in (before | skus) - {sku}:
                    # A pair that is new altogether is met from both sides; one with an older half from this side alone.
                    self._together[sku][other] += 1
                    if other in before:
                        self._together[other][sku] += 1
            before |= skus

    def also_bought(self, sku, limit):
        """SKUs bought by the customers of this one, most customers first; filled up with popular ones."""
        with self._lock:
            found = _ranked(self._together.get(sku, {}))
            popular = [other for other in _ranked(self._count) if other != sku and other not in found]
        return (found + popular)[:limit]

    def popular(self, limit):
        with self._lock:
            return _ranked(self._count)[:limit]


def _ranked(counts):
    return sorted(counts, key=lambda sku: (-counts[sku], sku))
