//! A column's value at a row: a pure function, which follows references into other tables by computing their values too.

use super::column::{Column, Fence, How, Numbers, Part, Source, Table, Texts};
use super::distribution::{Shape, coupled};
use super::fit::{fit, write_slug};
use super::form::{Form, Unit};
use super::random::{Draws, scaled};
use super::special;

/// A value. Text lies in the scratch memory, from where it starts to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(i64),
    Text(usize),
}

/// A row of a table.
#[derive(Clone, Copy)]
pub(super) struct At<'g> {
    pub(super) tables: &'g [Table],
    pub(super) table: &'g Table,
    pub(super) row: u64,
}

impl<'g> At<'g> {
    /// The value of a column; its text is appended to `scratch`.
    pub(super) fn value(&self, column: &'g Column, scratch: &mut Vec<u8>) -> Value {
        for (reference, parent) in &column.references {
            let reference = &self.table.references[*reference];
            let Some(row) = reference.row(self.row, self.table, self.tables) else { continue };
            let table = &self.tables[reference.table];
            let parent = &table.columns[*parent];
            if row == self.row && std::ptr::eq(parent, column) {
                // A row that refers to itself has the value that it would have had.
                continue;
            }
            let value = At { table, row, ..*self }.value(parent, scratch);
            return converted(value, &parent.form, &column.form);
        }
        if (column.null_unreferred && !column.references.is_empty())
            || (column.null > 0.0 && column.nulls.unit(self.row) < column.null)
        {
            return Value::Null;
        }
        match &column.source {
            Source::Nothing => Value::Null,
            Source::Number(numbers) => match self.number(column, numbers, scratch) {
                None => Value::Null,
                Some(number) if column.form == Form::Boolean => Value::Boolean(number != 0),
                Some(number) => Value::Number(number),
            },
            Source::Text(texts) => {
                let start = scratch.len();
                self.text(column, texts, scratch);
                Value::Text(start)
            }
            Source::Special => {
                let Form::Special(kind) = &column.form else { return Value::Null };
                let start = scratch.len();
                let mut draws = column.stream.draws(self.row);
                let index = self.counted(column).unwrap_or_else(|| draws.below(kind.size()));
                special::write(kind, index, &mut draws, scratch);
                Value::Text(start)
            }
        }
    }

    /// Which value of its domain a column has that is unique; none for others.
    fn counted(&self, column: &Column) -> Option<u64> {
        column.member.map(|member| self.table.groups[member.group].digit(self.row, member.place))
    }

    /// Where the row lies in the column's distribution: 0 <= rank < 1.
    fn rank(&self, column: &Column, draws: &mut Draws) -> f64 {
        let own = draws.unit();
        match column.with {
            None => own,
            Some((other, strength)) => {
                let other = &self.table.columns[other];
                coupled(own, self.rank(other, &mut other.stream.draws(self.row)), strength)
            }
        }
    }

    fn number(&self, column: &'g Column, numbers: &Numbers, scratch: &mut Vec<u8>) -> Option<i64> {
        if let (Some(index), Some(member)) = (self.counted(column), column.member) {
            return Some(numbers.counted(index, member.stride));
        }
        if let How::Sequence { start, step } = numbers.how {
            let row = i64::try_from(self.row).unwrap_or(i64::MAX);
            return Some(start.saturating_add(step.saturating_mul(row)));
        }
        let mut draws = column.stream.draws(self.row);
        let part = self.rank(column, &mut draws);
        let unit =
            if let Form::Number { unit, .. } = column.form { unit } else { Unit::Decimal { scale: 0 } };
        let (low, high) = (numbers.low, numbers.high);
        let value = match &numbers.how {
            How::Sequence { start, .. } => *start,
            How::Shape(shape) => shape.at(part, low, high),
            How::Choice { values, weights } => values[weights.at(part)],
            How::Series(series) => {
                let micros = series.at(part, &mut draws);
                Unit::Instant { zoned: false }.convert(micros, unit, false).unwrap_or(low)
            }
            How::After { column: after, mean, most } => {
                let lag = whole(Shape::Exponential { mean: *mean }.at(part, 0, *most), unit);
                match self.other(*after, unit, true, scratch) {
                    Some(start) => start.saturating_add(lag),
                    None => Shape::Uniform.at(part, low, high),
                }
            }
            How::Reached { states, state, after, mean } => {
                self.reached(*states, *state)?.fold(self.other(*after, unit, true, scratch)?, |time, step| {
                    let length = step_length(&self.table.columns[*states], self.row, step, *mean);
                    time.saturating_add(whole(length, unit).max(1))
                })
            }
        };
        let reached = matches!(numbers.how, How::Reached { .. });
        Some(self.fenced(column, numbers, unit, value.clamp(low, high), reached, scratch))
    }

    /// The value where it keeps to the columns that bound it; another that does, where it does not.
    fn fenced(
        &self,
        column: &Column,
        numbers: &Numbers,
        unit: Unit,
        value: i64,
        near: bool,
        scratch: &mut Vec<u8>,
    ) -> i64 {
        let (mut low, mut high) = (numbers.low, numbers.high);
        let limit = |fence: &Fence, up: bool, scratch: &mut Vec<u8>| {
            self.other(fence.column, unit, up, scratch).map(|limit| (limit, i64::from(fence.strict)))
        };
        for fence in &column.floors {
            if let Some((limit, strict)) = limit(fence, true, scratch) {
                low = low.max(limit.saturating_add(strict));
            }
        }
        for fence in &column.ceilings {
            if let Some((limit, strict)) = limit(fence, false, scratch) {
                high = high.min(limit.saturating_sub(strict));
            }
        }
        let value = if (low..=high).contains(&value) || low > high {
            value
        } else if near {
            value.clamp(low, high)
        } else if let How::Series(_) = numbers.how {
            mirrored(value, low, high)
        } else {
            let mut draws = column.nulls.draws(self.row);
            draws.number();
            Shape::Uniform.at(draws.unit(), low, high)
        };
        numbers.allowed(value, low, high)
    }

    /// Another column's number in this one's units.
    fn other(&self, other: usize, unit: Unit, up: bool, scratch: &mut Vec<u8>) -> Option<i64> {
        let other = &self.table.columns[other];
        let start = scratch.len();
        let value = self.value(other, scratch);
        scratch.truncate(start);
        match (value, &other.form) {
            (Value::Number(number), Form::Number { unit: from, .. }) => from.convert(number, unit, up),
            _ => None,
        }
    }

    /// The transitions until a state is reached; none where it is not.
    fn reached(&self, states: usize, state: usize) -> Option<std::ops::Range<u32>> {
        let column = &self.table.columns[states];
        let Source::Text(Texts::States(walk)) = &column.source else { return None };
        let (step, _) = walk.path(&column.stream, self.row).find(|(_, at)| *at == state)?;
        Some(0..step)
    }

    fn text(&self, column: &'g Column, texts: &'g Texts, out: &mut Vec<u8>) {
        let start = out.len();
        let index = self.counted(column);
        let mut draws = column.stream.draws(self.row);
        self.write_text(column, texts, index, &mut draws, out);
        let ending = match (texts, index) {
            (Texts::Numbered(_), Some(index)) => {
                let at = out.len();
                out.push(b'-');
                special::number(index + 1, out);
                at
            }
            _ => out.len(),
        };
        fit(column.fit, start, ending, out);
    }

    fn write_text(
        &self,
        column: &'g Column,
        texts: &'g Texts,
        index: Option<u64>,
        draws: &mut Draws,
        out: &mut Vec<u8>,
    ) {
        match texts {
            Texts::Choice { entries, weights } => {
                let at = match index {
                    Some(index) => usize::try_from(index).unwrap_or(0),
                    None => weights.at(self.rank(column, draws)),
                };
                out.extend_from_slice(entries.get(at).map_or(&[], |entry| entry.as_bytes()));
            }
            Texts::Dictionary(entries) => {
                let index = index.unwrap_or_else(|| scaled(draws.number(), entries.len() as u64));
                entry(entries, index, out);
            }
            Texts::Pattern(pattern) => match index {
                Some(index) => pattern.write(index, out),
                None => pattern.write_drawn(&mut || draws.number(), out),
            },
            Texts::Template(parts) => self.template(column, parts, index, draws, out),
            Texts::Words { words, min, max } => {
                write_words(words, min + draws.below(max - min + 1), draws, out);
            }
            Texts::States(walk) => {
                let last = walk.path(&column.stream, self.row).last();
                let label = last.and_then(|(_, state)| walk.labels.get(state));
                out.extend_from_slice(label.map_or(&[], |label| label.as_bytes()));
            }
            Texts::Code(width) => {
                let size = texts.size(false, column.fit, &[]).unwrap_or(1);
                special::code(index.unwrap_or_else(|| draws.below(size)), u64::from(*width), out);
            }
            Texts::Numbered(inner) => self.write_text(column, inner, None, draws, out),
        }
    }

    /// A template; what stands before its number gives way where all is too long.
    fn template(
        &self,
        column: &Column,
        parts: &'g [Part],
        index: Option<u64>,
        draws: &mut Draws,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let mut number = None;
        for part in parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Dictionary { entries, slug } => {
                    let at = usize::try_from(draws.below(entries.len() as u64)).unwrap_or(0);
                    let entry = entries.get(at).copied().unwrap_or_default();
                    if *slug { write_slug(entry, out) } else { out.extend_from_slice(entry.as_bytes()) }
                }
                Part::Column { column, slug } => self.sibling(*column, *slug, out),
                Part::Number => special::number(1 + draws.below(199), out),
                Part::Unique => {
                    number = Some(out.len());
                    special::number(index.unwrap_or_else(|| draws.below(1 << 30)) + 1, out);
                }
            }
        }
        if let (Some(number), Some(longest)) = (number, column.fit.longest) {
            let over = out
                .len()
                .saturating_sub(start)
                .saturating_sub(usize::try_from(longest).unwrap_or(usize::MAX));
            let from = number.saturating_sub(over).max(start);
            // Slugs are ASCII; other text is cut before a character.
            let from = (start..=from)
                .rev()
                .find(|at| out.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80))
                .unwrap_or(start);
            if over > 0 {
                out.drain(from..number);
            }
        }
    }

    fn sibling(&self, other: usize, slug: bool, out: &mut Vec<u8>) {
        let other = &self.table.columns[other];
        let start = out.len();
        match self.value(other, out) {
            Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Value::Number(number) => {
                if let Form::Number { unit, .. } = other.form {
                    unit.write(number, out);
                }
            }
            Value::Text(at) if slug => {
                let text = String::from_utf8_lossy(&out[at..]).into_owned();
                out.truncate(start);
                write_slug(&text, out);
            }
            Value::Null | Value::Text(_) => {}
        }
    }
}

/// A referred value in the referring column's units; both have the same type unless the schema mixes them.
fn converted(value: Value, from: &Form, to: &Form) -> Value {
    match (value, from, to) {
        (Value::Number(number), Form::Number { unit: from, .. }, Form::Number { unit: to, .. })
            if from != to =>
        {
            Value::Number(from.convert(number, *to, false).unwrap_or(number))
        }
        _ => value,
    }
}

/// A span of whole seconds, where it is one of time.
fn whole(span: i64, unit: Unit) -> i64 {
    let of_time = matches!(unit, Unit::Time { .. } | Unit::Instant { .. });
    if of_time { span - span % super::calendar::SECOND } else { span }
}

/// How long the `step`-th transition took: at least one unit.
fn step_length(states: &Column, row: u64, step: u32, mean: f64) -> i64 {
    let mut draws = states.nulls.draws(row);
    let part = (0..=step).fold(0.0, |_, _| draws.unit());
    Shape::Exponential { mean }.at(part, 1, i64::MAX / 64)
}

/// The `index`-th entry.
fn entry(entries: &[&str], index: u64, out: &mut Vec<u8>) {
    let entry = usize::try_from(index).ok().and_then(|at| entries.get(at));
    out.extend_from_slice(entry.map_or(&[], |entry| entry.as_bytes()));
}

fn write_words(words: &[&str], count: u64, draws: &mut Draws, out: &mut Vec<u8>) {
    for at in 0..count {
        if at > 0 {
            out.push(b' ');
        }
        entry(words, draws.below(words.len() as u64), out);
    }
}

/// As far on the other side of the limit that a value is beyond: anywhere in what its type holds may be thousands of years off.
fn mirrored(value: i64, low: i64, high: i64) -> i64 {
    if value < low {
        low.saturating_add(low.saturating_sub(value)).min(high)
    } else {
        high.saturating_sub(value.saturating_sub(high)).max(low)
    }
}
