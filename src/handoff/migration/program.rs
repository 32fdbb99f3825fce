//! What the command line of a database's client, or of a tool that migrates, runs.

use super::script::Dialect;

/// Tools that run each file once, in order, and stop where one fails; with the image's last part where that is another.
const TOOLS: [&str; 9] =
    ["dbmate", "goose", "migrate", "flyway", "sql-migrate", "atlas", "tern", "refinery", "sqlx"];

/// Words of such tools that go the other way.
const BACK: [&str; 10] =
    ["down", "rollback", "reset", "redo", "drop", "clean", "undo", "force", "revert", "fix"];

/// A client at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Whose.
    pub dialect: Dialect,
    /// What it is given to run, in order.
    pub runs: Vec<Run>,
    /// Whether a statement that fails ends what it is given.
    pub stops: bool,
}

/// What a client is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Statements.
    Text(String),
    /// A file of them.
    File(String),
    /// Standard input.
    Input,
}

/// The last part of a path.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A tool that migrates, by its program or its image; none where it goes back.
pub fn is_tool(name: &str, arguments: &[String]) -> bool {
    TOOLS.contains(&base(name))
        && !arguments.iter().any(|word| BACK.contains(&word.to_ascii_lowercase().as_str()))
}

/// What a client's command line runs; none where it is no client's.
pub fn client(words: &[String]) -> Option<Client> {
    let (program, arguments) = words.split_first()?;
    match base(program) {
        "psql" => Some(psql(arguments)),
        "mysql" | "mariadb" => Some(mysql(arguments)),
        _ => None,
    }
}

fn psql(arguments: &[String]) -> Client {
    const VALUED: &str = "cfdhpUvLoFRTP";
    let mut client = Client { dialect: Dialect::Postgres, runs: Vec::new(), stops: false };
    for (name, value) in options(
        arguments,
        VALUED,
        &[
            "command",
            "file",
            "set",
            "variable",
            "dbname",
            "host",
            "port",
            "username",
            "output",
            "log-file",
            "field-separator",
            "record-separator",
            "table-attr",
            "pset",
        ],
    ) {
        match (name.as_str(), value) {
            ("c" | "command", Some(text)) => client.runs.push(Run::Text(text)),
            ("f" | "file", Some(file)) => {
                client.runs.push(if file == "-" { Run::Input } else { Run::File(file) });
            }
            ("v" | "set" | "variable", Some(text)) => {
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                client.stops |= name == "ON_ERROR_STOP" && !matches!(value, "0" | "off" | "false" | "no");
            }
            // What fails undoes all of it.
            ("1" | "single-transaction", _) => client.stops = true,
            _ => {}
        }
    }
    if client.runs.is_empty() {
        client.runs.push(Run::Input);
    }
    client
}

fn mysql(arguments: &[String]) -> Client {
    const VALUED: &str = "eDhPuS";
    let mut client = Client { dialect: Dialect::MySql, runs: Vec::new(), stops: true };
    for (name, value) in
        options(arguments, VALUED, &["execute", "database", "host", "port", "user", "socket", "init-command"])
    {
        match (name.as_str(), value) {
            ("e" | "execute" | "init-command", Some(text)) => client.runs.push(Run::Text(text)),
            ("f" | "force", _) => client.stops = false,
            _ => {}
        }
    }
    if client.runs.is_empty() {
        client.runs.push(Run::Input);
    }
    client
}

/// Options with their values, by name; what is no option is left out.
fn options(arguments: &[String], valued: &str, long_valued: &[&str]) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => found.push((name.to_owned(), Some(value.to_owned()))),
                None if long_valued.contains(&long) => found.push((long.to_owned(), words.next().cloned())),
                None => found.push((long.to_owned(), None)),
            }
            continue;
        }
        let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) else { continue };
        // MySQL's password stands behind its letter, and is none of ours.
        if short.starts_with('p') && !valued.contains('p') {
            continue;
        }
        for (at, letter) in short.char_indices() {
            if !valued.contains(letter) {
                found.push((letter.to_string(), None));
                continue;
            }
            let rest = &short[at + letter.len_utf8()..];
            let value = if rest.is_empty() { words.next().cloned() } else { Some(rest.to_owned()) };
            found.push((letter.to_string(), value));
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn command_lines_of_clients() {
        let found =
            client(&words("/usr/bin/psql|-qAtc|SELECT 1|-fa.sql|--file=b.sql|--set|ON_ERROR_STOP=1|-U|shop"))
                .unwrap();
        let runs = [Run::Text("SELECT 1".into()), Run::File("a.sql".into()), Run::File("b.sql".into())];
        assert_eq!((found.runs.as_slice(), found.stops), (runs.as_slice(), true));
        assert_eq!(
            client(&words("psql|-v|ON_ERROR_STOP=0|shop")).unwrap(),
            Client { dialect: Dialect::Postgres, runs: vec![Run::Input], stops: false }
        );
        let found = client(&words("mysql|-uroot|-pecret|-e|SELECT 1|--force")).unwrap();
        assert_eq!((found.runs, found.stops), (vec![Run::Text("SELECT 1".into())], false));
        assert!(client(&words("rails|db:migrate")).is_none());
        assert!(
            is_tool("dbmate", &words("up")) && !is_tool("dbmate", &words("down")) && !is_tool("rails", &[])
        );
    }
}
