//! What has to be unique is made so: the members of each unique set take their values by one permutation of all combinations.

use std::collections::BTreeSet;

use super::draft::{Draft, Wrong};
use crate::data::generate::column::{
    COUNTED, COUNTED_DIGITS, Group, How, Member, Source, Table, Texts, longest_plain,
};
use crate::data::generate::distribution::span;
use crate::data::generate::form::{Form, Unit};
use crate::data::generate::permute::Permutation;
use crate::data::generate::random::Stream;
use crate::data::generate::reference::Pick;

/// A set of columns that is unique.
pub(super) struct Set {
    pub(super) columns: BTreeSet<usize>,
    /// Whether nulls count as equal, so that there may be none.
    pub(super) no_nulls: bool,
}

/// What one table is made of while its unique sets are worked on.
pub(super) struct Uniques<'a> {
    pub(super) table: &'a mut Table,
    pub(super) drafts: &'a mut [Draft],
    /// The columns of each reference.
    pub(super) keys: &'a [Vec<usize>],
    /// Whether each reference is to the table itself, and whether it may refer to none.
    pub(super) own: &'a [(bool, bool)],
    /// Whether each reference's rows are bound to others: they cannot be permuted.
    pub(super) pinned: Vec<bool>,
    pub(super) seed: u64,
    /// The columns of all sets in which nulls count as equal: no row is without one.
    pub(super) filled: BTreeSet<usize>,
}

/// A member of a group to be.
#[derive(Debug, Clone, Copy)]
enum Part {
    Key(usize),
    Column(usize),
}

/// No product of radices is larger.
const ROOM: u64 = 1 << 62;

impl Uniques<'_> {
    /// Sees to all sets; gives the faults with the set's columns.
    pub(super) fn settle(&mut self, mut sets: Vec<Set>) -> Vec<(String, Wrong, Option<u64>)> {
        sets.sort_by_key(|set| set.columns.len());
        let mut done: Vec<BTreeSet<usize>> = Vec::new();
        let mut faults = Vec::new();
        let no_nulls = sets.iter().filter(|set| set.no_nulls).flat_map(|set| set.columns.iter().copied());
        self.fill(no_nulls.collect());
        for set in sets {
            let held = done.iter().any(|done| done.is_subset(&set.columns));
            if held || self.table.rows < 2 || self.never_whole(&set) {
                continue;
            }
            match self.unite(&set) {
                Ok(columns) => done.push(columns),
                Err((wrong, room)) => {
                    let names: Vec<_> =
                        set.columns.iter().map(|at| self.table.columns[*at].name.as_str()).collect();
                    faults.push((names.join(", "), wrong, room));
                }
            }
        }
        faults
    }

    /// Leaves no null in these columns.
    fn fill(&mut self, columns: BTreeSet<usize>) {
        for column in &columns {
            self.table.columns[*column].null = 0.0;
        }
        for key in 0..self.keys.len() {
            if self.keys[key].iter().any(|column| columns.contains(column)) {
                self.table.references[key].null = 0.0;
            }
        }
        self.filled = columns;
    }

    /// Whether rows may be without this reference.
    fn is_optional(&self, key: usize) -> bool {
        self.own[key].1 && !self.keys[key].iter().any(|column| self.filled.contains(column))
    }

    /// Whether one of the columns is always null, so that no two rows can be equal.
    fn never_whole(&self, set: &Set) -> bool {
        let nothing = |at: &usize| {
            matches!(self.drafts[*at].source, Source::Nothing)
                && self.table.columns[*at].references.is_empty()
        };
        !set.no_nulls && set.columns.iter().any(nothing)
    }

    /// Makes a set unique; gives the columns that are unique together now.
    fn unite(&mut self, set: &Set) -> Result<BTreeSet<usize>, (Wrong, Option<u64>)> {
        if let Some(column) = set.columns.iter().find(|at| self.counts_up(**at)) {
            return Ok(BTreeSet::from([*column]));
        }
        let parts = self.parts(set);
        if let [Part::Key(key)] = parts[..]
            && self.own[key].0
        {
            let optional = self.is_optional(key);
            let reference = &mut self.table.references[key];
            reference.pick = if optional { Pick::Previous } else { Pick::Own };
            if !optional {
                reference.null = 0.0;
            }
            return Ok(self.keys[key].iter().copied().collect());
        }
        let mut radices = Vec::new();
        let mut room = 1_u64;
        let keys: u64 = parts.iter().fold(1, |product: u64, part| match part {
            Part::Key(key) => product.saturating_mul(self.table.references[*key].parents.max(1)),
            Part::Column(_) => product,
        });
        for part in &parts {
            let size = self.size(*part, &parts, keys).min(ROOM / room).max(1);
            room *= size;
            radices.push(size);
        }
        if room < self.table.rows || parts.is_empty() {
            let room_for = (!parts.is_empty()).then_some(room);
            return Err((self.no_room(&parts, room), room_for));
        }
        self.bind(&parts, radices);
        Ok(set.columns.clone())
    }

    /// A sequence is unique as it is.
    fn counts_up(&self, at: usize) -> bool {
        let Source::Number(numbers) = &self.drafts[at].source else { return false };
        let How::Sequence { start, step } = numbers.how else { return false };
        let last = i64::try_from(self.table.rows - 1)
            .ok()
            .and_then(|rows| step.checked_mul(rows)?.checked_add(start));
        let kept = |value: i64| (numbers.low..=numbers.high).contains(&value);
        let free = self.table.columns[at].references.is_empty() && numbers.excluded.is_empty();
        free && step != 0 && kept(start) && last.is_some_and(kept)
    }

    /// References that lie in the set as a whole, and free columns.
    fn parts(&self, set: &Set) -> Vec<Part> {
        let mut parts = Vec::new();
        for (key, columns) in self.keys.iter().enumerate() {
            let taken = self.pinned[key]
                || matches!(self.table.references[key].pick, Pick::Member(_) | Pick::Previous | Pick::Own);
            // Its values are this key's: none of its columns takes them from another first.
            let whole = columns.iter().all(|at| {
                set.columns.contains(at)
                    && self.table.columns[*at].references.first().is_some_and(|(first, _)| *first == key)
            });
            if whole && !taken {
                parts.push(Part::Key(key));
            }
        }
        let free = set.columns.iter().filter(|at| {
            let column = &self.table.columns[**at];
            let countable = match &self.drafts[**at].source {
                Source::Nothing => false,
                Source::Number(numbers) => !matches!(numbers.how, How::After { .. } | How::Reached { .. }),
                Source::Text(texts) => !matches!(texts, Texts::States(_)),
                Source::Special => true,
            };
            column.references.is_empty() && column.member.is_none() && countable
        });
        parts.extend(free.map(|at| Part::Column(*at)));
        parts
    }

    /// How many values a part takes: as many as there are, or no more than make sense beside the others.
    fn size(&mut self, part: Part, parts: &[Part], keys: u64) -> u64 {
        let rows = self.table.rows;
        match part {
            Part::Key(key) => {
                let parents = self.table.references[key].parents;
                let alone = parts.len() == 1 && self.is_optional(key);
                // Rows beyond the parents refer to none.
                if alone { parents.max(rows) } else { parents }
            }
            Part::Column(at) if parts.len() == 1 => self.domain(at, rows),
            Part::Column(at) => {
                let wanted = rows.div_ceil(keys).saturating_mul(2).max(2);
                self.domain(at, wanted).min(wanted)
            }
        }
    }

    /// How many values a column has, widened to `wanted` where nothing speaks against it.
    fn domain(&mut self, at: usize, wanted: u64) -> u64 {
        let plain = self.plain();
        let (form, draft) = (&self.table.columns[at].form, &mut self.drafts[at]);
        match &draft.source {
            Source::Nothing => 1,
            Source::Special => {
                if let Form::Special(kind) = form {
                    kind.size()
                } else {
                    1
                }
            }
            Source::Number(_) => numbers_domain(draft, wanted),
            Source::Text(_) => {
                texts_domain(draft, matches!(form, Form::Text { folds: true, .. }), &plain, wanted)
            }
        }
    }

    /// By column, the length of its longest text, where no digit is in them.
    fn plain(&self) -> Vec<Option<usize>> {
        let of = |(at, draft): (usize, &Draft)| match &draft.source {
            Source::Text(Texts::Dictionary(entries)) if self.table.columns[at].references.is_empty() => {
                longest_plain(entries)
            }
            _ => None,
        };
        self.drafts.iter().enumerate().map(of).collect()
    }

    fn no_room(&self, parts: &[Part], room: u64) -> Wrong {
        let message = if parts.is_empty() {
            "it has to be unique, and its values are bound to something else".to_owned()
        } else {
            format!("it has to be unique, which {room} rows can be; the table has {}", self.table.rows)
        };
        let help = match parts {
            [] => "let a column of it be free, or lower `rows` to 1".to_owned(),
            parts if parts.iter().any(|part| matches!(part, Part::Key(_))) => {
                "lower its `rows` or `ratio`, or give the table that it refers to more rows".to_owned()
            }
            _ => "lower `rows`, or widen its range, `choice` or `pattern`".to_owned(),
        };
        (message, help)
    }

    fn bind(&mut self, parts: &[Part], radices: Vec<u64>) {
        let group = self.table.groups.len();
        for (place, (part, radix)) in parts.iter().zip(&radices).enumerate() {
            let mut member = Member { group, place, stride: 1 };
            match part {
                Part::Key(key) => self.table.references[*key].pick = Pick::Member(member),
                Part::Column(at) => {
                    let column = &mut self.table.columns[*at];
                    let is_time = matches!(
                        column.form,
                        Form::Number { unit: Unit::Day | Unit::Time { .. } | Unit::Instant { .. }, .. }
                    );
                    if let (true, Source::Number(numbers)) = (is_time, &self.drafts[*at].source)
                        && numbers.excluded.is_empty()
                    {
                        member.stride = (numbers.size() / radix).max(1);
                    }
                    column.member = Some(member);
                }
            }
        }
        // By names, not places: another column in the schema changes nothing here.
        let columns = parts.iter().flat_map(|part| match part {
            Part::Key(key) => self.keys[*key].as_slice(),
            Part::Column(at) => std::slice::from_ref(at),
        });
        let names: Vec<&str> = columns.map(|at| self.table.columns[*at].name.as_str()).collect();
        let table = self.table.name.to_string();
        let stream = Stream::new(self.seed, &[&table, "unique", &names.join(",")]);
        let product = radices.iter().product();
        self.table.groups.push(Group { permutation: Permutation::new(product, &stream), radices });
    }
}

/// A guessed range that is too narrow is widened upward, then downward, as far as constraints allow.
fn numbers_domain(draft: &mut Draft, wanted: u64) -> u64 {
    let Source::Number(numbers) = &mut draft.source else { return 1 };
    let is_range = matches!(numbers.how, How::Shape(_) | How::Sequence { .. } | How::Series(_));
    if let (true, false, Some(ends)) = (is_range && numbers.size() < wanted, draft.told, &draft.ends) {
        let room = wanted.saturating_add(ends.excluded.len() as u64);
        numbers.high = numbers.low.saturating_add_unsigned(room).min(ends.high).max(numbers.high);
        if span(numbers.low, numbers.high) < room {
            numbers.low = ends.low;
        }
        numbers.excluded.clone_from(&ends.excluded);
    }
    numbers.size()
}

/// Texts that cannot be counted get a number behind them, or become codes where there is no room for one.
fn texts_domain(draft: &mut Draft, folds: bool, plain: &[Option<usize>], wanted: u64) -> u64 {
    let Source::Text(texts) = &mut draft.source else { return 1 };
    let fit = draft.fit;
    let size = |texts: &Texts| texts.size(folds, fit, plain);
    if let Some(size) = size(texts).filter(|size| *size >= wanted) {
        // Numbers that are written out are no larger than they have to be.
        return if matches!(texts, Texts::Template(_)) { wanted } else { size };
    }
    if let Texts::Pattern(pattern) = texts {
        let counted = Texts::Pattern(pattern.counted());
        if let Some(size) = size(&counted).filter(|size| *size >= wanted) {
            *texts = counted;
            return size;
        }
    }
    let told_exactly =
        matches!(texts, Texts::Choice { .. }) || (draft.told && matches!(texts, Texts::Pattern(_)));
    if draft.fixed || told_exactly {
        return size(texts).unwrap_or(1);
    }
    let longest = fit.longest.unwrap_or(u64::MAX);
    if longest > COUNTED_DIGITS + 1 {
        *texts = Texts::Numbered(Box::new(texts.clone()));
        return wanted.min(COUNTED);
    }
    let width = longest.min(12).max(fit.shortest.min(12));
    *texts = Texts::Code(u32::try_from(width).unwrap_or(12));
    size(texts).unwrap_or(1)
}
