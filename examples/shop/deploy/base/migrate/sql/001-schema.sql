-- The schema. Every statement may run again.
CREATE TABLE IF NOT EXISTS products (
    sku         text PRIMARY KEY CHECK (sku ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name        text NOT NULL,
    kind        text NOT NULL,
    description text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0),
    stock       integer NOT NULL CHECK (stock >= 0),
    position    integer NOT NULL,
    height      integer NOT NULL CHECK (height BETWEEN 5 AND 85),
    profile     text NOT NULL,
    glaze       text NOT NULL CHECK (glaze ~ '^#[0-9a-f]{6}$')
);

CREATE TABLE IF NOT EXISTS orders (
    id          uuid PRIMARY KEY,
    customer    text NOT NULL,
    status      text NOT NULL CHECK (status IN ('accepted', 'confirmed', 'rejected')),
    reason      text,
    total_cents bigint NOT NULL,
    placed_at   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS orders_placed_at ON orders (placed_at DESC, id);
CREATE INDEX IF NOT EXISTS orders_unconfirmed ON orders (placed_at) WHERE status = 'accepted';

CREATE TABLE IF NOT EXISTS order_items (
    order_id    uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sku         text NOT NULL REFERENCES products (sku),
    quantity    integer NOT NULL CHECK (quantity > 0),
    price_cents integer NOT NULL,
    PRIMARY KEY (order_id, sku)
);

CREATE TABLE IF NOT EXISTS reports (
    day           date PRIMARY KEY,
    orders        bigint NOT NULL,
    pieces        bigint NOT NULL,
    revenue_cents bigint NOT NULL,
    written_at    timestamptz NOT NULL DEFAULT now()
);
