"""What happens to an order: stock is taken, the order is written, others are told."""

import json
import urllib.request


class Malformed(Exception):
    """An entry of the queue that is no order; trying again would not help."""


class Unheard(Exception):
    """The notifications service did not take an event."""


def parse(entry):
    try:
        order = json.loads(entry)
        items = {str(item["sku"]): int(item["quantity"]) for item in order["items"]}
        if not items or min(items.values()) < 1:
            raise ValueError("no items")
        return {
            "id": str(order["id"]),
            "customer": str(order["customer"]),
            "placed_at": str(order["placed_at"]),
            "items": items,
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(str(error)) from error


def store(database, order):
    """Writes the order and returns its status. An order that is there already is left alone: delivery is at least once."""
    with database.transaction():
        fresh = database.query(
            "INSERT INTO orders (id, customer, status, total_cents, placed_at) VALUES ($1, $2, 'accepted', 0, $3)"
            " ON CONFLICT (id) DO NOTHING RETURNING id",
            order["id"], order["customer"], order["placed_at"],
        )
        if not fresh:
            return database.query("SELECT status FROM orders WHERE id = $1", order["id"])[0][0]
        total, missing = 0, None
        database.query("SAVEPOINT stock")
        for sku, quantity in sorted(order["items"].items()):  # in one order everywhere: no deadlocks
            taken = database.query(
                "UPDATE products SET stock = stock - $2 WHERE sku = $1 AND stock >= $2 RETURNING price_cents", sku, quantity
            )
            if not taken:
                missing = sku
                break
            price = int(taken[0][0])
            total += price * quantity
            database.query(
                "INSERT INTO order_items (order_id, sku, quantity, price_cents) VALUES ($1, $2, $3, $4)",
                order["id"], sku, quantity, price,
            )
        if missing is None:
            database.query("UPDATE orders SET total_cents = $2 WHERE id = $1", order["id"], total)
            return "accepted"
        database.query("ROLLBACK TO SAVEPOINT stock")
        database.query(
            "UPDATE orders SET status = 'rejected', reason = $2, updated_at = now() WHERE id = $1",
            order["id"], f"{missing} is not in stock",
        )
        return "rejected"


def publish(redis, order):
    """Appends the order to the stream that recommendations are computed from."""
    redis(
        "XADD", "orders:accepted", "MAXLEN", "~", 10000, "*",
        "order", json.dumps({"customer": order["customer"], "skus": sorted(order["items"])}),
    )


def notify(url, event):
    """Posts one event."""
    request = urllib.request.Request(
        url + "/events", json.dumps(event).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=3):
            pass
    except OSError as error:
        raise Unheard(str(error)) from error


def confirm_waiting(database, url, older_than="0 seconds"):
    """Tells the notifications service of accepted orders that it has not heard of, and confirms them."""
    confirmed = 0
    while True:
        with database.transaction():
            rows = database.query(
                "SELECT id, customer, total_cents FROM orders WHERE status = 'accepted' AND updated_at <= now() - $1::interval"
                " ORDER BY placed_at LIMIT 20 FOR UPDATE SKIP LOCKED",
                older_than,
            )
            for order, customer, total in rows:
                notify(url, {"kind": "order.accepted", "order": order, "customer": customer, "total_cents": int(total)})
                database.query("UPDATE orders SET status = 'confirmed', updated_at = now() WHERE id = $1", order)
        confirmed += len(rows)
        if len(rows) < 20:
            return confirmed
