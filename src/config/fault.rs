//! Faults of configuration files: where, what, and the nearest right name; all of a load shown together.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode};

/// A configuration file as it was read: the name it is shown under, and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// The file's name as shown in faults.
    pub name: String,
    /// What was read, without a byte order mark.
    pub text: String,
}

impl Document {
    /// Line and column of a byte offset, both from 1; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// The part of a span that lies on its first line, without white space at its end, as offset and length in bytes.
    fn first_line(&self, (start, end): (usize, usize)) -> (usize, usize) {
        let start = start.min(self.text.len());
        let part = self.text.get(start..end.clamp(start, self.text.len())).unwrap_or_default();
        (start, part.lines().next().unwrap_or_default().trim_end().len())
    }
}

/// One thing wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file it is in.
    pub document: Arc<Document>,
    /// Where in the file, as offset and length in bytes; never beyond one line.
    pub span: (usize, usize),
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The way out: the nearest right name, or what is allowed there.
    pub help: Option<String>,
}

impl Fault {
    fn at(document: &Arc<Document>, span: (usize, usize), message: String, help: Option<String>) -> Self {
        let (line, column) = document.position(span.0);
        let span = document.first_line(span);
        Self { document: document.clone(), span, line, column, message, help }
    }

    /// `devcluster.yaml:3:5`, as editors and terminals take it for a link.
    pub fn location(&self) -> String {
        format!("{}:{}:{}", self.document.name, self.line, self.column)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl serde::Serialize for Fault {
    /// As `file`, `line`, `column`, `offset`, `length`, `message` and `help`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Fault", 7)?;
        out.serialize_field("file", &self.document.name)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("column", &self.column)?;
        out.serialize_field("offset", &self.span.0)?;
        out.serialize_field("length", &self.span.1)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("help", &self.help)?;
        out.end()
    }
}

impl Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new(None, self.span.0, self.span.1))))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }
}

impl SourceCode for Fault {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let read = self.document.text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.document.name.clone(),
            read.data(),
            *read.span(),
            read.line(),
            read.column(),
            read.line_count(),
        )))
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file was named and none was found.
    #[error("no devcluster.yaml in {} or above it; `devcluster init` writes one", .directory.display())]
    NotFound {
        /// Where the search began.
        directory: PathBuf,
    },
    /// The file could not be read.
    #[error("{} cannot be read: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not UTF-8 text.
    #[error("{} is not UTF-8 text (byte {offset}); save it as UTF-8", .file.display())]
    Encoding {
        /// The file.
        file: PathBuf,
        /// The first byte that is not UTF-8.
        offset: usize,
    },
    /// The profile asked for on the command line does not exist.
    #[error("no profile `{name}`; {help}")]
    UnknownProfile {
        /// The name asked for.
        name: String,
        /// The nearest right name, or all of them.
        help: String,
    },
    /// The file, or a profile it uses, has faults: all of them, in the order they stand.
    #[error("{}", headline(.faults))]
    Faults {
        /// At least one.
        faults: Vec<Fault>,
    },
}

impl ConfigError {
    /// The faults, where that is what it is.
    pub fn faults(&self) -> &[Fault] {
        if let Self::Faults { faults } = self { faults } else { &[] }
    }
}

impl Diagnostic for ConfigError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let faults = self.faults();
        (!faults.is_empty()).then(|| {
            Box::new(faults.iter().map(|fault| fault as &dyn Diagnostic)) as Box<dyn Iterator<Item = _>>
        })
    }
}

/// `devcluster.yaml has 3 faults`.
fn headline(faults: &[Fault]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for fault in faults {
        if !names.contains(&fault.document.name.as_str()) {
            names.push(&fault.document.name);
        }
    }
    let verb = if names.len() == 1 { "has" } else { "have" };
    let count = faults.len();
    format!("{} {verb} {count} fault{}", names.join(" and "), if count == 1 { "" } else { "s" })
}

/// Collects faults while a load goes on.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Adds one. A place that has a fault gets no second one: the first is the cause.
    pub(super) fn add(
        &self,
        document: &Arc<Document>,
        span: (usize, usize),
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        let fault = Fault::at(document, span, message.into(), help.into());
        let mut faults = self.0.borrow_mut();
        if !faults.iter().any(|known| known.span == fault.span && known.document.name == fault.document.name)
        {
            faults.push(fault);
        }
    }

    /// Adds one about something that is not there, at a place which may have other such faults.
    pub(super) fn add_missing(
        &self,
        document: &Arc<Document>,
        span: (usize, usize),
        message: String,
        help: String,
    ) {
        self.0.borrow_mut().push(Fault::at(document, span, message, Some(help)));
    }

    /// Whether nothing was collected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The error with everything collected: files in the order they were met, faults in the order they stand.
    pub(super) fn failed(&self) -> ConfigError {
        let mut faults = self.0.take();
        let mut order: Vec<String> = Vec::new();
        for fault in &faults {
            if !order.contains(&fault.document.name) {
                order.push(fault.document.name.clone());
            }
        }
        faults.sort_by_key(|fault| {
            (order.iter().position(|name| *name == fault.document.name), fault.span.0, fault.span.1)
        });
        ConfigError::Faults { faults }
    }
}

/// The candidate that `name` was most likely meant to be, letters' case, `-` and `_` aside: at most a third of it wrong,
/// or one the beginning of the other (`prod`, `production`).
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    let allowed = (wanted.chars().count() / 3).max(1);
    let begins = |one: &str, other: &str| one.chars().count() >= 3 && other.starts_with(one);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = plain(candidate);
            let distance = strsim::damerau_levenshtein(&wanted, &known);
            let near = distance <= allowed && distance < candidate.len();
            let part = begins(&wanted, &known) || begins(&known, &wanted);
            (near || part).then_some((!near, distance, candidate))
        })
        .min_by_key(|(far, distance, _)| (*far, *distance))
        .map(|(_, _, candidate)| candidate)
}

/// ``did you mean `x`?``, or what there is.
pub(super) fn suggest<'a>(
    name: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    nearest(name, candidates.clone()).map_or_else(
        || {
            let known: Vec<String> = candidates.into_iter().map(|known| format!("`{known}`")).collect();
            format!("{what}: {}", known.join(", "))
        },
        |near| format!("did you mean `{near}`?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_are_found_and_far_ones_are_not() {
        let keys = ["httpPort", "httpsPort", "nodeImage", "name"];
        assert_eq!(nearest("http-port", keys), Some("httpPort"));
        assert_eq!(nearest("nodeimage", keys), Some("nodeImage"));
        assert_eq!(nearest("nmae", keys), Some("name"));
        assert_eq!(nearest("node", keys), Some("nodeImage"));
        assert_eq!(nearest("prod", ["base", "production"]), Some("production"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let document = Document { name: "f".into(), text: "a: ü\nbé: 1\n".into() };
        assert_eq!(document.position(0), (1, 1));
        assert_eq!(document.position(6), (2, 1));
        assert_eq!(document.position(9), (2, 3));
        assert_eq!(document.position(9999), (3, 1));
    }
}
