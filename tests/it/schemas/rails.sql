-- What Active Record's migrations make of a shop: Rails' own tables, Active Storage's, Action Text's, and polymorphic references.
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE TYPE order_status AS ENUM ('cart', 'placed', 'paid', 'shipped', 'returned');
CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);
CREATE TABLE ar_internal_metadata (key varchar NOT NULL PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
CREATE TABLE users (
  id bigserial PRIMARY KEY, email varchar NOT NULL DEFAULT '', encrypted_password varchar NOT NULL DEFAULT '', reset_password_token varchar,
  reset_password_sent_at timestamp(6), remember_created_at timestamp(6), sign_in_count integer NOT NULL DEFAULT 0,
  current_sign_in_ip inet, locale varchar(5) NOT NULL DEFAULT 'en', preferences jsonb NOT NULL DEFAULT '{}', invited_by_id bigint,
  created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_users_on_email ON users (email);
CREATE UNIQUE INDEX index_users_on_reset_password_token ON users (reset_password_token);
CREATE TABLE products (
  id bigserial PRIMARY KEY, name varchar NOT NULL, slug varchar NOT NULL, description text, price_cents integer NOT NULL DEFAULT 0,
  price_currency varchar NOT NULL DEFAULT 'EUR', tags varchar[] NOT NULL DEFAULT '{}', search tsvector, published_on date,
  available_during tsrange, lock_version integer NOT NULL DEFAULT 0, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL,
  CONSTRAINT price_is_not_negative CHECK (price_cents >= 0), CONSTRAINT currency_is_a_code CHECK (price_currency::text ~ '^[A-Z]{3}$'::text)
);
CREATE UNIQUE INDEX index_products_on_slug ON products (slug);
CREATE TABLE orders (
  id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, number varchar NOT NULL, user_id bigint NOT NULL, status order_status NOT NULL DEFAULT 'cart',
  placed_at timestamp(6), paid_at timestamp(6), total numeric(10,2) NOT NULL, token varchar NOT NULL,
  created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL,
  CONSTRAINT paid_after_placed CHECK (paid_at IS NULL OR paid_at >= placed_at)
);
CREATE UNIQUE INDEX index_orders_on_number ON orders (number);
CREATE TABLE line_items (
  id bigserial PRIMARY KEY, order_id uuid NOT NULL, product_id bigint NOT NULL, position integer NOT NULL, quantity integer NOT NULL DEFAULT 1,
  unit_price numeric(10,2) NOT NULL, total numeric(12,2) GENERATED ALWAYS AS (unit_price * quantity) STORED,
  created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL, CONSTRAINT some_of_it CHECK (quantity > 0)
);
CREATE UNIQUE INDEX index_line_items_on_order_id_and_position ON line_items (order_id, position);
CREATE TABLE comments (
  id bigserial PRIMARY KEY, commentable_type varchar NOT NULL, commentable_id bigint NOT NULL, user_id bigint, parent_id bigint, body text NOT NULL,
  created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL
);
CREATE INDEX index_comments_on_commentable ON comments (commentable_type, commentable_id);
CREATE TABLE products_users (product_id bigint NOT NULL, user_id bigint NOT NULL);
CREATE UNIQUE INDEX index_products_users ON products_users (product_id, user_id);
CREATE TABLE active_storage_blobs (
  id bigserial PRIMARY KEY, key varchar NOT NULL, filename varchar NOT NULL, content_type varchar, metadata text, service_name varchar NOT NULL,
  byte_size bigint NOT NULL, checksum varchar, created_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_active_storage_blobs_on_key ON active_storage_blobs (key);
CREATE TABLE active_storage_attachments (
  id bigserial PRIMARY KEY, name varchar NOT NULL, record_type varchar NOT NULL, record_id bigint NOT NULL, blob_id bigint NOT NULL, created_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_active_storage_attachments_uniqueness ON active_storage_attachments (record_type, record_id, name, blob_id);
CREATE TABLE active_storage_variant_records (id bigserial PRIMARY KEY, blob_id bigint NOT NULL, variation_digest varchar NOT NULL);
CREATE UNIQUE INDEX index_active_storage_variant_records_uniqueness ON active_storage_variant_records (blob_id, variation_digest);
CREATE TABLE action_text_rich_texts (
  id bigserial PRIMARY KEY, name varchar NOT NULL, body text, record_type varchar NOT NULL, record_id bigint NOT NULL,
  created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_action_text_rich_texts_uniqueness ON action_text_rich_texts (record_type, record_id, name);
ALTER TABLE users ADD CONSTRAINT fk_rails_users_inviter FOREIGN KEY (invited_by_id) REFERENCES users ON DELETE SET NULL;
ALTER TABLE orders ADD CONSTRAINT fk_rails_orders_users FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE line_items ADD CONSTRAINT fk_rails_items_orders FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE;
ALTER TABLE line_items ADD CONSTRAINT fk_rails_items_products FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE comments ADD CONSTRAINT fk_rails_comments_users FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE comments ADD CONSTRAINT fk_rails_comments_parent FOREIGN KEY (parent_id) REFERENCES comments;
ALTER TABLE products_users ADD CONSTRAINT fk_rails_wishes_products FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE products_users ADD CONSTRAINT fk_rails_wishes_users FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE active_storage_attachments ADD CONSTRAINT fk_rails_c3b3935057 FOREIGN KEY (blob_id) REFERENCES active_storage_blobs;
ALTER TABLE active_storage_variant_records ADD CONSTRAINT fk_rails_993965df05 FOREIGN KEY (blob_id) REFERENCES active_storage_blobs;
