//! What a statement is called in messages: what it does and to what, without any value that it has.

/// How many words of a statement that cannot be read are shown.
const WORDS: usize = 3;

/// The first words of a statement that cannot be read, as far as they can be no value.
pub fn first_words(text: &str) -> String {
    let words = text.split_whitespace().take(WORDS);
    let plain = words.take_while(|word| {
        word.len() <= 30 && word.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_')
    });
    let words: Vec<String> = plain.map(str::to_owned).collect();
    // The word behind these may be a password already: `SET PASSWORD secret`.
    let kept: Vec<String> =
        words.into_iter().take_while(|word| is_keyword(word)).map(|word| word.to_uppercase()).collect();
    if kept.is_empty() { "a statement".into() } else { kept.join(" ") }
}

fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 48] = [
        "add",
        "alter",
        "analyze",
        "begin",
        "call",
        "column",
        "comment",
        "copy",
        "create",
        "declare",
        "delete",
        "disable",
        "do",
        "drop",
        "enable",
        "event",
        "execute",
        "exists",
        "explain",
        "extension",
        "from",
        "function",
        "grant",
        "if",
        "index",
        "insert",
        "into",
        "load",
        "materialized",
        "merge",
        "on",
        "or",
        "prepare",
        "procedure",
        "publication",
        "refresh",
        "replace",
        "revoke",
        "role",
        "select",
        "set",
        "statistics",
        "subscription",
        "table",
        "system",
        "trigger",
        "update",
        "with",
    ];
    KEYWORDS.contains(&word.to_ascii_lowercase().as_str())
}

/// A command of the client's own by its first word.
pub fn command(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_shown() {
        assert_eq!(first_words("DO $$ BEGIN END $$"), "DO");
        assert_eq!(first_words("SET PASSWORD hunter"), "SET");
        assert_eq!(first_words("hunter2 x"), "a statement");
        assert_eq!(first_words("create or replace view v"), "CREATE OR REPLACE");
        assert_eq!(command("\\i secret.sql"), "\\i");
    }
}
