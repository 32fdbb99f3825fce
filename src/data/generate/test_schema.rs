//! Tables to test with, and a shop of them.

use std::collections::BTreeMap;

use crate::data::schema::{Column, ColumnType, ForeignKey, Made, Schema, Table, TableName, Unique};

/// A column that cannot be null.
pub(crate) fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.into(), kind, not_null: true, default: None, made: Made::Plain }
}

/// A table of the schema `public`.
pub(crate) fn table(name: &str, columns: Vec<Column>) -> Table {
    Table {
        name: TableName::new("public", name),
        columns,
        primary_key: Vec::new(),
        uniques: Vec::new(),
        foreign_keys: Vec::new(),
        checks: BTreeMap::new(),
        partitioning: None,
        inherits: None,
        rows: 0,
    }
}

/// A foreign key of the table `from`.
pub(crate) fn key(from: &str, columns: &[&str], table: &str, references: &[&str]) -> ForeignKey {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ForeignKey {
        name: format!("{from}_{}_fkey", columns.join("_")),
        columns: owned(columns),
        table: TableName::new("public", table),
        references: owned(references),
    }
}

fn nullable(name: &str, kind: ColumnType) -> Column {
    Column { not_null: false, ..column(name, kind) }
}

/// Columns that are unique.
pub(super) fn unique(columns: &[&str]) -> Unique {
    Unique { columns: columns.iter().map(|name| (*name).to_owned()).collect(), nulls_not_distinct: false }
}

/// Customers, products, orders and their items, and a tree of categories.
pub(crate) fn shop() -> Schema {
    let mut tables = vec![categories(), customers(), items(), orders(), products()];
    for table in &mut tables {
        let key = if table.name.name == "order_items" { vec!["order_id", "product_id"] } else { vec!["id"] };
        table.primary_key = key.into_iter().map(str::to_owned).collect();
    }
    let labels = ["new", "paid", "shipped", "cancelled"].map(str::to_owned).to_vec();
    Schema { tables, enums: BTreeMap::from([("public.order_status".into(), labels)]), ..Schema::default() }
}

const AMOUNT: ColumnType = ColumnType::Numeric { precision: Some(10), scale: 2 };
const TIME: ColumnType = ColumnType::Timestamp { zoned: true };

fn id() -> Column {
    column("id", ColumnType::Integer)
}

fn categories() -> Table {
    let columns = vec![id(), nullable("parent_id", ColumnType::Integer), column("name", ColumnType::Text)];
    let mut made = table("categories", columns);
    made.foreign_keys.push(key("categories", &["parent_id"], "categories", &["id"]));
    made
}

fn customers() -> Table {
    let columns = vec![
        id(),
        column("email", ColumnType::VarChar(80)),
        column("first_name", ColumnType::Text),
        column("last_name", ColumnType::Text),
        nullable("age", ColumnType::Integer),
        column("created_at", TIME),
    ];
    let mut made = table("customers", columns);
    made.uniques.push(unique(&["email"]));
    made.checks.insert("customers_age_check".into(), "(((age >= 18) AND (age <= 120)))".into());
    made
}

fn products() -> Table {
    let columns = vec![
        id(),
        column("sku", ColumnType::VarChar(20)),
        column("name", ColumnType::Text),
        column("price", AMOUNT),
        nullable("sale_price", AMOUNT),
    ];
    let mut made = table("products", columns);
    made.uniques.push(unique(&["sku"]));
    made.checks.insert("products_price_check".into(), "((price > (0)::numeric))".into());
    made.checks.insert("products_check".into(), "((sale_price <= price))".into());
    made
}

fn orders() -> Table {
    let columns = vec![
        id(),
        column("customer_id", ColumnType::Integer),
        column("status", ColumnType::Enum("public.order_status".into())),
        column("created_at", TIME),
        nullable("paid_at", TIME),
        nullable("shipped_at", TIME),
        column("total", AMOUNT),
        nullable("note", ColumnType::Text),
    ];
    let mut made = table("orders", columns);
    made.foreign_keys.push(key("orders", &["customer_id"], "customers", &["id"]));
    made.checks.insert("orders_check".into(), "((paid_at >= created_at))".into());
    made
}

fn items() -> Table {
    let columns = vec![
        column("order_id", ColumnType::Integer),
        column("product_id", ColumnType::Integer),
        column("quantity", ColumnType::Integer),
        nullable("discount", AMOUNT),
    ];
    let mut made = table("order_items", columns);
    made.foreign_keys.push(key("order_items", &["order_id"], "orders", &["id"]));
    made.foreign_keys.push(key("order_items", &["product_id"], "products", &["id"]));
    made.checks.insert("order_items_quantity_check".into(), "((quantity > 0))".into());
    made
}

/// Tenants, to whom everything belongs: keys share the tenant's column.
pub(crate) fn tenants() -> Schema {
    let number = |name: &str| column(name, ColumnType::Integer);
    let mut tenants = table("tenants", vec![number("id"), column("name", ColumnType::Text)]);
    tenants.primary_key = vec!["id".into()];
    let of_tenant = |name: &str| {
        let mut made = table(name, vec![number("tenant_id"), number("id"), column("name", ColumnType::Text)]);
        made.primary_key = vec!["tenant_id".into(), "id".into()];
        made.foreign_keys.push(key(name, &["tenant_id"], "tenants", &["id"]));
        made
    };
    let columns = vec![
        number("tenant_id"),
        number("id"),
        number("customer_id"),
        number("product_id"),
        nullable("gift_id", ColumnType::Integer),
    ];
    let mut orders = table("orders", columns);
    orders.primary_key = vec!["tenant_id".into(), "id".into()];
    orders.foreign_keys.push(key("orders", &["tenant_id"], "tenants", &["id"]));
    for (column, of) in [("customer_id", "customers"), ("product_id", "products"), ("gift_id", "products")] {
        orders.foreign_keys.push(key("orders", &["tenant_id", column], of, &["tenant_id", "id"]));
    }
    let tables = vec![of_tenant("customers"), orders, of_tenant("products"), tenants];
    Schema { tables, ..Schema::default() }
}

/// People who follow each other, never themselves, and who have a superior.
pub(crate) fn followers() -> Schema {
    let number = |name: &str| column(name, ColumnType::Integer);
    let mut people = table("people", vec![number("id"), nullable("superior_id", ColumnType::Integer)]);
    people.primary_key = vec!["id".into()];
    people.foreign_keys.push(key("people", &["superior_id"], "people", &["id"]));
    people.checks.insert("people_check".into(), "((superior_id <> id))".into());
    let mut follows = table("follows", vec![number("follower_id"), number("followed_id")]);
    follows.primary_key = vec!["follower_id".into(), "followed_id".into()];
    for column in ["follower_id", "followed_id"] {
        follows.foreign_keys.push(key("follows", &[column], "people", &["id"]));
    }
    follows.checks.insert("follows_check".into(), "((follower_id <> followed_id))".into());
    Schema { tables: vec![follows, people], ..Schema::default() }
}
