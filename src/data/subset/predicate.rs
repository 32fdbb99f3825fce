//! Conditions that people write in SQL. They are their own to answer for; only what would break out of the statement around
//! them is refused.

use super::fault::SubsetFault;

/// The names that a condition begins with, joined by dots, quoted or not.
pub(super) fn leading_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '`'));
        let (name, after) = if let Some(quote) = quote {
            let Some((name, after)) = rest[1..].split_once(quote) else { break };
            (name.to_owned(), after)
        } else {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        if name.is_empty() {
            break;
        }
        names.push(name);
        let Some(after) = after.strip_prefix('.') else { break };
        rest = after;
    }
    names
}

/// Refuses a condition that is more than one expression: the parentheses around it must hold it.
pub(super) fn check(text: &str) -> Result<(), SubsetFault> {
    check_without(text, &[])
}

/// As [`check`], where `#` begins a comment, too.
pub(super) fn check_mysql(text: &str) -> Result<(), SubsetFault> {
    check_without(text, &['#'])
}

fn check_without(text: &str, comments: &[char]) -> Result<(), SubsetFault> {
    let fault = |what| Err(SubsetFault::Condition { condition: text.to_owned(), what });
    let (mut depth, mut quote) = (0_usize, None);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        match (quote, character, next) {
            (_, '\0', _) => return fault("has a zero byte"),
            // In some strings a backslash takes the quote's meaning, by a setting that is not known here.
            (Some('\'' | '"'), '\\', _) => {
                return fault("has a backslash in a string; write it as `chr(92)` or `char(92)`");
            }
            (Some(open), close, _) if open == close => quote = None,
            (None, '\'' | '"' | '`', _) => quote = Some(character),
            (None, ';', _) => return fault("has more than one statement"),
            (None, '-', Some('-')) | (None, '/', Some('*')) => return fault("has a comment; leave it out"),
            (None, mark, _) if comments.contains(&mark) => return fault("has a comment; leave it out"),
            (None, '$', _) => return fault("has a `$`; write strings between single quotes"),
            (None, '(', _) => depth += 1,
            (None, ')', _) => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return fault("closes a parenthesis that it does not open"),
            },
            _ => {}
        }
    }
    match (quote, depth) {
        (Some(_), _) => fault("has a quote without its end"),
        (None, 0) => Ok(()),
        (None, _) => fault("opens a parenthesis that it does not close"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_expression_is_taken() {
        for text in ["a.b in (1, 2)", "a.b = 'it''s; --' and \"x;y\" > 1 - -1", "a.b / 2 * (3)"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "a;b",
            "a -- b",
            "a /* b",
            "a) or (b",
            "(a",
            "a'",
            "a = $1",
            "a = $$x$$",
            "a = E'\\'' or b = '",
            "\0",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_read_quoted_or_not() {
        assert_eq!(leading_names(" Shop.\"Orders\".ID in"), ["Shop", "Orders", "ID"]);
        assert_eq!(leading_names("`my shop`.`Orders`.id = 1"), ["my shop", "Orders", "id"]);
        assert_eq!(leading_names("(a.b)"), Vec::<String>::new());
        assert_eq!(leading_names("\"a"), Vec::<String>::new());
    }
}
