//! Writes a seed as the YAML that [`read`](super::read) reads, with a remark beside what was guessed.

use std::fmt::Write as _;

use super::{ColumnSeed, FanOut, Make, Rows, Seed, Series, Spread};
use crate::data::generate::{self, DAY, SECOND, date};
use crate::data::schema::{Schema, Table};
use crate::yaml::reads_as_string;

impl Seed {
    /// As YAML: tables in the order of loading, columns in the schema's.
    pub fn to_yaml(&self, schema: &Schema) -> String {
        let mut out = String::from(
            "# How the data of this system is made. The same file gives the same bytes, on every machine.\n\
             # A table that is not named stays empty; a column that is not named is guessed from its name and type.\n",
        );
        let (year, month, day) = date(self.clock.div_euclid(DAY));
        let second = self.clock.rem_euclid(DAY) / SECOND;
        let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        let _ = write!(
            out,
            "seed: {}\nclock: {year:04}-{month:02}-{day:02} {time}  # what counts as now, UTC\nlocale: {}\n",
            self.seed,
            self.locale.name()
        );
        if self.tables.is_empty() {
            out.push_str("tables: {}\n");
        } else {
            out.push_str("tables:\n");
        }
        for step in generate::order(schema) {
            if let Some(table) = schema.table(&step.table) {
                self.table(table, &mut out);
            }
        }
        out
    }

    fn table(&self, table: &Table, out: &mut String) {
        let note = self.notes.get(&(table.name.clone(), None));
        let Some(told) = self.tables.get(&table.name) else {
            if let Some(note) = note {
                let _ = writeln!(out, "  # {} is left out: {}", table.name, line(note));
            }
            return;
        };
        let _ = write!(out, "  {}:\n    ", text(&table.name.to_string()));
        let _ = match &told.rows {
            Rows::Count(rows) => write!(out, "rows: {rows}"),
            Rows::Per { table, ratio } => {
                write!(out, "per: {}\n    ratio: {ratio}", text(&table.to_string()))
            }
        };
        let _ = writeln!(out, "{}", note.map_or(String::new(), |note| format!("  # {}", line(note))));
        if !told.unchecked.is_empty() {
            let names: Vec<_> = told.unchecked.iter().map(|name| text(name)).collect();
            let _ = writeln!(
                out,
                "    unchecked: [{}]  # not understood: see that the columns satisfy them",
                names.join(", ")
            );
        }
        if told.columns.is_empty() {
            return;
        }
        out.push_str("    columns:\n");
        for column in &table.columns {
            let Some(told) = told.columns.get(&column.name) else { continue };
            let note = self.notes.get(&(table.name.clone(), Some(column.name.clone())));
            let note = note.map_or(String::new(), |note| format!("  # {}", line(note)));
            let _ = writeln!(out, "      {}: {{{}}}{note}", text(&column.name), seeded(told));
        }
    }
}

/// A remark on one line.
fn line(note: &str) -> String {
    note.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn seeded(column: &ColumnSeed) -> String {
    let mut parts: Vec<String> = column.make.iter().map(made).collect();
    parts.extend(column.null.map(|share| format!("nulls: {share}")));
    parts.extend(column.unique.then(|| "unique: true".to_owned()));
    parts.extend(
        column
            .with
            .as_ref()
            .map(|with| format!("with: {{column: {}, strength: {}}}", text(&with.column), with.strength)),
    );
    parts.join(", ")
}

fn made(make: &Make) -> String {
    let name = generate::make_name(make);
    let value = match make {
        Make::Constant(None) => "null".to_owned(),
        Make::Constant(Some(value))
        | Make::Dictionary(value)
        | Make::Pattern(value)
        | Make::Template(value) => text(value),
        Make::Sequence { start, step: 1 } => start.to_string(),
        Make::Sequence { start, step } => format!("{{start: {start}, step: {step}}}"),
        Make::Range { shape: Spread::Uniform, min: Some(min), max: Some(max) } => {
            format!("[{}, {}]", text(min), text(max))
        }
        Make::Range { shape, min, max } => range(shape, min.as_ref(), max.as_ref()),
        Make::Choice(entries) => choice(entries),
        Make::Words { min, max } => format!("[{min}, {max}]"),
        Make::Series(series) => time_series(series),
        Make::After { column, mean, max } => {
            let max = max.as_ref().map_or(String::new(), |max| format!(", max: {}", text(max)));
            format!("{{column: {}, mean: {}{max}}}", text(column), text(mean))
        }
        Make::States(states) => {
            let from = |(from, to): &(String, Vec<(String, f64)>)| format!("{}: {}", text(from), weights(to));
            let transitions: Vec<_> = states.transitions.iter().map(from).collect();
            format!("{{start: {}, transitions: {{{}}}}}", text(&states.start), transitions.join(", "))
        }
        Make::Reached { column, state, after, mean } => {
            format!(
                "{{column: {}, state: {}, after: {}, mean: {}}}",
                text(column),
                text(state),
                text(after),
                text(mean)
            )
        }
        Make::Parent(fan_out) => parent(fan_out),
    };
    format!("{name}: {value}")
}

fn range(shape: &Spread, min: Option<&String>, max: Option<&String>) -> String {
    let mut parts = match shape {
        Spread::Uniform => Vec::new(),
        Spread::Normal { mean, deviation } => {
            vec![format!("mean: {}", text(mean)), format!("deviation: {}", text(deviation))]
        }
        Spread::Exponential { mean } => vec![format!("mean: {}", text(mean))],
        Spread::Zipf { exponent } => vec![format!("exponent: {exponent}")],
    };
    parts.extend(min.map(|min| format!("min: {}", text(min))));
    parts.extend(max.map(|max| format!("max: {}", text(max))));
    format!("{{{}}}", parts.join(", "))
}

#[expect(clippy::float_cmp, reason = "even weights are exactly 1")]
fn choice(entries: &[(String, f64)]) -> String {
    if entries.iter().all(|(_, weight)| *weight == 1.0) {
        let entries: Vec<_> = entries.iter().map(|(entry, _)| text(entry)).collect();
        return format!("[{}]", entries.join(", "));
    }
    weights(entries)
}

fn weights(entries: &[(String, f64)]) -> String {
    let entries: Vec<_> =
        entries.iter().map(|(entry, weight)| format!("{}: {weight}", text(entry))).collect();
    format!("{{{}}}", entries.join(", "))
}

fn time_series(series: &Series) -> String {
    let list = |weights: &[f64]| weights.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    parts.extend(series.from.as_ref().map(|from| format!("from: {}", text(from))));
    parts.extend(series.to.as_ref().map(|to| format!("to: {}", text(to))));
    parts.extend(series.growth.map(|growth| format!("growth: {growth}")));
    parts.extend((!series.days.is_empty()).then(|| format!("days: [{}]", list(&series.days))));
    parts.extend((!series.hours.is_empty()).then(|| format!("hours: [{}]", list(&series.hours))));
    format!("{{{}}}", parts.join(", "))
}

fn parent(fan_out: &FanOut) -> String {
    match fan_out {
        FanOut::Uniform => "uniform".to_owned(),
        FanOut::Even => "even".to_owned(),
        FanOut::Zipf { exponent } => format!("{{zipf: {exponent}}}"),
        FanOut::Counts(counts) => {
            let counts: Vec<_> =
                counts.iter().map(|(children, weight)| format!("{children}: {weight}")).collect();
            format!("{{counts: {{{}}}}}", counts.join(", "))
        }
    }
}

/// A text or number that reads back as the same text, quoted where it has to be.
pub(in crate::data) fn text(value: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-' | '+');
    let starts = value.chars().next().is_some_and(|first| {
        first.is_ascii_alphanumeric() || first == '_' || (first == '-' && value.len() > 1)
    });
    // Numbers and dates may stand bare: they are read as they are written.
    let number = value.chars().all(|character| character.is_ascii_digit() || matches!(character, '.' | '-'));
    let truth = matches!(value, "true" | "false");
    let bare = truth
        || value.chars().all(plain)
            && starts
            && (number && value != "-" && !value.starts_with("--") || reads_as_string(value));
    if bare { value.to_owned() } else { quoted(value) }
}

/// A text between quotes. JSON lets characters stand bare that YAML does not.
pub(in crate::data) fn quoted(value: &str) -> String {
    let bare = |character: char| {
        character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    serde_json::Value::String(value.to_owned()).to_string().chars().fold(
        String::new(),
        |mut out, character| {
            if bare(character) {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            } else {
                out.push(character);
            }
            out
        },
    )
}
