//! What hangs on a database itself and not on what is in it: settings, grants, limits, comment. A copy does not have them.

use super::connect::Session;
use super::error::{During, PostgresError};
use super::sql::{literal, quoted};

const TASK: &str = "reading the database's settings and grants";

/// The statements that give another database, under the same name, what this one has.
pub(super) async fn carry_over(session: &Session, database: &str) -> Result<Vec<String>, PostgresError> {
    let name = quoted(database);
    let mut statements = Vec::new();
    let query = "SELECT r.rolname::text, s.setconfig FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         WHERE d.datname = $1 ORDER BY 1 NULLS FIRST";
    for row in session.query(query, &[&database]).await.during(TASK)? {
        let of = row
            .get::<_, Option<&str>>(0)
            .map(|role| format!("ALTER ROLE {} IN DATABASE {name}", quoted(role)));
        let of = of.unwrap_or_else(|| format!("ALTER DATABASE {name}"));
        let settings: Vec<String> = row.get(1);
        statements.extend(
            settings.iter().filter_map(|text| setting(text)).map(|setting| format!("{of} SET {setting}")),
        );
    }
    let query = "SELECT pg_catalog.pg_get_userbyid(d.datdba)::text, d.datconnlimit, d.datacl IS NOT NULL, \
         pg_catalog.shobj_description(d.oid, 'pg_database') FROM pg_catalog.pg_database d WHERE d.datname = $1";
    let row = session.query_one(query, &[&database]).await.during(TASK)?;
    statements.push(format!("ALTER DATABASE {name} OWNER TO {}", quoted(row.get(0))));
    statements.push(format!("ALTER DATABASE {name} CONNECTION LIMIT {}", row.get::<_, i32>(1)));
    if let Some(comment) = row.get::<_, Option<&str>>(3) {
        statements.push(format!("COMMENT ON DATABASE {name} IS {}", literal(comment)));
    }
    if row.get(2) {
        statements.extend(grants(session, database, row.get(0)).await?);
    }
    Ok(statements)
}

async fn grants(session: &Session, database: &str, owner: &str) -> Result<Vec<String>, PostgresError> {
    let name = quoted(database);
    let mut statements = vec![format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC, {}", quoted(owner))];
    let query = "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END, \
         a.privilege_type, a.is_grantable FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) a \
         WHERE d.datname = $1 ORDER BY 1, 2";
    for row in session.query(query, &[&database]).await.during(TASK)? {
        let (grantee, privilege): (&str, &str) = (row.get(0), row.get(1));
        let option = if row.get(2) { " WITH GRANT OPTION" } else { "" };
        statements.push(format!("GRANT {privilege} ON DATABASE {name} TO {grantee}{option}"));
    }
    Ok(statements)
}

/// Settings whose value is a list of names, each of which is a text of its own (pg_dump's `variable_is_guc_list_quote`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `work_mem=4MB` as `work_mem TO '4MB'`.
fn setting(text: &str) -> Option<String> {
    let (name, value) = text.split_once('=')?;
    let names = name.split('.').map(quoted).collect::<Vec<_>>().join(".");
    let value = if LISTS.contains(&name) { list(value) } else { literal(value) };
    Some(format!("{names} TO {value}"))
}

/// `"$user", public` as `'$user', 'public'`.
fn list(value: &str) -> String {
    let (mut items, mut item, mut within) = (Vec::new(), String::new(), false);
    let mut rest = value.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if within && rest.peek() == Some(&'"') => {
                rest.next();
                item.push('"');
            }
            '"' => within = !within,
            ',' if !within => items.push(std::mem::take(&mut item)),
            ' ' if !within => {}
            other => item.push(other),
        }
    }
    items.push(item);
    items.iter().map(|item| literal(item)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_statements_read_them() {
        for (text, expected) in [
            ("work_mem=4MB", "\"work_mem\" TO '4MB'"),
            ("app.name=a=b'c", "\"app\".\"name\" TO 'a=b''c'"),
            (
                "search_path=\"$user\", public, \"a\"\"b, c\"",
                "\"search_path\" TO '$user', 'public', 'a\"b, c'",
            ),
            ("search_path=\"\"", "\"search_path\" TO ''"),
        ] {
            assert_eq!(setting(text).unwrap(), expected);
        }
    }
}
