//! Cuts a script into statements, as the clients `psql` and `mysql` do.

use super::script::Dialect;

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// What it is.
    pub part: Part,
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A statement without its delimiter.
    Statement(String),
    /// A command of the client's own, such as `\i file`.
    Command(String),
}

/// Cuts it. Whoever reads a statement after this may find that it is several: cutting too little hides nothing.
pub fn split(text: &str, dialect: Dialect) -> Vec<Piece> {
    let mut cutter = Cutter {
        text,
        at: 0,
        start: 0,
        dialect,
        delimiter: ";".to_owned(),
        blank: true,
        counted: (0, 1),
        pieces: Vec::new(),
    };
    cutter.run();
    cutter.pieces
}

struct Cutter<'t> {
    text: &'t str,
    at: usize,
    start: usize,
    dialect: Dialect,
    delimiter: String,
    /// Whether nothing but white space and comments stands since `start`.
    blank: bool,
    /// A place and the line that it is on.
    counted: (usize, usize),
    pieces: Vec<Piece>,
}

impl<'t> Cutter<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            if self.blank && self.client_command() {
                continue;
            }
            if self.rest().starts_with(&self.delimiter) {
                let end = self.at;
                self.at += self.delimiter.len();
                self.finish(end);
                continue;
            }
            self.step();
        }
        self.finish(self.text.len());
    }

    /// Takes a line that is the client's own; says whether there was one.
    fn client_command(&mut self) -> bool {
        let line = self.rest().lines().next().unwrap_or_default();
        let is_one = match self.dialect {
            Dialect::Postgres => line.starts_with('\\'),
            Dialect::MySql => {
                let first = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
                line.starts_with('\\')
                    || matches!(first.as_str(), "delimiter" | "source" | "system" | "tee" | "notee")
            }
        };
        if !is_one {
            return false;
        }
        let (words, length) = (line.trim().to_owned(), line.len());
        self.finish(self.at);
        self.at += length;
        let line = self.line_of(self.start);
        self.start = self.at;
        let mut parts = words.split_whitespace();
        match (self.dialect, parts.next().map(str::to_ascii_lowercase).as_deref(), parts.next()) {
            (Dialect::MySql, Some("delimiter"), Some(delimiter)) => delimiter.clone_into(&mut self.delimiter),
            _ => self.pieces.push(Piece { line, part: Part::Command(words) }),
        }
        self.blank = true;
        true
    }

    /// The line of a place that is not before the one asked for last.
    fn line_of(&mut self, at: usize) -> usize {
        let (from, line) = self.counted;
        let passed = self.text.get(from..at).unwrap_or_default();
        self.counted = (at.max(from), line + passed.matches('\n').count());
        self.counted.1
    }

    /// One character, or a whole string, quoted name or comment.
    fn step(&mut self) {
        let rest = self.rest();
        let before = self.text.get(..self.at).and_then(|text| text.chars().next_back());
        let length = token(rest, self.dialect, before);
        let runs = self.dialect == Dialect::MySql && is_run(rest);
        let is_comment = (is_line_comment(rest, self.dialect) || rest.starts_with("/*")) && !runs;
        self.blank &= is_comment || rest.starts_with(char::is_whitespace);
        self.at += length.max(1).min(rest.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    fn finish(&mut self, end: usize) {
        let text = self.text.get(self.start..end).unwrap_or_default();
        let lead = leading(text, self.dialect);
        let line = self.line_of(self.start + lead);
        let has_code = !code(text, self.dialect).trim().is_empty()
            || (self.dialect == Dialect::MySql && (text.contains("/*!") || text.contains("/*M!")));
        if has_code {
            let statement = text.get(lead..).unwrap_or_default().trim_end().to_owned();
            if self.dialect == Dialect::Postgres && is_copy_in(&statement) {
                self.skip_rows();
            }
            self.pieces.push(Piece { line, part: Part::Statement(statement) });
        }
        self.start = self.at;
        self.blank = true;
    }

    /// The rows that follow `COPY … FROM stdin;`, up to the line `\.`.
    fn skip_rows(&mut self) {
        let rest = self.rest();
        let mut taken = 0;
        for line in rest.split_inclusive('\n') {
            taken += line.len();
            if line.trim_end() == "\\." {
                break;
            }
        }
        self.at += taken;
    }
}

fn is_copy_in(statement: &str) -> bool {
    let words: Vec<String> = statement.split_whitespace().map(str::to_ascii_lowercase).collect();
    words.first().is_some_and(|word| word == "copy")
        && words.windows(2).any(|pair| pair[0] == "from" && pair[1].starts_with("stdin"))
}

/// How long what stands first is: a string, a quoted name, a comment, or one byte.
fn token(text: &str, dialect: Dialect, before: Option<char>) -> usize {
    let mysql = dialect == Dialect::MySql;
    if is_line_comment(text, dialect) {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return comment(text, !mysql);
    }
    let escaped = mysql || before.is_some_and(|before| matches!(before, 'e' | 'E'));
    match text.as_bytes().first() {
        Some(b'\'') => quoted(text, b'\'', escaped),
        Some(b'"') => quoted(text, b'"', mysql),
        Some(b'`') if mysql => quoted(text, b'`', false),
        Some(b'$') if !mysql && !before.is_some_and(|before| before.is_alphanumeric() || before == '_') => {
            dollar(text)
        }
        _ => 1,
    }
}

/// A comment up to the line's end. MySQL wants white space behind the dashes: `5--1` is six.
fn is_line_comment(text: &str, dialect: Dialect) -> bool {
    let dashes = text.strip_prefix("--");
    match dialect {
        Dialect::Postgres => dashes.is_some(),
        Dialect::MySql => {
            text.starts_with('#')
                || dashes.is_some_and(|rest| {
                    rest.chars().next().is_none_or(|next| next.is_whitespace() || next.is_control())
                })
        }
    }
}

/// Whether a comment is one that MySQL, or MariaDB alone, runs.
fn is_run(text: &str) -> bool {
    text.starts_with("/*!") || text.starts_with("/*M!")
}

fn comment(text: &str, nests: bool) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") if nests || depth == 0 => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn quoted(text: &str, quote: u8, escaped: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escaped => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `$tag$ … $tag$`, or the dollar alone.
fn dollar(text: &str) -> usize {
    let inner = text[1..].find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let Some(end) = inner.filter(|inner| text[1 + inner..].starts_with('$')).map(|inner| inner + 2) else {
        return 1;
    };
    let tag = &text[..end];
    text[end..].find(tag).map_or(text.len(), |at| end + at + tag.len())
}

/// How much white space and how many comments a text begins with.
fn leading(text: &str, dialect: Dialect) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let space = rest.len() - rest.trim_start().len();
        let rest = &rest[space..];
        at += space;
        let is_comment = is_line_comment(rest, dialect)
            || (rest.starts_with("/*") && !(dialect == Dialect::MySql && rest.starts_with("/*!")));
        if !is_comment {
            break;
        }
        at += token(rest, dialect, None);
    }
    at
}

/// A text without its comments.
pub fn code(text: &str, dialect: Dialect) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let mut length = token(rest, dialect, text[..at].chars().next_back()).max(1);
        while !rest.is_char_boundary(length) {
            length += 1;
        }
        let length = length.min(rest.len());
        let is_comment = is_line_comment(rest, dialect) || rest.starts_with("/*");
        if !is_comment {
            out.push_str(&rest[..length]);
        }
        at += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str, dialect: Dialect) -> Vec<String> {
        let pieces = split(text, dialect).into_iter();
        pieces
            .map(|piece| match piece.part {
                Part::Statement(text) | Part::Command(text) => text,
            })
            .collect()
    }

    #[test]
    fn strings_names_bodies_and_comments_keep_their_semicolons() {
        let text = "-- a; b\nSELECT 'a;''b', \"c;d\", E'e\\';f'; /* ; /* ; */ ; */ DO $x$ BEGIN a; b; END $x$;\nSELECT $1";
        let found = statements(text, Dialect::Postgres);
        assert_eq!(found, ["SELECT 'a;''b', \"c;d\", E'e\\';f'", "DO $x$ BEGIN a; b; END $x$", "SELECT $1"]);
        assert_eq!(split(text, Dialect::Postgres)[2].line, 3);
    }

    #[test]
    fn a_clients_commands_and_the_rows_of_copy_are_no_statements() {
        let text = "\\set ON_ERROR_STOP on\nCOPY t (a) FROM stdin;\n1;2\nDROP TABLE t;\n\\.\n\\i more.sql\nSELECT 1;";
        let found = statements(text, Dialect::Postgres);
        assert_eq!(found, ["\\set ON_ERROR_STOP on", "COPY t (a) FROM stdin", "\\i more.sql", "SELECT 1"]);
    }

    #[test]
    fn mysql_has_delimiters_and_comments_that_run() {
        let text = "DELIMITER //\nCREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; END//\nDELIMITER ;\n/*!40000 DROP TABLE t */;\nSELECT 'a\\';b'; # c;\n";
        let found = statements(text, Dialect::MySql);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[1], "/*!40000 DROP TABLE t */");
        assert_eq!(found[2], "SELECT 'a\\';b'");
    }

    #[test]
    fn whatever_comes_is_cut_without_fault() {
        for text in
            ["'", "\"", "$", "$a$", "/*", "--", "\\", "é;é", "$é$;$é$", ";;;", "E'\\", "COPY a FROM stdin;"]
        {
            split(text, Dialect::Postgres);
            split(text, Dialect::MySql);
        }
    }
}
