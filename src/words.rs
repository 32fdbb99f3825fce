//! Small phrases that messages of every room are made of.

use std::fmt::{Display, Write as _};
use std::path::Path;

/// `1 node`, `2 nodes`, `2 patches`.
pub fn counted(count: usize, noun: &str) -> String {
    let ending = match count {
        1 => "",
        _ if noun.ends_with('s') || noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending}")
}

/// Each item on a line of its own, indented, with a line end before it.
pub fn listed<T: Display>(items: &[T]) -> String {
    items.iter().fold(String::new(), |mut all, item| {
        let _ = write!(all, "\n  {item}");
        all
    })
}

/// A path on one line: what would break the line or act on a terminal is escaped.
pub fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    text.chars().fold(String::new(), |mut shown, character| {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// Bytes in decimal units, as docker prints sizes.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn sized(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_take_their_plural() {
        let texts = [(1, "node"), (0, "node"), (2, "patch"), (2, "class")].map(|(n, noun)| counted(n, noun));
        assert_eq!(texts, ["1 node", "0 nodes", "2 patches", "2 classes"]);
        assert_eq!(listed(&["a", "b"]), "\n  a\n  b");
    }

    #[test]
    fn a_path_stays_on_its_line() {
        assert_eq!(shown(Path::new("/a b\n\x1b[31mc/ä")), "/a b\\n\\u{1b}[31mc/ä");
    }

    #[test]
    fn sizes_read_as_dockers() {
        let texts = [0, 999, 10_240, 503_000_000, 2_500_000_000].map(sized);
        assert_eq!(texts, ["0 B", "999 B", "10.2 kB", "503.0 MB", "2.50 GB"]);
    }
}
