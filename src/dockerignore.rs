//! `.dockerignore`: which files of a directory a build sees. Rules of moby/patternmatcher: patterns are relative to the
//! context's root, `**` spans directories, a match of a directory takes what is in it, the last matching line wins,
//! `!` takes back.

use std::path::{Path, PathBuf};

/// The patterns of one ignore file, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    exception: bool,
    tokens: Vec<Token>,
    /// The literal path components that a match must begin with.
    prefix: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`: any character but the separator.
    One,
    /// `*`: any run without a separator.
    Run,
    /// `**/`: nothing, or any directories with their separator.
    Directories,
    /// `**` elsewhere: anything.
    Anything,
    /// `[a-z]`, `[^a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Ignore {
    /// Parses an ignore file. Every faulty line is told, as `line N: what`.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut patterns, mut faults) = (Vec::new(), Vec::new());
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            // As Docker: a comment only where `#` is the line's first character.
            if line.starts_with('#') {
                continue;
            }
            match Pattern::parse(line.trim()) {
                Ok(pattern) => patterns.extend(pattern),
                Err(fault) => faults.push(format!("line {}: {fault}", number + 1)),
            }
        }
        if faults.is_empty() { Ok(Self { patterns }) } else { Err(faults) }
    }

    /// Where the ignore file of a build is: `NAME.dockerignore` beside the Dockerfile, else the context's own.
    pub fn locate(context: &Path, dockerfile: &Path) -> Option<PathBuf> {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(".dockerignore");
        [PathBuf::from(own), context.join(".dockerignore")].into_iter().find(|path| path.is_file())
    }

    /// Whether the build does not see `path` (relative, separated by `/`), judged with the directories it is in.
    pub fn ignores(&self, path: &str) -> bool {
        let mut matched = false;
        for pattern in &self.patterns {
            if pattern.exception == matched && pattern.matches_with_parents(path) {
                matched = !pattern.exception;
            }
        }
        matched
    }

    /// Whether something in the ignored directory `path` may be taken back by an exception, so that it must be walked.
    pub fn may_take_back_in(&self, path: &str) -> bool {
        let directory: Vec<&str> = path.split('/').collect();
        self.patterns
            .iter()
            .any(|pattern| pattern.exception && pattern.prefix.iter().zip(&directory).all(|(a, b)| a == b))
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let (exception, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if text.is_empty() {
            return if exception { Err("`!` without a pattern".into()) } else { Ok(None) };
        }
        let cleaned = clean(text);
        if cleaned.is_empty() {
            return Ok(None); // `.` and `/` match nothing below the root
        }
        let tokens = tokenise(&cleaned).map_err(|what| format!("`{text}`: {what}"))?;
        let prefix = cleaned
            .split('/')
            .take_while(|part| !part.contains(['*', '?', '[', '\\']))
            .map(Into::into)
            .collect();
        Ok(Some(Self { exception, tokens, prefix }))
    }

    fn matches_with_parents(&self, path: &str) -> bool {
        let chars: Vec<char> = path.chars().collect();
        let ends = chars.iter().enumerate().filter(|(_, c)| **c == '/').map(|(at, _)| at);
        ends.chain([chars.len()]).any(|end| matches(&self.tokens, &chars[..end]))
    }
}

/// Go's `filepath.Clean`, then without the leading separator: `/a//b/../c/` is `a/c`.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() && !pattern.starts_with('/') {
                    return "..".into(); // outside of the context: matches nothing in it
                }
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn tokenise(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let chars: Vec<char> = pattern.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        match chars[at] {
            '*' if chars.get(at + 1) == Some(&'*') => {
                at += 2;
                if chars.get(at) == Some(&'/') {
                    at += 1;
                    tokens.push(Token::Directories);
                } else {
                    tokens.push(Token::Anything);
                }
                continue;
            }
            '*' => tokens.push(Token::Run),
            '?' => tokens.push(Token::One),
            '\\' => {
                at += 1;
                tokens.push(Token::Literal(*chars.get(at).ok_or("ends in a backslash")?));
            }
            '[' => {
                let (class, end) = class(&chars, at + 1)?;
                tokens.push(class);
                at = end;
                continue;
            }
            c => tokens.push(Token::Literal(c)),
        }
        at += 1;
    }
    Ok(tokens)
}

/// The class that begins after `[` at `at`, and where the pattern goes on.
fn class(chars: &[char], mut at: usize) -> Result<(Token, usize), &'static str> {
    let open = "`[` is never closed";
    let negated = matches!(chars.get(at), Some('^'));
    at += usize::from(negated);
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.get(at) != Some(&']') {
        let low = member(chars, &mut at).ok_or(open)?;
        let mut high = low;
        if chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|c| *c != ']') {
            at += 1;
            high = member(chars, &mut at).ok_or(open)?;
        }
        ranges.push((low, high));
    }
    Ok((Token::Class { negated, ranges }, at + 1))
}

fn member(chars: &[char], at: &mut usize) -> Option<char> {
    if chars.get(*at) == Some(&'\\') {
        *at += 1;
    }
    let c = chars.get(*at).copied();
    *at += 1;
    c
}

fn matches(tokens: &[Token], text: &[char]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return text.is_empty() };
    let one = |fits: bool| fits && matches(rest, &text[1..]);
    match token {
        Token::Literal(c) => one(text.first() == Some(c)),
        Token::One => one(text.first().is_some_and(|c| *c != '/')),
        Token::Class { negated, ranges } => one(text.first().is_some_and(|c| {
            *c != '/' && ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negated
        })),
        Token::Run => {
            let run = text.iter().take_while(|c| **c != '/').count();
            (0..=run).any(|taken| matches(rest, &text[taken..]))
        }
        Token::Directories => {
            let after = text.iter().enumerate().filter(|(_, c)| **c == '/').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).any(|taken| matches(rest, &text[taken..]))
        }
        Token::Anything => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_dockers_rules() {
        let table: &[(&str, &[&str], &[&str])] = &[
            // pattern lines, ignored, seen
            ("a.txt", &["a.txt", "a.txt/b"], &["d/a.txt", "a.txtx"]),
            ("/a.txt", &["a.txt"], &["d/a.txt"]),
            ("./d/", &["d", "d/x", "d/e/x"], &["e/d"]),
            ("*.log", &["a.log"], &["d/a.log", "a.log2"]),
            ("*/*.log", &["d/a.log"], &["a.log", "d/e/a.log"]),
            ("**/*.log", &["a.log", "d/a.log", "d/e/a.log"], &["a.txt"]),
            ("**/node_modules", &["node_modules", "a/node_modules/x"], &["anode_modules"]),
            ("d/**", &["d/a", "d/e/f"], &["e", "dd"]),
            ("d/**/f", &["d/f", "d/x/f", "d/x/y/f"], &["d/xf", "f"]),
            ("a?c", &["abc"], &["a/c", "ac", "abbc"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "/x"]),
            ("[^a-c]x", &["dx"], &["ax"]),
            ("\\*x", &["*x"], &["ax"]),
            ("*", &["a", "d/a"], &[]),
            ("*\n!keep", &["a"], &["keep", "keep/x"]),
            ("d\n!d/keep\n", &["d", "d/x"], &["d/keep", "d/keep/x"]),
            ("*.md\n!README.md\nREADME*", &["README.md", "a.md"], &["a"]),
            ("!a\na", &["a"], &[]),
            ("a/../b", &["b"], &["a"]),
            ("../x", &[], &["x"]),
            (".", &[], &["a"]),
            ("# comment\n\n  b  ", &["b"], &["# comment"]),
            ("\u{feff}c\r\nd", &["c", "d"], &[]),
            ("**", &["a", "a/b"], &[]),
            ("!\\#x\n\\#x", &["#x"], &[]),
        ];
        for (text, ignored, seen) in table {
            let ignore = Ignore::parse(text).unwrap();
            for path in *ignored {
                assert!(ignore.ignores(path), "{text:?} should ignore {path}");
            }
            for path in *seen {
                assert!(!ignore.ignores(path), "{text:?} should leave {path}");
            }
        }
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let faults = Ignore::parse("ok\n[a\n!\nx\\").unwrap_err();
        assert_eq!(
            faults,
            [
                "line 2: `[a`: `[` is never closed",
                "line 3: `!` without a pattern",
                "line 4: `x\\`: ends in a backslash"
            ]
        );
    }

    #[test]
    fn only_directories_an_exception_can_reach_are_walked() {
        let ignore = Ignore::parse("*\n!src/app\n").unwrap();
        assert!(ignore.may_take_back_in("src"));
        assert!(ignore.may_take_back_in("src/app/x"));
        assert!(!ignore.may_take_back_in("target"));
        assert!(Ignore::parse("*\n!**/x").unwrap().may_take_back_in("target"));
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_and_path_panic(text in "[a-c*?/!.\\[\\]\\\\^-]{0,12}", path in "[a-c./]{1,10}") {
            if let Ok(ignore) = Ignore::parse(&text) {
                let _ = ignore.ignores(&path);
            }
        }
    }
}
