//! Files of migration tools: what of them goes up.

use std::borrow::Cow;

/// The lines that begin what goes up and what goes down, of dbmate, goose and sql-migrate.
const MARKS: [(&str, &str); 3] =
    [("migrate:up", "migrate:down"), ("+goose up", "+goose down"), ("+migrate up", "+migrate down")];

/// Whether a file goes down alone, by golang-migrate's and Flyway's names: nobody runs it on the way up.
pub fn is_down(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let lower = file.to_ascii_lowercase();
    let undo = file.strip_prefix('U').and_then(|rest| rest.split_once("__"));
    lower.ends_with(".down.sql")
        || undo.is_some_and(|(version, _)| version.starts_with(|first: char| first.is_ascii_digit()))
}

/// What of a file goes up. Lines stay where they are.
pub fn up(text: &str) -> Cow<'_, str> {
    let marks = MARKS
        .iter()
        .find(|(up, _)| text.lines().any(|line| mark(line).is_some_and(|mark| mark.starts_with(up))));
    let Some((up, down)) = marks else { return Cow::Borrowed(text) };
    let mut going_up = false;
    let lines = text.lines().map(|line| {
        match mark(line) {
            Some(mark) if mark.starts_with(up) => going_up = true,
            Some(mark) if mark.starts_with(down) => going_up = false,
            _ => {}
        }
        if going_up { line } else { "" }
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

/// What a comment says, in lower case.
fn mark(line: &str) -> Option<String> {
    Some(line.trim().strip_prefix("--")?.trim_start().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_down_is_left_out() {
        let dbmate = "-- migrate:up\nCREATE TABLE t (id int);\n-- migrate:down\nDROP TABLE t;\n";
        assert_eq!(up(dbmate), "-- migrate:up\nCREATE TABLE t (id int);\n\n");
        let goose =
            "-- +goose Up\nA;\n-- +goose StatementBegin\nB;\n-- +goose StatementEnd\n-- +goose Down\nC;";
        assert!(up(goose).contains("B;") && !up(goose).contains("C;"));
        assert_eq!(up("DROP TABLE t; -- migrate:downwards"), "DROP TABLE t; -- migrate:downwards");
        assert!(
            is_down("1_a.down.sql")
                && is_down("db/U2__b.sql")
                && !is_down("V1__Up.sql")
                && !is_down("Users__x.sql")
        );
    }
}
