//! The forms that masked values have, one file each. Each turns one value into another of its form, by its secret alone;
//! what is not of the form is masked as a code.

pub(super) mod array;
pub(super) mod bytes;
pub(super) mod card;
pub(super) mod code;
pub(super) mod date;
pub(super) mod email;
pub(super) mod iban;
pub(super) mod json;
pub(super) mod json_path;
pub(super) mod name;
pub(super) mod network;
pub(super) mod number;
pub(super) mod phone;
pub(super) mod prose;
pub(super) mod uuid;
