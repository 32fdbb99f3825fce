//! Cuts a check expression, as PostgreSQL and MySQL print them, into tokens.

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or key word, as written.
    Word(String),
    /// A name in double quotes or backquotes.
    Quoted(String),
    /// A number.
    Number(String),
    /// A text in single quotes.
    Text(String),
    /// An operator, a bracket or a comma.
    Symbol(String),
}

/// Tokens of `text`; none where a quote stays open or a character is none of SQL's.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Text(text), after))?,
            '"' | '`' => quoted(rest, first).map(|(text, after)| (Token::Quoted(text), after))?,
            'E' | 'e' if rest.get(1..2) == Some("'") => {
                let (text, after) = quoted(rest.get(1..)?, '\'')?;
                (Token::Text(text.replace("\\\\", "\\")), after)
            }
            '0'..='9' => cut(rest, |c| c.is_ascii_digit() || c == '.', Token::Number),
            c if c.is_alphabetic() || c == '_' => {
                cut(rest, |c| c.is_alphanumeric() || c == '_' || c == '$', Token::Word)
            }
            '(' | ')' | '[' | ']' | ',' | '.' => (Token::Symbol(first.to_string()), rest.get(1..)?),
            ':' => (Token::Symbol("::".to_owned()), rest.strip_prefix("::")?),
            c if is_operator(c) => cut(rest, is_operator, Token::Symbol),
            _ => return None,
        };
        found.push(token);
        rest = after.trim_start();
    }
    Some(found)
}

fn is_operator(character: char) -> bool {
    "+-*/<>=~!@#%^&|?".contains(character)
}

fn cut(text: &str, belongs: impl Fn(char) -> bool, make: impl Fn(String) -> Token) -> (Token, &str) {
    let (token, after) = text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()));
    (make(token.to_owned()), after)
}

/// What stands between `quote`s, where two of them mean one; and what follows.
pub(super) fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut inside = String::new();
    let mut rest = text.strip_prefix(quote)?;
    loop {
        let (part, after) = rest.split_once(quote)?;
        inside.push_str(part);
        let Some(again) = after.strip_prefix(quote) else { return Some((inside, after)) };
        inside.push(quote);
        rest = again;
    }
}
