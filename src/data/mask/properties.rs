//! What holds for whole rows and schemas.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::apply::tests::{mask_for, text};
use super::fixture::{SHOP_POLICY, shop, table};
use super::*;
use crate::data::schema::{ColumnType, Schema, TableName};

fn masker(key: u8) -> Masker {
    let classified = classify(&shop(), &Policy::parse(SHOP_POLICY).unwrap()).unwrap();
    Masker::new(&classified, &Key::new([key; 32]))
}

fn masked(masker: &Masker, name: &str, line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut table = masker.table(&TableName::new("public", name)).unwrap().unwrap();
    table.mask(line.as_bytes(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.strip_suffix('\n').unwrap().split('\t').map(str::to_owned).collect()
}

#[test]
fn a_row_is_masked() {
    let masker = masker(1);
    let customer = masked(
        &masker,
        "customers",
        "7\tann@firm.com\tAnn Lee\t+49 30 1234567\t1980-02-29\t{\"phone\": \"+49 30 1234567\", \"customer\": 7, \"language\": \"de\", \"x\": 1}",
    );
    let order =
        masked(&masker, "orders", "1\t7\t2024-02-29 10:00:00+00\tFor Ann\\tat home\t{ann@firm.com,NULL}");
    assert_eq!((order[0].as_str(), &order[1]), ("1", &customer[0]));
    assert_eq!(order[4], format!("{{{},NULL}}", customer[1]));
    let profile =
        format!("{{\"phone\":\"{}\",\"customer\":{},\"language\":\"de\"}}", customer[3], customer[0]);
    assert_eq!(customer[5], profile);
    assert!(order[3].contains("\\t") && !order[3].contains("Ann"), "{order:?}");
    assert_eq!(masked(&masker, "customers", &["\\N"; 6].join("\t")), ["\\N"; 6]);
    assert_ne!(masked(&self::masker(2), "customers", "7\t\\N\t\\N\t\\N\t\\N\t\\N")[0], customer[0]);
}

#[test]
fn rows_of_another_shape_are_refused_without_their_values() {
    let masker = masker(1);
    let mut table = masker.table(&TableName::new("public", "orders")).unwrap().unwrap();
    assert_eq!(table.columns().collect::<Vec<_>>(), ["id", "customer_id", "placed", "note", "contacts"]);
    let mut out = Vec::new();
    let text = table.mask(b"1\tsecret", &mut out).unwrap_err().to_string();
    assert_eq!(
        text,
        "a row of table public.orders has 2 fields where 5 columns were classified; read the schema again"
    );
    assert!(out.is_empty());
    assert!(masker.table(&TableName::new("public", "nothing")).is_err());
}

#[test]
fn only_what_is_kept_may_be_no_text() {
    let schema = Schema {
        tables: vec![table("t", &[("a", ColumnType::Text), ("b", ColumnType::Text)])],
        ..Schema::default()
    };
    let policy = Policy::parse("tables: { t: { a: keep, b: { mask: name } } }").unwrap();
    let masker = Masker::new(&classify(&schema, &policy).unwrap(), &Key::new([1; 32]));
    let mut out = Vec::new();
    masker.table(&schema.tables[0].name).unwrap().unwrap().mask(b"\xff\\\\\t\xffann", &mut out).unwrap();
    let at = out.iter().position(|byte| *byte == b'\t').unwrap();
    assert_eq!(&out[..at], b"\xff\\\\");
    assert!(out[at..].is_ascii());
}

#[test]
fn a_snapshot_of_many_rows_is_clean_and_a_planted_one_is_not() {
    let masker = masker(3);
    for planted in [false, true] {
        let mut check = LeakCheck::new(LeakLimits::default(), &Key::new([3; 32]));
        let mut out = Vec::new();
        let mut customers = masker.table(&TableName::new("public", "customers")).unwrap().unwrap();
        for id in 1..=3000 {
            let (first, last) =
                (["Ann", "Maria", "Zdenka", "Olu"][id % 4], ["Lee", "Schmidt", "Horakova"][id % 3]);
            let line = format!(
                "{id}\t{first}.{last}{id}@firm.com\t{first} {last}\t+49 30 {:07}\t19{:02}-0{}-1{}\t\\N",
                id * 97,
                id % 90 + 10,
                id % 9 + 1,
                id % 10
            );
            customers.mask_observed(line.as_bytes(), &mut out, &mut check).unwrap();
        }
        if planted {
            out.extend_from_slice(b"as zdenka.schmidt1234@firm.com wrote\n");
            check.observe("public.customers.email", b"Zdenka.Schmidt1234@firm.com");
        }
        let mut search = check.search();
        out.split(|byte| *byte == b'\n').for_each(|line| search.seen_line(line));
        let columns: Vec<String> = search.finish().into_iter().map(|leak| leak.column).collect();
        assert_eq!(columns, if planted { vec!["public.customers.email"] } else { vec![] });
    }
}

/// Rules whose masks keep all values apart where the column is unique, and values of their form.
fn unique_rules() -> impl Strategy<Value = (&'static str, ColumnType, String, String)> {
    prop_oneof![
        Just(("{ mask: email }", ColumnType::Text, "[a-z]{1,4}@[a-z]{1,3}\\.(com|example)")),
        Just(("{ mask: email }", ColumnType::VarChar(40), "[a-z]{1,20}@[a-z]{1,9}\\.(com|example)")),
        Just(("{ mask: phone }", ColumnType::Text, "(\\+|0|00|)[1-9][0-9]{5}")),
        Just(("{ mask: card }", ColumnType::Text, "4[0-9]{11,18}")),
        Just(("{ mask: name }", ColumnType::Text, "[A-C][a-c]{1,2} [A-C][a-c]")),
        Just(("{ mask: free-text }", ColumnType::Text, "[a-c ]{0,6}")),
        Just(("{ mask: code }", ColumnType::VarChar(8), "[A-B0-3äЖ-]{0,8}")),
        Just((
            "{ mask: uuid }",
            ColumnType::Uuid,
            "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-9[0-9a-f]{3}-[0-9a-f]{12}"
        )),
        Just(("{ mask: id }", ColumnType::SmallInt, "-?[1-9][0-9]{0,3}")),
        Just(("{ mask: id }", ColumnType::Numeric { precision: Some(2), scale: 0 }, "[1-9][0-9]")),
        Just(("{ mask: date }", ColumnType::Date, "20[0-9]{2}-0[1-9]-[12][0-8]")),
        Just(("{ mask: ip }", ColumnType::Inet, "10\\.[0-3]\\.[0-3]\\.[0-9]{1,2}(/24)?")),
        Just(("{ mask: mac }", ColumnType::MacAddress, "0[0-7]:00:2b:01:02:[0-9a-f]{2}")),
        Just(("{ mask: iban }", ColumnType::Text, "DE[0-9]{20}")),
        Just(("{ mask: bytes }", ColumnType::Bytes, "\\\\x([0-9a-f]{2}){0,3}")),
    ]
    .prop_flat_map(|(rule, kind, form)| {
        (
            Just(rule),
            Just(kind),
            proptest::string::string_regex(form).unwrap(),
            proptest::string::string_regex(form).unwrap(),
        )
    })
}

/// Names that suggest something, and some that are awkward in YAML.
const NAMES: &str =
    "email customerName phone zip ip salary birthday note status token iban ssn lat url yes a:b Größe";

/// Types of all sorts.
fn kinds() -> Vec<ColumnType> {
    use ColumnType as T;
    let text = [T::Text, T::VarChar(9), T::Char(4), T::CiText, T::Array(Box::new(T::Text))];
    let numbers = [T::Integer, T::BigInt, T::Double, T::Money, T::Numeric { precision: Some(9), scale: 2 }];
    let others = [
        T::Date,
        T::Timestamp { zoned: true },
        T::Jsonb,
        T::Bytes,
        T::Inet,
        T::MacAddress,
        T::Uuid,
        T::Boolean,
    ];
    let unknown = [T::Other("geometry".into()), T::Domain("public.nothing".into())];
    text.into_iter().chain(numbers).chain(others).chain(unknown).collect()
}

/// Schemas of a few tables, with columns of many names and types.
fn schemas() -> impl Strategy<Value = Schema> {
    let column = (
        prop::sample::subsequence(NAMES.split(' ').collect::<Vec<_>>(), 1..6),
        prop::collection::vec(prop::sample::select(kinds()), 6),
    );
    prop::collection::vec((column, any::<bool>()), 1..4).prop_map(|tables| {
        let made = tables.iter().enumerate().map(|(at, ((names, kinds), refers))| {
            let mut columns = vec![("id", ColumnType::BigInt)];
            columns.extend(names.iter().copied().zip(kinds.iter().cloned()));
            columns.push(("parent", ColumnType::BigInt));
            let mut made = table(&format!("t{at}"), &columns);
            made.foreign_keys.extend(refers.then(|| super::fixture::refers("parent", "t0")));
            made
        });
        Schema { tables: made.collect(), ..Schema::default() }
    })
}

proptest! {
    #[test]
    fn suggestions_fit_and_every_missing_rule_is_refused(schema in schemas(), gone: prop::sample::Index) {
        let decide = |line: &str| line.replacen("    # ", "    ", usize::from(!line.contains(" it will ")));
        let lines: Vec<String> = suggest(&schema).lines().map(decide).collect();
        let whole = Policy::parse(&lines.join("\n")).unwrap();
        prop_assert!(classify(&schema, &whole).is_ok(), "{:?} {:?}", classify(&schema, &whole), lines);
        let is_rule = |line: &&String| line.starts_with("    ") && !line.starts_with("    #");
        let rules: Vec<&String> = lines.iter().filter(is_rule).collect();
        let gone = *gone.get(&rules);
        let kept: Vec<&str> = lines.iter().filter(|line| !std::ptr::eq(*line, gone)).map(String::as_str).collect();
        let refused = classify(&schema, &Policy::parse(&kept.join("\n")).unwrap()).unwrap_err();
        prop_assert!(refused.faults.is_empty() && !refused.open.is_empty());
        prop_assert!(refused.open.iter().any(|open| gone.contains(&open.column)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn unique_columns_stay_unique_and_equal_values_equal((rule, kind, one, other) in unique_rules(), key: u8) {
        let mask = mask_for(rule, kind.clone(), true, &Key::new([key; 32]));
        prop_assert_eq!(text(&mask, &one) == text(&mask, &other), one == other, "{} {} {}", rule, one, other);
        if let ColumnType::VarChar(limit) = kind {
            prop_assert!(text(&mask, &one).chars().count() <= limit as usize);
        }
    }

    #[test]
    fn joins_stay_joins(
        ids in prop::collection::btree_set(any::<i32>(), 1..20),
        refs in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let masker = masker(9);
        let ids: Vec<i32> = ids.into_iter().collect();
        let image = |id: &i32| masked(&masker, "customers", &format!("{id}\t\\N\t\\N\t\\N\t\\N\t\\N")).remove(0);
        let images: BTreeMap<i32, String> = ids.iter().map(|id| (*id, image(id))).collect();
        prop_assert_eq!(images.values().collect::<BTreeSet<_>>().len(), ids.len());
        for at in refs {
            let id = at.get(&ids);
            prop_assert_eq!(&masked(&masker, "orders", &format!("1\t{id}\t\\N\t\\N\t\\N"))[1], &images[id]);
        }
    }

    #[test]
    fn any_bytes_are_masked_and_lines_stay_lines(
        fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 6),
    ) {
        let masker = masker(4);
        let mut line = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            if at > 0 { line.push(b'\t'); }
            escape(field, &mut line);
        }
        let mut out = Vec::new();
        masker.table(&TableName::new("public", "customers")).unwrap().unwrap().mask(&line, &mut out).unwrap();
        prop_assert_eq!(out.pop(), Some(b'\n'));
        prop_assert!(!out.contains(&b'\n') && Fields::new(&out).count() == 6 && std::str::from_utf8(&out).is_ok());
    }

    #[test]
    fn a_column_without_a_rule_is_always_refused(removed in 0_usize..10) {
        let lines: Vec<&str> = SHOP_POLICY.lines().collect();
        let rules: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("    ")).collect();
        let gone = rules[removed % rules.len()];
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line);
        let policy = kept.collect::<Vec<_>>().join("\n");
        let refused = classify(&shop(), &Policy::parse(&policy).unwrap()).unwrap_err();
        let name = lines[gone].trim().split(':').next().unwrap();
        prop_assert!(refused.open.iter().any(|open| open.column == name), "{}", refused);
    }
}
