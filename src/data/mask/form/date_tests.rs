//! Dates: which texts are understood, and what stays of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::super::key::Key;
use super::*;

fn masked(window: u32, moving: &Moving, row: &str, value: &str) -> String {
    let mut out = Vec::new();
    date(&Key::new([1; 32]).secret("date"), window, moving, row.as_bytes(), value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_forms_of_postgresql_are_understood() {
    for value in [
        "2024-02-29",
        "0001-01-01",
        "12024-02-29",
        "0044-03-15 BC",
        "2024-02-29 23:59:59",
        "2024-02-29 23:59:59.5",
        "2024-02-29 23:59:59.123456+05:30",
        "2024-02-29T23:59:59Z",
        "0044-03-15 12:00:00 BC",
        "23:59:59",
        "23:59:59.25-08",
    ] {
        let text = masked(365, &Moving::Each, "", value);
        let moment = read(&text).unwrap_or_else(|| panic!("{value} {text}"));
        let before = read(value).unwrap();
        assert_eq!(
            (moment.zone, moment.before_christ),
            (before.zone, before.before_christ),
            "{value} {text}"
        );
        assert_eq!(moment.days.is_some(), before.days.is_some());
        assert!((moment.days.unwrap_or(0) - before.days.unwrap_or(0)).abs() < 365);
        let mut again = Vec::new();
        write(&before, &mut again);
        assert_eq!(String::from_utf8(again).unwrap(), value);
    }
    assert_eq!(masked(9, &Moving::Each, "", "2024-02-29 10:00:00.50").len(), 22);
    assert_eq!(masked(9, &Moving::Each, "", "infinity"), "infinity");
    for value in ["2024-02-30", "29 Feb 2024", "2024-1-", "25:00:00", "99999999-01-01"] {
        assert!(read(value).is_none(), "{value}");
        assert_ne!(masked(9, &Moving::Each, "", value), value);
    }
}

#[test]
fn a_whole_window_is_permuted_and_midnight_stays_within_its_day() {
    let days = (0..1000).map(|day| {
        let mut out = Vec::new();
        let moment = Moment {
            days: Some(day),
            seconds: None,
            micros: 0,
            separator: ' ',
            zone: "",
            before_christ: false,
        };
        write(&moment, &mut out);
        masked(90, &Moving::Each, "", &String::from_utf8(out).unwrap())
    });
    assert_eq!(days.collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(masked(90, &Moving::Each, "", "24:00:00"), "24:00:00");
}

#[test]
fn fractions_keep_their_digits_and_stay_apart() {
    let secret = Key::new([1; 32]).secret("date");
    for (digits, scale) in [(9, 100_000), (99, 10_000), (999, 1000)] {
        let all: BTreeSet<i64> = (1..=digits).map(|part| secret.move_fraction(7, part * scale)).collect();
        assert_eq!(all, (1..=digits).map(|part| part * scale).collect());
    }
}

#[test]
fn rows_of_one_person_move_alike() {
    let by = Moving::By("customer".into());
    let span = |row: &str| {
        let texts = ["2024-02-29 10:00:00", "2024-03-01 11:30:00"].map(|value| masked(365, &by, row, value));
        let [one, other] = [read(&texts[0]).unwrap(), read(&texts[1]).unwrap()];
        other.days.unwrap() * DAY + other.seconds.unwrap() - one.days.unwrap() * DAY - one.seconds.unwrap()
    };
    assert_eq!([span("1"), span("2")], [DAY + 5400; 2]);
    assert_ne!(masked(365, &by, "1", "2024-02-29"), masked(365, &by, "2", "2024-02-29"));
}

proptest! {
    #[test]
    fn days_and_dates_are_one(days in ERAS[0]..ERAS[3]) {
        let (year, month, day) = civil_from_days(days);
        prop_assert_eq!(days_from_civil(year, month, day), days);
    }

    #[test]
    fn moments_stay_apart(
        one in "20[0-2][0-9]-0[1-9]-[0-2][1-8] 1[0-9]:[0-5][0-9]:00(\\.[1-9])?",
        other in "20[0-2][0-9]-0[1-9]-[0-2][1-8] 1[0-9]:[0-5][0-9]:00(\\.[1-9])?",
    ) {
        let image = |value: &str| masked(30, &Moving::Each, "", value);
        prop_assert_eq!(image(&one) == image(&other), one == other);
    }

    #[test]
    fn order_stays_where_it_is_asked_for(
        mut all in prop::collection::vec("[12][0-9]{3}-0[1-9]-[0-2][1-8] 1[0-9]:[0-5][0-9]:00", 2..9),
    ) {
        all.sort();
        let moved: Vec<String> = all.iter().map(|value| masked(400, &Moving::InOrder, "", value)).collect();
        prop_assert!(moved.is_sorted());
    }
}
