//! How a file's shape is described: one table drives the check of a file and the published JSON Schema.

use std::sync::OnceLock;

use regex::Regex;

/// A key of a record.
pub(super) struct Field {
    /// The key.
    pub(super) name: &'static str,
    /// What it is, for the schema and for help.
    pub(super) doc: &'static str,
    /// Whether it must be there.
    pub(super) required: bool,
    /// A key that must be there too when this one is.
    pub(super) with: Option<&'static str>,
    /// What stands there.
    pub(super) shape: Shape,
}

/// A map with known keys.
pub(super) struct Record {
    /// Its name in the schema's `$defs`.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) doc: &'static str,
    /// Its keys, in the order they are best written in.
    pub(super) fields: &'static [Field],
    /// Keys of which exactly one must be there; none where that does not apply.
    pub(super) one_of: &'static [&'static str],
}

/// What stands at a place.
pub(super) enum Shape {
    /// `true` or `false`.
    Bool,
    /// `true` alone.
    True,
    /// A whole number within bounds.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Text of a form.
    Text(&'static Text),
    /// Text, a number, true or false, taken as it is written.
    Scalar,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// A map with keys of the user's own.
    Map(&'static Text, &'static Shape),
    /// A map with known keys.
    Record(&'static Record),
    /// Whichever fits the type of what is written: no two of them take the same type.
    Either(&'static [Shape]),
}

/// A form of text.
pub(super) struct Text {
    /// What it is called, with its article, such as `a port`.
    pub(super) what: &'static str,
    /// The whole of it, as a regular expression that Rust and ECMAScript read alike.
    pub(super) pattern: &'static str,
    /// The most characters.
    pub(super) max: usize,
    compiled: OnceLock<Option<Regex>>,
}

impl Text {
    /// A form of text.
    pub(super) const fn new(what: &'static str, pattern: &'static str, max: usize) -> Self {
        Self { what, pattern, max, compiled: OnceLock::new() }
    }

    /// Whether `text` has this form.
    pub(super) fn takes(&self, text: &str) -> bool {
        text.chars().count() <= self.max && self.regex().is_some_and(|regex| regex.is_match(text))
    }

    /// The compiled pattern; a test holds that every pattern in the tables compiles.
    pub(super) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(self.pattern).ok()).as_ref()
    }
}

/// A key that may be left out.
pub(super) const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, doc, required: false, with: None, shape }
}

/// A key that must be there.
pub(super) const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, doc, required: true, with: None, shape }
}

/// A key that may stand only beside another.
pub(super) const fn beside(with: &'static str, name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, doc, required: false, with: Some(with), shape }
}

impl Shape {
    /// What is wanted there, in words.
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::True => "true".into(),
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text(text) => text.what.into(),
            Self::Scalar => "text or a number".into(),
            Self::Choice(words) => match words {
                [word] => format!("`{word}`"),
                words => {
                    format!(
                        "one of {}",
                        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
                    )
                }
            },
            Self::List(_) => "a list".into(),
            Self::Map(..) => "a map".into(),
            Self::Record(record) => {
                let keys = if record.one_of.is_empty() {
                    record.fields.iter().map(|field| field.name).collect::<Vec<_>>()
                } else {
                    record.one_of.to_vec()
                };
                format!("a map with {}", keys.join(", "))
            }
            Self::Either(shapes) => shapes.iter().map(Self::wanted).collect::<Vec<_>>().join(", or "),
        }
    }
}
