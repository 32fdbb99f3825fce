//! One column's mask, ready to be applied to values.

use std::borrow::Cow;

use super::form::{
    array, bytes, card, code, date, email, iban, json, name, network, number, phone, prose, uuid,
};
use super::key::Secret;

/// A mask. The same one gives the same output for the same input, wherever it is used; masking twice is another mask.
#[derive(Debug, Clone)]
pub struct Mask {
    pub(super) form: Form,
    pub(super) secret: Secret,
    /// The most characters that the column takes.
    pub(super) limit: Option<usize>,
    /// Whether the column ignores case, so that case must not make a difference.
    pub(super) folds: bool,
    /// Whether the column ignores spaces at the end, so that they must not make a difference.
    pub(super) pads: bool,
}

/// What a mask writes.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Email,
    Phone,
    Card,
    Name {
        part: name::NamePart,
        unique: bool,
    },
    Prose,
    Whole {
        border: Option<u128>,
    },
    Code {
        kept: usize,
    },
    Uuid,
    Noise {
        percent: u8,
        most: Option<u64>,
    },
    Date {
        window: u32,
        moving: date::Moving,
    },
    Address,
    Ethernet,
    Iban,
    Bytes,
    Json(json::Places),
    /// A value within JSON that refers to something: a number, a UUID or a code.
    Reference,
    Array(Box<Mask>),
}

impl Mask {
    /// Masks a value that is not null, written as COPY's text format has it before escaping. Appends to `out`.
    pub fn apply(&self, value: &[u8], out: &mut Vec<u8>) {
        self.apply_in_row(b"", value, out);
    }

    /// As [`Mask::apply`]; `row` is what decides how dates of this row move, where the policy says that a column does.
    pub fn apply_in_row(&self, row: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match &self.form {
            Form::Bytes => return bytes::bytes(&self.secret, value, out),
            Form::Json(places) => return places.apply(value, out),
            Form::Array(mask) => return array::array(mask, row, value, out),
            _ => {}
        }
        let start = out.len();
        let Ok(text) = std::str::from_utf8(value) else {
            return code::opaque(&self.secret, value, self.limit.unwrap_or(usize::MAX), out);
        };
        let text = if self.pads { text.trim_end_matches(' ') } else { text };
        let folded = if self.folds { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        // Spaces around a value are not part of its form.
        let core = folded.trim_matches(' ');
        let lead = folded.len() - folded.trim_start_matches(' ').len();
        let trail = if core.is_empty() { 0 } else { folded.len() - lead - core.len() };
        out.resize(start + lead, b' ');
        self.text(row, core, out);
        out.resize(out.len() + trail, b' ');
        self.hold_limit(start, &folded, out);
    }

    fn text(&self, row: &[u8], text: &str, out: &mut Vec<u8>) {
        let secret = &self.secret;
        match &self.form {
            Form::Email => email::email(secret, text, out),
            Form::Phone => phone::phone(secret, text, out),
            Form::Card => card::card(secret, text, out),
            Form::Name { part, unique } => name::name(secret, *part, self.limit, *unique, text, out),
            Form::Prose => prose::prose(secret, text, out),
            Form::Whole { border } => number::whole(secret, *border, text, out),
            Form::Code { kept } => code::code(secret, *kept, b"", text, out),
            Form::Noise { percent, most } => number::noise(secret, *percent, *most, text, out),
            Form::Date { window, moving } => date::date(secret, *window, moving, row, text, out),
            Form::Address => network::address(secret, text, out),
            Form::Ethernet => network::ethernet(secret, text, out),
            Form::Iban => iban::iban(secret, text, out),
            Form::Reference if number::is_json_number(text) => number::whole(secret, None, text, out),
            Form::Uuid | Form::Reference => uuid::uuid(secret, text, out),
            Form::Bytes | Form::Json(_) | Form::Array(_) => {}
        }
    }

    /// Where a value came out longer than the column takes, as an address near the limit does, or one of an unknown alphabet,
    /// it becomes text without form of as many characters as there is room for.
    fn hold_limit(&self, start: usize, text: &str, out: &mut Vec<u8>) {
        let Some(limit) = self.limit else { return };
        let written = String::from_utf8_lossy(&out[start..]).chars().count();
        if written <= limit {
            return;
        }
        out.truncate(start);
        let ending: &[u8] = if matches!(self.form, Form::Email) && limit > 20 { b"@a.example" } else { b"" };
        code::opaque(&self.secret, text.as_bytes(), limit - ending.len(), out);
        out.extend_from_slice(ending);
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
pub(super) mod tests;
