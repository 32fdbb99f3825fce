//! Whether all that a statement does stands in it: no function that could do anything, no part that writes, no variable.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName, Query, SetExpr, Statement, TableFactor, Value, Visit, Visitor};

use super::verdict::Judgement;

/// Functions that change nothing, of PostgreSQL and MySQL.
const HARMLESS: &[&str] = &[
    "abs",
    "age",
    "array_agg",
    "array_length",
    "array_to_string",
    "avg",
    "bool_and",
    "bool_or",
    "btrim",
    "cast",
    "ceil",
    "ceiling",
    "char_length",
    "clock_timestamp",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "curdate",
    "current_date",
    "current_database",
    "current_schema",
    "current_setting",
    "current_time",
    "current_timestamp",
    "current_user",
    "curtime",
    "database",
    "date",
    "date_add",
    "date_format",
    "date_part",
    "date_sub",
    "date_trunc",
    "dense_rank",
    "encode",
    "exists",
    "extract",
    "first_value",
    "floor",
    "format",
    "gen_random_uuid",
    "generate_series",
    "greatest",
    "group_concat",
    "if",
    "ifnull",
    "initcap",
    "isnull",
    "json_agg",
    "json_array",
    "json_array_elements",
    "json_build_array",
    "json_build_object",
    "json_extract",
    "json_object",
    "json_unquote",
    "jsonb_agg",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_array_length",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_agg",
    "jsonb_set",
    "jsonb_strip_nulls",
    "jsonb_typeof",
    "json_typeof",
    "lag",
    "last_value",
    "lcase",
    "lead",
    "least",
    "left",
    "length",
    "localtime",
    "localtimestamp",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_timestamp",
    "max",
    "md5",
    "min",
    "mod",
    "now",
    "nullif",
    "octet_length",
    "pg_advisory_lock",
    "pg_advisory_unlock",
    "pg_advisory_xact_lock",
    "pg_try_advisory_lock",
    "position",
    "power",
    "quote_ident",
    "quote_literal",
    "random",
    "rank",
    "regexp_matches",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row",
    "row_number",
    "row_to_json",
    "rpad",
    "rtrim",
    "sha256",
    "sign",
    "split_part",
    "sqrt",
    "statement_timestamp",
    "string_agg",
    "string_to_array",
    "strpos",
    "substr",
    "substring",
    "sum",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_regclass",
    "to_timestamp",
    "to_tsvector",
    "transaction_timestamp",
    "translate",
    "trim",
    "trunc",
    "ucase",
    "unix_timestamp",
    "unnest",
    "upper",
    "utc_timestamp",
    "uuid",
    "uuid_generate_v4",
    "uuidv7",
    "version",
];

/// Why not all of it stands there; none where it does.
pub fn hidden(what: &str, statement: &Statement) -> Option<Judgement> {
    let mut search = Search { what, depth: 0 };
    match statement.visit(&mut search) {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

/// Whether an expression is more than a constant: a table is written anew to give each row its own.
pub fn is_volatile(expr: &Expr) -> bool {
    struct Volatile;
    impl Visitor for Volatile {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            const STABLE: [&str; 4] = ["now", "current_timestamp", "current_date", "transaction_timestamp"];
            match expr {
                Expr::Function(function) if !STABLE.contains(&last(&function.name).as_str()) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Volatile).is_break()
}

struct Search<'w> {
    what: &'w str,
    depth: usize,
}

impl Search<'_> {
    fn function(&self, name: &ObjectName) -> ControlFlow<Judgement> {
        let called = last(name);
        // A schema's own function may have a name that a harmless one has.
        let is_own = match name.0.len() {
            1 => true,
            2 => name.0[0].to_string().eq_ignore_ascii_case("pg_catalog"),
            _ => false,
        };
        if is_own && HARMLESS.contains(&called.as_str()) {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(match called.as_str() {
            "nextval" | "setval" => Judgement::one_way(self.what, format!("{called} moves a sequence on")),
            _ => Judgement::unknown(self.what, format!("what {called}() does is not in the statement")),
        })
    }
}

fn last(name: &ObjectName) -> String {
    name.0.last().map(|part| part.to_string().to_lowercase()).unwrap_or_default()
}

impl Visitor for Search<'_> {
    type Break = Judgement;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Judgement> {
        self.depth += 1;
        if self.depth > 1 && !matches!(statement, Statement::Query(_)) {
            return ControlFlow::Break(Judgement::one_way(self.what, "a part of it writes"));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, _: &Statement) -> ControlFlow<Judgement> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Judgement> {
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                ControlFlow::Break(Judgement::one_way(self.what, "a part of it writes"))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Judgement> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.function(name)
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Judgement::unknown(
                self.what,
                "where it reads from is not in the statement",
            )),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Judgement> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                ControlFlow::Break(Judgement::unknown(self.what, "a variable stands in it"))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
