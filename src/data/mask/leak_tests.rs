//! The leak check: planted values are found, chance is not reported.

use proptest::prelude::*;

use super::*;

fn check() -> LeakCheck {
    LeakCheck::new(LeakLimits::default(), &Key::new([5; 32]))
}

/// Observes values of a column `c` and gives the columns that leak into an output.
fn leaks(values: &[String], output: &[&str]) -> Vec<String> {
    let mut check = check();
    for value in values {
        check.observe("c", value.as_bytes());
    }
    let mut search = check.search();
    for piece in output {
        search.seen_line(piece.as_bytes());
    }
    search.finish().into_iter().map(|leak| format!("{} {}", leak.column, leak.found)).collect()
}

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("qsomeone.{number}@ourfirm.com")).collect()
}

#[test]
fn bits_count_what_chance_must_hit() {
    for (value, expected) in [
        ("1234567891", 33),
        ("1000000000", 3),
        ("60000.00", 3),
        ("2024-02-29", 15),
        ("2024-02-29 10:00:00", 34),
        ("qzxvqz", 28),
        ("Maria Schmidt", 14),
        ("+49 30", 13),
    ] {
        assert_eq!(bits(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn planted_values_are_found_in_any_case_and_within_text() {
    let values = addresses(16);
    for output in ["qsomeone.7@ourfirm.com", "x\tQSOMEONE.7@OURFIRM.com,\ty", "about qsomeone.7@ourfirm.comx"]
    {
        let found = leaks(&values, &["clean", output]);
        assert_eq!(found, ["c 1"], "{output}");
    }
    let awkward: Vec<String> = (0..20).map(|number| format!("tab\tand \\ {number} qzxvwk qzxvwk")).collect();
    assert_eq!(leaks(&awkward, &["a\ttab\\tand \\\\ 7 qzxvwk qzxvwk"]), ["c 1"]);
    assert_eq!(leaks(&values, &["qsomeone.77@ourfirm.com"]), Vec::<String>::new());
}

#[test]
fn few_and_short_values_are_passed_over() {
    assert_eq!(leaks(&addresses(15), &["qsomeone.7@ourfirm.com"]), Vec::<String>::new());
    let short: Vec<String> = (0..100).map(|number| format!("q{number:04}")).collect();
    assert_eq!(leaks(&short, &["q0001"]), Vec::<String>::new());
}

#[test]
fn long_values_are_known_by_their_beginning() {
    let long: Vec<String> = (0..16).map(|number| format!("{number:02}{}", "qzxv".repeat(40))).collect();
    assert_eq!(leaks(&long, &[&format!("{}y", &long[3][..64])]), ["c 1"]);
}

#[test]
fn memory_is_bounded_and_whole_columns_are_found_all_the_same() {
    let mut check = check().at_most(1000);
    for number in 0..100_000_u32 {
        check.observe("large", format!("qsomeone.{number}@ourfirm.com").as_bytes());
    }
    (0..100).for_each(|number| check.observe("small", format!("else.{number}@ourfirm.com").as_bytes()));
    assert!(check.count <= 1000 && check.columns[1].values.len() == 100);
    let mut search = check.search();
    assert_eq!(search.sampled().map(|(column, _)| column).collect::<Vec<_>>(), ["large"]);
    assert!(search.sampled().all(|(_, share)| share < 2.0));
    (0..100_000).for_each(|number| search.seen(format!("qsomeone.{number}@ourfirm.com").as_bytes()));
    search.seen(b"else.42@ourfirm.com");
    let leaks = search.finish();
    assert_eq!(leaks.iter().map(|leak| leak.column.as_str()).collect::<Vec<_>>(), ["large", "small"]);
    assert!((50_000..200_000).contains(&leaks[0].distinct) && leaks[1].found == 1, "{leaks:?}");
    assert!(!leaks[0].to_string().contains('@'));
}

#[test]
fn numbers_that_a_permutation_meets_again_are_no_leak() {
    let numbers: Vec<String> = (100_000..110_000).map(|number: u32| number.to_string()).collect();
    let output: Vec<String> =
        (0..10_000_u32).map(|number| (100_000 + number * 90 % 899_999).to_string()).collect();
    assert_eq!(leaks(&numbers, &output.iter().map(String::as_str).collect::<Vec<_>>()), Vec::<String>::new());
}

#[test]
fn numbers_that_came_through_as_a_whole_are_a_leak() {
    let numbers: Vec<String> =
        (0..2000_u64).map(|number| (100_000_000 + number * 7_919 % 899_999).to_string()).collect();
    let output: Vec<&str> = numbers.iter().map(String::as_str).collect();
    assert_eq!(leaks(&numbers, &output), ["c 2000"]);
}

proptest! {
    #[test]
    fn every_planted_unique_value_is_found_and_none_in_clean_output(
        values in prop::collection::hash_set("[a-z0-9]{10}[a-z0-9._@+-]{4,90}", 16..60),
        at: prop::sample::Index,
        around in "[ ,;]{0,3}",
        clean in prop::collection::vec("[A-Z0-9._@+-]{0,100}", 0..20),
    ) {
        let values: Vec<String> = values.into_iter().map(|value| format!("kq{value}zj")).collect();
        let planted = format!("{around}{}{around}", at.get(&values));
        let mut output: Vec<&str> = clean.iter().map(String::as_str).collect();
        prop_assert!(leaks(&values, &output).is_empty());
        output.push(&planted);
        prop_assert_eq!(leaks(&values, &output).len(), 1);
    }
}
