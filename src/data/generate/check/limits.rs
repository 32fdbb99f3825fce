//! A check expression as limits of single columns and orders between two: enough to satisfy it, not always all that it allows.

use std::collections::BTreeMap;

use super::parse::{Expr, Op, parse};

/// An end of a range. The text is a constant as written; `now` is the seed's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Bound {
    /// The constant.
    pub(in crate::data) text: String,
    /// Whether it is itself allowed.
    pub(in crate::data) inclusive: bool,
}

/// What one column has to keep to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::data) struct Limits {
    /// Not below any of these.
    pub(in crate::data) low: Vec<Bound>,
    /// Not above any of these.
    pub(in crate::data) high: Vec<Bound>,
    /// None of these.
    pub(in crate::data) excluded: Vec<String>,
    /// One of these, where that is asked.
    pub(in crate::data) allowed: Option<Vec<String>>,
    /// Characters at least.
    pub(in crate::data) shortest: u64,
    /// Characters at most.
    pub(in crate::data) longest: Option<u64>,
    /// Matches this regular expression.
    pub(in crate::data) pattern: Option<String>,
    /// In lower letters (true), in upper ones (false).
    pub(in crate::data) lower: Option<bool>,
    /// Not null.
    pub(in crate::data) not_null: bool,
}

impl Limits {
    /// Adds what others ask. None where two things are asked that cannot be joined: two patterns.
    pub(in crate::data) fn join(&mut self, other: Self) -> Option<()> {
        self.low.extend(other.low);
        self.high.extend(other.high);
        self.excluded.extend(other.excluded);
        self.allowed = match (self.allowed.take(), other.allowed) {
            (Some(mine), Some(theirs)) => {
                Some(mine.into_iter().filter(|item| theirs.contains(item)).collect())
            }
            (mine, theirs) => mine.or(theirs),
        };
        self.shortest = self.shortest.max(other.shortest);
        self.longest = match (self.longest, other.longest) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        let one = |mine: &Option<String>, theirs: &Option<String>| {
            mine.is_none() || theirs.is_none() || mine == theirs
        };
        (one(&self.pattern, &other.pattern)
            && (self.lower.is_none() || other.lower.is_none() || self.lower == other.lower))
            .then_some(())?;
        self.pattern = self.pattern.take().or(other.pattern);
        self.lower = self.lower.or(other.lower);
        self.not_null |= other.not_null;
        Some(())
    }
}

/// One column's value is below another's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::data) struct Order {
    /// The column with the lower value.
    pub(in crate::data) lower: String,
    /// The column with the higher one.
    pub(in crate::data) higher: String,
    /// Whether they may not be the same.
    pub(in crate::data) strict: bool,
    /// Whether all that is asked is that they are not the same.
    pub(in crate::data) differ: bool,
}

/// What a check asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::data) struct Understood {
    /// Of single columns.
    pub(in crate::data) limits: BTreeMap<String, Limits>,
    /// Between two.
    pub(in crate::data) orders: Vec<Order>,
}

/// What the check `text` asks; none where it is not understood as a whole.
pub(in crate::data) fn understand(text: &str) -> Option<Understood> {
    of(&parse(text)?)
}

fn of(expr: &Expr) -> Option<Understood> {
    match expr {
        Expr::And(parts) => {
            let mut all = Understood::default();
            for part in parts {
                let part = of(part)?;
                all.orders.extend(part.orders);
                for (column, limits) in part.limits {
                    all.limits.entry(column).or_default().join(limits)?;
                }
            }
            Some(all)
        }
        Expr::Or(parts) => either(parts),
        Expr::Not(inner) => of(&negated(inner)?),
        Expr::Column(column) => Some(single(column, |limits| limits.allowed = Some(vec!["true".to_owned()]))),
        Expr::IsNull { of, is: false } => match &**of {
            Expr::Column(column) => Some(single(column, |limits| limits.not_null = true)),
            _ => None,
        },
        Expr::Member { of, items, within } => member(of, items, *within),
        Expr::Match { of, regex } => match &**of {
            Expr::Column(column) => Some(single(column, |limits| limits.pattern = Some(regex.clone()))),
            _ => None,
        },
        Expr::Compare(op, left, right) => compare(*op, left, right),
        _ => None,
    }
}

/// One of the alternatives holds where all of them list values of one column, or where one of them alone is understood.
fn either(parts: &[Expr]) -> Option<Understood> {
    let merged = |parts: &[Expr]| {
        let mut found: Option<(String, Vec<String>)> = None;
        for part in parts {
            let (column, limits) = of(part)?.limits.pop_first()?;
            let known = found.get_or_insert((column.clone(), Vec::new()));
            let only = Limits { allowed: limits.allowed.clone(), ..Limits::default() };
            (known.0 == column && only == limits).then_some(())?;
            known.1.extend(limits.allowed?);
        }
        found.map(|(column, allowed)| single(&column, |limits| limits.allowed = Some(allowed)))
    };
    merged(parts).or_else(|| parts.iter().find_map(of))
}

fn negated(expr: &Expr) -> Option<Expr> {
    Some(match expr {
        Expr::Not(inner) => (**inner).clone(),
        Expr::Compare(op, left, right) => Expr::Compare(op.negated(), left.clone(), right.clone()),
        Expr::Member { of, items, within } => {
            Expr::Member { of: of.clone(), items: items.clone(), within: !within }
        }
        Expr::IsNull { of, is } => Expr::IsNull { of: of.clone(), is: !is },
        Expr::Or(parts) => Expr::And(parts.iter().map(negated).collect::<Option<_>>()?),
        Expr::And(parts) => Expr::Or(parts.iter().map(|part| Expr::Not(Box::new(part.clone()))).collect()),
        Expr::Column(column) => {
            let falsehood = Box::new(Expr::Literal("false".to_owned()));
            Expr::Compare(Op::Equal, Box::new(Expr::Column(column.clone())), falsehood)
        }
        _ => return None,
    })
}

fn single(column: &str, set: impl FnOnce(&mut Limits)) -> Understood {
    let mut limits = Limits::default();
    set(&mut limits);
    Understood { limits: BTreeMap::from([(column.to_owned(), limits)]), orders: Vec::new() }
}

fn member(of: &Expr, items: &[Expr], within: bool) -> Option<Understood> {
    let Expr::Column(column) = of else { return None };
    let literal = |item: &Expr| if let Expr::Literal(text) = item { Some(text.clone()) } else { None };
    let items: Vec<String> = items.iter().map(literal).collect::<Option<_>>()?;
    Some(single(column, |limits| if within { limits.allowed = Some(items) } else { limits.excluded = items }))
}

fn compare(op: Op, left: &Expr, right: &Expr) -> Option<Understood> {
    match (left, right) {
        (Expr::Column(column), Expr::Literal(text)) => Some(single(column, |limits| bound(limits, op, text))),
        // The clock of a seed is not after the time of the load.
        (Expr::Column(column), Expr::Now) if matches!(op, Op::Less | Op::AtMost) => {
            Some(single(column, |limits| bound(limits, op, "now")))
        }
        (Expr::Length(column), Expr::Literal(text)) => length(column, op, text.parse().ok()?),
        (Expr::Column(column), Expr::Folded { column: folded, lower })
            if op == Op::Equal && column == folded =>
        {
            Some(single(column, |limits| limits.lower = Some(*lower)))
        }
        (Expr::Column(one), Expr::Column(other)) => {
            let (lower, higher) =
                if matches!(op, Op::More | Op::AtLeast) { (other, one) } else { (one, other) };
            let strict = matches!(op, Op::Less | Op::More | Op::Differs);
            let differ = op == Op::Differs;
            let order = Order { lower: lower.clone(), higher: higher.clone(), strict, differ };
            (op != Op::Equal && one != other)
                .then(|| Understood { limits: BTreeMap::new(), orders: vec![order] })
        }
        (Expr::Literal(_) | Expr::Now, Expr::Column(_) | Expr::Length(_))
        | (Expr::Folded { .. }, Expr::Column(_)) => compare(op.turned(), right, left),
        _ => None,
    }
}

fn bound(limits: &mut Limits, op: Op, text: &str) {
    let bound = |inclusive| Bound { text: text.to_owned(), inclusive };
    match op {
        Op::Less => limits.high.push(bound(false)),
        Op::AtMost => limits.high.push(bound(true)),
        Op::Equal => limits.allowed = Some(vec![text.to_owned()]),
        Op::Differs => limits.excluded.push(text.to_owned()),
        Op::AtLeast => limits.low.push(bound(true)),
        Op::More => limits.low.push(bound(false)),
    }
}

fn length(column: &str, op: Op, number: u64) -> Option<Understood> {
    let (shortest, longest) = match op {
        Op::Less => (0, Some(number.checked_sub(1)?)),
        Op::AtMost => (0, Some(number)),
        Op::Equal => (number, Some(number)),
        Op::AtLeast => (number, None),
        // Another length is longer.
        Op::More | Op::Differs => (number.checked_add(1)?, None),
    };
    Some(single(column, |limits| (limits.shortest, limits.longest) = (shortest, longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str, column: &str) -> Limits {
        understand(text).and_then(|mut found| found.limits.remove(column)).unwrap_or_else(|| panic!("{text}"))
    }

    fn bound(text: &str, inclusive: bool) -> Bound {
        Bound { text: text.into(), inclusive }
    }

    #[test]
    fn common_checks_are_understood() {
        let price = limits("(((price >= (0)::numeric) AND (price < 9.5)))", "price");
        assert_eq!((price.low, price.high), (vec![bound("0", true)], vec![bound("9.5", false)]));
        assert_eq!(limits("((TRIM(BOTH FROM t) <> ''::text))", "t").excluded, [""]);
        let state =
            limits("(((s)::text = 'a'::text) OR ((s)::text = ANY (ARRAY['b'::text, 'c'::text])))", "s");
        assert_eq!(state.allowed, Some(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(limits("((a IS NULL) OR (a > 0))", "a").low, [bound("0", false)]);
        assert_eq!(limits("((born <= CURRENT_DATE))", "born").high, [bound("now", true)]);
        assert_eq!(limits("(NOT (a = 3))", "a").excluded, ["3"]);
        assert_eq!(limits("(a <> ALL (ARRAY[1, 2]))", "a").excluded, ["1", "2"]);
        assert_eq!(limits("(lower((m)::text) = (m)::text)", "m").lower, Some(true));
        let name = limits("((char_length(name) >= 2) AND (5 > length(name)))", "name");
        assert_eq!((name.shortest, name.longest), (2, Some(4)));
        assert_eq!(limits("(x BETWEEN 1 AND 5)", "x").high, [bound("5", true)]);
        assert_eq!(limits("(`x` in (_utf8mb4'a',_utf8mb4'b'))", "x").allowed.map(|all| all.len()), Some(2));
        let order = Order { lower: "a".into(), higher: "b".into(), strict: false, differ: false };
        assert_eq!(understand("((b >= a))").map(|found| found.orders), Some(vec![order]));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in r"([ab(),'=<>~\[\]:.! -]|[0-9é]|AND|OR|NOT|ANY|IN|::text|length\(|ARRAY\[|BETWEEN){0,30}") {
            let _ = understand(&text);
        }
    }

    #[test]
    fn others_are_not_guessed_at() {
        for text in [
            "((a + b) > 3)",
            "(a = b)",
            "(num_nonnulls(a, b) = 1)",
            "(a > now())",
            "((a ~ 'x') AND (a ~ 'y'))",
            "(a > NULL)",
        ] {
            assert_eq!(understand(text), None, "{text}");
        }
    }
}
