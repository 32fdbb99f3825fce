"""The nightly report: what was sold on a day, kept in the database. Run as `python -m worker.report [YYYY-MM-DD]`."""

import json
import sys

from . import settings


def main(day=None):
    database = settings.postgres("report")
    # The day before, unless one is named; a second run of the same day replaces the first.
    rows = database.query(
        """
        INSERT INTO reports (day, orders, pieces, revenue_cents)
        SELECT d.day, count(DISTINCT o.id), coalesce(sum(i.quantity), 0), coalesce(sum(i.quantity * i.price_cents), 0)
        FROM (SELECT coalesce($1::date, current_date - 1) AS day) d
        LEFT JOIN orders o ON o.placed_at >= d.day AND o.placed_at < d.day + 1 AND o.status <> 'rejected'
        LEFT JOIN order_items i ON i.order_id = o.id
        GROUP BY d.day
        ON CONFLICT (day) DO UPDATE SET orders = excluded.orders, pieces = excluded.pieces,
            revenue_cents = excluded.revenue_cents, written_at = now()
        RETURNING day, orders, pieces, revenue_cents
        """,
        day,
    )
    day, orders, pieces, revenue = rows[0]
    print(json.dumps({"day": day, "orders": int(orders), "pieces": int(pieces), "revenue_cents": int(revenue)}))
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:2])
