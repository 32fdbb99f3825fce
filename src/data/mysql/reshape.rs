//! A table's definition as it is made beside the target: what refers to tables that stay there says so, and counting starts anew.

use std::collections::BTreeSet;

use super::sql::quoted;

/// `statement` as SHOW CREATE TABLE prints it, one part a line. References to tables that do not `come` along are to those of
/// the target; AUTO_INCREMENT starts where the rows end.
pub(super) fn beside(statement: &str, target: &str, come: &BTreeSet<&str>) -> String {
    let lines: Vec<String> = statement.lines().map(|line| reference(line, target, come)).collect();
    lines.join("\n")
}

fn reference(line: &str, target: &str, come: &BTreeSet<&str>) -> String {
    if line.starts_with(") ") {
        return without_count(line);
    }
    let is_key = line.starts_with("  CONSTRAINT `");
    let Some((before, after)) = line.split_once(") REFERENCES `").filter(|_| is_key) else {
        return line.to_owned();
    };
    match come.iter().any(|name| after.starts_with(&format!("{} (", quoted(name).trim_start_matches('`')))) {
        true => line.to_owned(),
        // Of another database it names that already: `other`.`table`.
        false if names_a_database(after) => line.to_owned(),
        false => format!("{before}) REFERENCES {}.`{after}", quoted(target)),
    }
}

/// Whether what follows an opening backquote is a name, a point and another.
fn names_a_database(after: &str) -> bool {
    let mut rest = after;
    while let Some((_, more)) = rest.split_once('`') {
        match more.strip_prefix('`') {
            Some(again) => rest = again,
            None => return more.starts_with(".`"),
        }
    }
    false
}

/// `) ENGINE=InnoDB AUTO_INCREMENT=5000 DEFAULT CHARSET=…` without the count; it comes before any text.
fn without_count(line: &str) -> String {
    let text = line.find('\'').unwrap_or(line.len());
    let Some(at) = line.find(" AUTO_INCREMENT=").filter(|at| *at < text) else { return line.to_owned() };
    let (before, after) = line.split_at(at);
    let after =
        after.trim_start_matches(" AUTO_INCREMENT=").trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{before}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_counts_are_rewritten() {
        let statement = "CREATE TABLE `a` (\n  `b` int(11) COMMENT ') REFERENCES `p` (',\n  CONSTRAINT `x` FOREIGN KEY (`b`) REFERENCES `p` (`id`),\n  CONSTRAINT `y` FOREIGN KEY (`b`) REFERENCES `c``d` (`id`),\n  CONSTRAINT `z` FOREIGN KEY (`b`) REFERENCES `other`.`p` (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=12 DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=3'";
        let expected = "CREATE TABLE `a` (\n  `b` int(11) COMMENT ') REFERENCES `p` (',\n  CONSTRAINT `x` FOREIGN KEY (`b`) REFERENCES `shop`.`p` (`id`),\n  CONSTRAINT `y` FOREIGN KEY (`b`) REFERENCES `c``d` (`id`),\n  CONSTRAINT `z` FOREIGN KEY (`b`) REFERENCES `other`.`p` (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=3'";
        assert_eq!(beside(statement, "shop", &BTreeSet::from(["a", "c`d"])), expected);
    }
}
