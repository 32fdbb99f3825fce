//! Masks by their names, and vectors that hold them still: a change of any makes snapshots disagree with older ones.

use super::super::kind::MaskKind;
use super::super::policy::{ColumnRule, Policy, TableRule};
use super::super::{Key, classify};
use super::*;
use crate::data::mask::fixture::table;
use crate::data::schema::{ColumnType, Schema};

/// The mask that a rule gives a column of a type.
pub(in super::super) fn mask_for(rule: &str, kind: ColumnType, unique: bool, key: &Key) -> Mask {
    let policy = Policy::parse(&format!("tables: {{ t: {{ id: keep, c: {rule} }} }}")).unwrap();
    let mut known = table("t", &[("id", ColumnType::Integer), ("c", kind)]);
    if unique {
        known.primary_key = vec!["c".into()];
    }
    let schema = Schema { tables: vec![known], ..Schema::default() };
    let classified = classify(&schema, &policy).unwrap_or_else(|refused| panic!("{rule}: {refused}"));
    let Some(super::super::TableTreatment::Rows(columns)) = classified.table(&schema.tables[0].name) else {
        panic!()
    };
    let super::super::ColumnTreatment::Mask(plan) = &columns[1].1 else { panic!("{columns:?}") };
    plan.mask(key)
}

/// The mask of a kind for text, or for a whole number where it is `id`.
pub(in super::super) fn mask_of(kind: &str, key: &Key) -> Mask {
    let column = if kind == "id" { ColumnType::BigInt } else { ColumnType::Text };
    mask_for(&format!("{{ mask: {kind} }}"), column, false, key)
}

/// A value's mask as text.
pub(in super::super) fn text(mask: &Mask, value: &str) -> String {
    let mut out = Vec::new();
    mask.apply(value.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn vectors_hold() {
    let key = Key::new([42; 32]);
    let vectors = VECTORS.map(|(kind, value, _)| {
        let column = match kind {
            "number" => ColumnType::Numeric { precision: Some(10), scale: 2 },
            "bytes" => ColumnType::Bytes,
            "id" => ColumnType::BigInt,
            _ => ColumnType::Text,
        };
        (kind, value, text(&mask_for(&format!("{{ mask: {kind} }}"), column, false, &key), value))
    });
    let shown = vectors.iter().map(|(kind, value, masked)| format!("({kind:?}, {value:?}, {masked:?}),\n"));
    assert!(vectors.iter().zip(VECTORS).all(|(now, then)| now.2 == then.2), "{}", shown.collect::<String>());
}

const VECTORS: [(&str, &str, &str); 18] = [
    ("email", "ann.lee@firm.com", "jqv.iam@jbon.wib.example"),
    ("phone", "+49 30 1234567", "+49 61 9045506"),
    ("card", "4111 1111 1111 1111", "4165 6050 2635 0750"),
    ("name", "Ann Lee", "Amelia Kaiser"),
    ("first-name", "Ann", "Amelia"),
    ("last-name", "Lee", "Kaiser"),
    ("free-text", "Call Ann at 5, please.", "Keep All at 6, dinner."),
    ("id", "42", "25685"),
    ("id", "-123456789", "-966399510"),
    ("code", "AB-1234/x", "LW-5024/k"),
    ("uuid", "018f4e5c-7a3b-7cde-9f01-23456789abcd", "d66d43bf-1b54-7ce2-8dc9-264aee0a3873"),
    ("number", "1234.50", "1450.12"),
    ("date", "2024-02-29 10:00:00.5", "2024-02-22 13:50:10.9"),
    ("ip", "192.0.2.17", "144.15.192.46"),
    ("ip", "2001:db8::1", "6c6f:f14e:a8a5:7e97:f956:abd7:a6b7:4809"),
    ("mac", "08:00:2b:01:02:03", "38:ba:5f:0b:3d:f4"),
    ("iban", "DE89370400440532013000", "DE80574577293944066315"),
    ("bytes", "\\x0102", "\\x1256"),
];

#[test]
fn every_name_is_a_kind_and_every_kind_has_its_name() {
    for name in MaskKind::NAMES {
        let options = if name == "json" { ", paths: { $.a: keep }" } else { "" };
        let policy =
            Policy::parse(&format!("tables: {{ t: {{ c: {{ mask: {name}{options} }} }} }}")).unwrap();
        let TableRule::Columns(columns) = &policy.tables[0].rule else { panic!() };
        let ColumnRule::Mask(kind) = &columns[0].rule else { panic!() };
        assert_eq!(kind.name(), if name == "postal-code" { "code" } else { name });
    }
}

#[test]
fn limits_hold_for_every_text() {
    let key = Key::new([1; 32]);
    for (kind, value) in [
        ("email", "ann@firm.com"),
        ("name", "Bo X"),
        ("first-name", "Bo"),
        ("code", "Հա-1"),
        ("ip", "::1"),
        ("ip", "1::2/9"),
        ("free-text", "Ünder ß"),
        ("phone", "+49 30"),
        ("email", "ä@ö.de"),
        ("date", "x"),
    ] {
        for unique in [false, true] {
            let limit = value.chars().count();
            let kept = u32::try_from(limit).unwrap();
            let mask = mask_for(&format!("{{ mask: {kind} }}"), ColumnType::VarChar(kept), unique, &key);
            let masked = text(&mask, value);
            assert!(masked.chars().count() <= limit, "{kind} {value} {masked}");
        }
    }
}

#[test]
fn what_is_no_text_leaves_nothing_of_itself() {
    let mut out = Vec::new();
    mask_of("email", &Key::new([1; 32])).apply(b"ann\xff@firm.com", &mut out);
    assert!(out.len() == 26 && out.is_ascii());
}

#[test]
fn a_column_that_ignores_case_is_masked_without_it() {
    let mask = mask_for("{ mask: email }", ColumnType::CiText, true, &Key::new([1; 32]));
    assert_eq!(text(&mask, "Ann@Firm.com"), text(&mask, "ann@firm.COM"));
}

#[test]
fn spaces_around_a_value_stay_and_those_that_a_column_ignores_do_not_count() {
    let key = Key::new([1; 32]);
    let plain = mask_of("email", &key);
    assert_eq!(text(&plain, "  ann@firm.com "), format!("  {} ", text(&plain, "ann@firm.com")));
    assert_eq!(text(&plain, "  "), "  ");
    let padded = mask_for("{ mask: email }", ColumnType::Char(30), true, &key);
    assert_eq!(text(&padded, "ann@firm.com     "), text(&plain, "ann@firm.com"));
}
