//! How children are spread over parents, made ready to pick by row.

use crate::data::generate::permute::Permutation;
use crate::data::generate::random::Stream;
use crate::data::generate::reference::{Class, Pick};
use crate::data::seed::FanOut;

/// The pick for `parents` that have `rows` children in all; the error says what is wrong with it.
pub(super) fn pick(fan_out: &FanOut, parents: u64, rows: u64, stream: &Stream) -> Result<Pick, String> {
    let order = || Permutation::new(parents, stream);
    Ok(match fan_out {
        FanOut::Uniform => Pick::Uniform,
        FanOut::Even => Pick::Even(rows),
        FanOut::Zipf { exponent } => Pick::Zipf { exponent: *exponent, order: order() },
        FanOut::Counts(counts) => {
            let (classes, rows) = classes(counts, parents).ok_or("no parent would have a child")?;
            Pick::Counts { classes, order: order(), rows }
        }
    })
}

/// Parents by their number of children, those without any left out; and the children of all of them.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn classes(counts: &[(u64, f64)], parents: u64) -> Option<(Vec<Class>, u64)> {
    let total: f64 = counts.iter().map(|(_, weight)| weight).sum();
    if !(total > 0.0 && total.is_finite()) || counts.iter().any(|(_, weight)| *weight < 0.0) {
        return None;
    }
    let mut classes = Vec::new();
    let (mut weight_before, mut parents_before, mut rows_before) = (0.0, 0_u64, 0_u64);
    for (children, weight) in counts {
        weight_before += weight;
        let parents_after = (libm::round(parents as f64 * weight_before / total) as u64).min(parents);
        let count = parents_after.saturating_sub(parents_before);
        if *children > 0 && count > 0 {
            classes.push(Class { parents_before, rows_before, children: *children });
            rows_before = rows_before.checked_add(count.checked_mul(*children)?)?;
        }
        parents_before = parents_after;
    }
    (rows_before > 0).then_some((classes, rows_before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate::column::Table;
    use crate::data::generate::reference::Reference;
    use crate::data::schema::TableName;

    fn empty() -> Table {
        let name = TableName::new("public", "t");
        Table { name, rows: 0, columns: Vec::new(), references: Vec::new(), groups: Vec::new() }
    }

    #[test]
    fn counts_are_kept_exactly() {
        let stream = Stream::new(1, &["f"]);
        let counts = FanOut::Counts(vec![(0, 50.0), (1, 30.0), (5, 20.0)]);
        let pick = pick(&counts, 100, 130, &stream).unwrap();
        let reference = Reference { table: 0, parents: 100, pick, null: 0.0, stream, apart: None };
        let mut children = [0_u32; 100];
        for row in 0..130 {
            children[usize::try_from(reference.row(row, &empty(), &[]).unwrap()).unwrap()] += 1;
        }
        let having = |number| children.iter().filter(|count| **count == number).count();
        assert_eq!((having(0), having(1), having(5)), (50, 30, 20));
    }

    #[test]
    fn zipf_gives_a_few_most_and_even_all_the_same() {
        let stream = Stream::new(1, &["f"]);
        let spread = |fan_out: &FanOut| {
            let pick = pick(fan_out, 100, 1000, &stream).unwrap();
            let reference =
                Reference { table: 0, parents: 100, pick, null: 0.0, stream: stream.clone(), apart: None };
            let mut children = vec![0_u32; 100];
            for row in 0..1000 {
                children[usize::try_from(reference.row(row, &empty(), &[]).unwrap()).unwrap()] += 1;
            }
            children.sort_unstable();
            children
        };
        assert_eq!(spread(&FanOut::Even), vec![10; 100]);
        assert!(spread(&FanOut::Zipf { exponent: 1.2 })[99] > 150);
        assert!(spread(&FanOut::Uniform)[99] < 30);
        assert!(pick(&FanOut::Counts(vec![(0, 1.0)]), 10, 10, &stream).is_err());
    }
}
