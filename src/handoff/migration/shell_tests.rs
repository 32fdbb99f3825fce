//! What is found in shell scripts.

use super::mount::Files;
use super::shell::{Ran, Unread, command};

fn files() -> Files {
    [("/m/001.sql", "A;"), ("/m/002.sql", "B;"), ("/m/run.sh", "cd /m\ncat [0-9]*.sql | psql -1")]
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

fn texts(script: &str) -> Result<Vec<String>, Unread> {
    let words = ["sh", "-c", script].map(str::to_owned);
    let ran = command(&words, &files(), "/")?;
    let given = ran.into_iter().flat_map(|ran| match ran {
        Ran::Client(_, given) => given.into_iter().map(|(_, text)| text).collect(),
        Ran::Tool(name) => vec![name],
    });
    Ok(given.collect())
}

#[test]
fn statements_are_found_wherever_a_script_has_them() {
    let cases: [(&str, &[&str]); 11] = [
        ("psql -c 'A; B'", &["A; B"]),
        (
            "set -e\nuntil pg_isready -h $PGHOST; do sleep 1; done\nexec psql \"$DATABASE_URL\" -f /m/001.sql",
            &["A;"],
        ),
        ("psql <<'EOF'\nA $x;\nEOF\necho done", &["A $x;\n"]),
        ("psql <<-EOF\n\tA;\n\tEOF\n", &["A;\n"]),
        ("psql < /m/002.sql", &["B;"]),
        ("for file in /m/*.sql; do psql -v ON_ERROR_STOP=1 -f \"$file\"; done", &["A;", "B;"]),
        (
            "cd /m && { echo 'L;'; cat [0-9]*.sql; } | psql --single-transaction >/dev/null 2>&1",
            &["L;", "A;", "B;"],
        ),
        ("sh /m/run.sh", &["A;", "B;"]),
        ("PGPASSWORD=x psql -qAtc \"SELECT 1\" # and no more", &["SELECT 1"]),
        ("dbmate --wait up", &["dbmate"]),
        ("if [ -n \"$A\" ]; then mysql -e 'C'; fi", &["C"]),
    ];
    for (script, wanted) in cases {
        assert_eq!(
            texts(script).as_deref(),
            Ok(wanted.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>().as_slice()),
            "{script}"
        );
    }
}

#[test]
fn a_script_that_does_more_is_not_read() {
    for script in [
        "bin/rails db:migrate",
        "psql -f /app/x.sql",
        "psql -f $FILE",
        "psql -c \"DROP TABLE $TABLE\"",
        "psql <<EOF\nDROP TABLE $TABLE;\nEOF",
        "psql",
        "echo $(psql -c 'DROP TABLE t')",
        "echo \"`psql -c 'DROP TABLE t'`\"",
        "sed s/a/b/ /m/001.sql | psql",
        "cat /m/001.sql | tr a b | psql",
        "printf 'DROP\\x20TABLE' | psql",
        "migrate() { psql -f /m/001.sql; }; migrate",
        "$PROGRAM -c x",
        "dbmate down",
        "psql 'unended",
        "psql <<EOF\nA;",
        "while read line; do echo $line; done | psql",
        "eval 'psql'",
        "case $1 in up) psql -c A;; esac",
    ] {
        assert!(texts(script).is_err(), "{script}: {:?}", texts(script));
    }
}
