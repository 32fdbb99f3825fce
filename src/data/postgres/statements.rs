//! Splits pg_dump's output into statements, as psql does (its psqlscan.l): strings, quoted names, dollar quotes, nested
//! comments, parentheses and bodies between `BEGIN ATOMIC` and `END` hide a semicolon.

/// The statements of a text, without comments before them and without their semicolons.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0 };
    let mut found = Vec::new();
    while let Some(statement) = scan.statement() {
        found.push(statement);
    }
    found
}

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

/// What decides whether a semicolon ends a statement.
#[derive(Default)]
struct Depth {
    parentheses: usize,
    /// Words so far, up to four: whether a routine is created.
    first_words: Vec<String>,
    blocks: usize,
}

impl Depth {
    fn word(&mut self, word: &str) {
        let word = word.to_ascii_lowercase();
        if self.first_words.len() < 4 {
            self.first_words.push(word.clone());
        }
        let mut words =
            self.first_words.iter().map(String::as_str).filter(|word| !matches!(*word, "or" | "replace"));
        let makes_routine =
            words.next() == Some("create") && matches!(words.next(), Some("function" | "procedure"));
        if !makes_routine || self.parentheses > 0 {
            return;
        }
        match word.as_str() {
            "begin" => self.blocks += 1,
            "case" if self.blocks > 0 => self.blocks += 1,
            "end" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }
}

impl<'t> Scan<'t> {
    fn statement(&mut self) -> Option<&'t str> {
        self.blank();
        let (start, mut depth) = (self.at, Depth::default());
        while let Some(byte) = self.peek(0) {
            match byte {
                b';' if depth.parentheses == 0 && depth.blocks == 0 => {
                    let found = self.text.get(start..self.at);
                    self.at += 1;
                    return found.map(str::trim_end);
                }
                b'(' => depth.parentheses += 1,
                b')' => depth.parentheses = depth.parentheses.saturating_sub(1),
                _ => {}
            }
            self.token(byte, &mut depth);
        }
        self.text.get(start..).map(str::trim_end).filter(|rest| !rest.is_empty())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Passes over what stands between statements; a line that begins with a backslash is psql's.
    fn blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'-', Some(b'-')) | (b'\\', _) => self.line(),
                (b'/', Some(b'*')) => self.comment(),
                _ if byte.is_ascii_whitespace() || byte == b';' => self.at += 1,
                _ => return,
            }
        }
    }

    fn token(&mut self, byte: u8, depth: &mut Depth) {
        match (byte, self.peek(1)) {
            (b'-', Some(b'-')) => self.line(),
            (b'/', Some(b'*')) => self.comment(),
            (b'\'', _) => self.quoted(b'\'', false),
            (b'"', _) => self.quoted(b'"', false),
            (b'$', _) => self.dollar(),
            (b'e' | b'E', Some(b'\'')) => {
                self.at += 1;
                self.quoted(b'\'', true);
            }
            _ if is_word(byte) => {
                let start = self.at;
                while self.peek(0).is_some_and(|byte| is_word(byte) || byte == b'$') {
                    self.at += 1;
                }
                depth.word(self.text.get(start..self.at).unwrap_or_default());
            }
            _ => self.at += 1,
        }
    }

    fn line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    }

    fn comment(&mut self) {
        let mut nested = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => (nested, self.at) = (nested + 1, self.at + 2),
                (Some(b'*'), Some(b'/')) => (nested, self.at) = (nested - 1, self.at + 2),
                (Some(_), _) => self.at += 1,
                (None, _) => return,
            }
            if nested == 0 {
                return;
            }
        }
    }

    /// A doubled quote ends it and begins it anew, which comes to the same.
    fn quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == quote {
                return;
            }
            if escapes && byte == b'\\' {
                self.at += 1;
            }
        }
    }

    fn dollar(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let end = rest
            .find(|character: char| !(character.is_alphanumeric() || character == '_'))
            .unwrap_or(rest.len());
        let is_tag = rest.get(end..).is_some_and(|rest| rest.starts_with('$'))
            && !rest.starts_with(|first: char| first.is_ascii_digit());
        if !is_tag {
            self.at += 1;
            return;
        }
        let tag = self.text.get(self.at..self.at + end + 2).unwrap_or_default();
        let body = self.at + tag.len();
        let close = self.text.get(body..).and_then(|rest| rest.find(tag));
        self.at = close.map_or(self.bytes.len(), |close| body + close + tag.len());
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The words and names of a statement up to its first few, quoted names as they stand: `ALTER`, `TABLE`, `public."Order 1"`.
pub(super) fn words(statement: &str, most: usize) -> Vec<&str> {
    let mut scan = Scan { text: statement, bytes: statement.as_bytes(), at: 0 };
    let mut found = Vec::new();
    while found.len() < most {
        scan.blank();
        let start = scan.at;
        while let Some(byte) = scan.peek(0).filter(|byte| !byte.is_ascii_whitespace()) {
            match byte {
                b'"' => scan.quoted(b'"', false),
                b'\'' => scan.quoted(b'\'', false),
                b'(' | b')' | b',' if scan.at == start => {
                    scan.at += 1;
                    break;
                }
                b'(' | b')' | b',' => break,
                _ => scan.at += 1,
            }
        }
        match statement.get(start..scan.at) {
            Some(word) if !word.is_empty() => found.push(word),
            _ => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_statements_own_semicolon_ends_it() {
        let text = r#"--
-- PostgreSQL; dump
--
\restrict x;y
SET a = 'b;c'; SELECT 1 /* ; /* nested; */ ; */;
CREATE TABLE "a;b" (c text DEFAULT 'it''s;' CHECK (c <> E'\';'));
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $_$ SELECT 1; $$;$$ $_$;
CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql
    BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;
CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2);
COMMENT ON TABLE t IS 'begin; case'; SELECT $1, a$b;
last"#;
        let found = statements(text);
        let starts: Vec<String> =
            found.iter().map(|statement| statement.chars().take(14).collect()).collect();
        assert_eq!(
            starts,
            [
                "SET a = 'b;c'",
                "SELECT 1 /* ; ",
                "CREATE TABLE \"",
                "CREATE FUNCTIO",
                "CREATE OR REPL",
                "CREATE RULE r ",
                "COMMENT ON TAB",
                "SELECT $1, a$b",
                "last"
            ]
        );
        assert!(found[4].ends_with("END; END") && found[5].ends_with("SELECT 2)"));
    }

    #[test]
    fn words_keep_names_whole() {
        let text = "ALTER TABLE ONLY \"Sales Dept\".\"Order; 1\"\n    ADD CONSTRAINT x FOREIGN KEY (a, \"b c\") REFERENCES public.t(id)";
        assert_eq!(words(text, 4), ["ALTER", "TABLE", "ONLY", "\"Sales Dept\".\"Order; 1\""]);
        let all = words(text, 100);
        assert_eq!(
            all[4..],
            [
                "ADD",
                "CONSTRAINT",
                "x",
                "FOREIGN",
                "KEY",
                "(",
                "a",
                ",",
                "\"b c\"",
                ")",
                "REFERENCES",
                "public.t",
                "(",
                "id",
                ")"
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_split(text in r#"[a-z;'"$(){}\\/*\-é \n]{0,60}"#) {
            let found = statements(&text);
            prop_assert!(found.iter().map(|statement| statement.len()).sum::<usize>() <= text.len());
            words(&text, 100);
        }
    }
}
