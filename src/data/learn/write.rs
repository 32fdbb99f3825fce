//! Writes a profile as the YAML that [`Profile::read`] reads.

use std::fmt::{Display, Write as _};

use super::profile::{
    ColumnProfile, Distinct, FanOutProfile, Profile, Quantity, Rules, Seasons, Share, TableProfile,
    two_digits_of,
};
use crate::data::seed::{yaml_quoted as quoted, yaml_text as text};

impl Profile {
    /// As YAML, with the rules that its figures keep to.
    pub fn to_yaml(&self) -> String {
        let mut out = header(&self.rules);
        if self.tables.is_empty() {
            out.push_str("tables: {}\n");
            return out;
        }
        out.push_str("tables:\n");
        let mut schema = None;
        for (name, table) in &self.tables {
            if schema != Some(&name.schema) {
                let _ = writeln!(out, "  {}:", text(&name.schema));
                schema = Some(&name.schema);
            }
            let _ = writeln!(out, "    {}:\n      rows: {}", text(&name.name), quantity(table.rows));
            body(table, &mut out);
        }
        out
    }
}

fn header(rules: &Rules) -> String {
    let Rules { least, label_share, most_labels } = rules;
    let percent = two_digits_of(label_share * 100.0);
    format!(
        "# What a database is like. It has no value of its rows but the labels below; read it before you pass it on.\n\
         # No figure rests on fewer than {least} rows: what fewer have is `few`. Counts and shares have two significant digits.\n\
         # Labels are those of enumerated types and of columns that were allowed by name, and values of columns with at most\n\
         # {most_labels} different ones, each in {least} rows or more and in {percent}% of the rows\n\
         # or more. Keys, times and long texts have none.\n\
         least: {least}\nlabel_share: {label_share}\nmost_labels: {most_labels}\n"
    )
}

fn quantity(quantity: Quantity) -> String {
    match quantity {
        Quantity::None => "0".to_owned(),
        Quantity::Under => "few".to_owned(),
        Quantity::About(count) => count.to_string(),
    }
}

fn body(table: &TableProfile, out: &mut String) {
    if !table.columns.is_empty() {
        out.push_str("      columns:\n");
    }
    for (name, column) in &table.columns {
        let _ = writeln!(out, "        {}: {{{}}}", text(name), column_parts(column).join(", "));
    }
    if !table.keys.is_empty() {
        out.push_str("      keys:  # percent of parents by their number of children\n");
    }
    for (name, FanOutProfile { mean, children }) in &table.keys {
        let children: Vec<_> =
            children.iter().map(|(count, percent)| format!("{count}: {percent}")).collect();
        let _ =
            writeln!(out, "        {}: {{mean: {mean}, children: {{{}}}}}", text(name), children.join(", "));
    }
    if !table.correlations.is_empty() {
        out.push_str("      correlations:\n");
    }
    for found in &table.correlations {
        let [one, other] = &found.columns;
        let _ =
            writeln!(out, "        - {{columns: [{}, {}], rank: {}}}", text(one), text(other), found.rank);
    }
}

fn column_parts(column: &ColumnProfile) -> Vec<String> {
    let mut parts = vec![format!("nulls: {}", column.nulls)];
    parts.extend(column.distinct.map(|distinct| match distinct {
        Distinct::Each(count) => format!("distinct: {count}"),
        Distinct::About(count) => format!("distinct: about {count}"),
        Distinct::All => "distinct: all".to_owned(),
    }));
    parts.extend(
        column.widths.map(|widths| format!("widths: {{average: {}, most: {}}}", widths.average, widths.most)),
    );
    if !column.labels.is_empty() {
        let labels: Vec<_> =
            column.labels.iter().map(|(label, share)| format!("{}: {share}", quoted(label))).collect();
        parts.push(format!("labels: {{{}}}", labels.join(", ")));
    }
    if !column.frequencies.is_empty() {
        parts.push(format!("frequencies: [{}]", list(&column.frequencies)));
    }
    parts.extend(column.zipf.map(|exponent| format!("zipf: {exponent}")));
    if let Some(lies) = column.lies {
        parts.push(format!("quartiles: [{}]", list(&lies.quartiles)));
        let shares = [("negative", lies.negative), ("zero", lies.zero)];
        parts.extend(
            shares
                .iter()
                .filter(|(_, share)| *share != Share::None)
                .map(|(name, share)| format!("{name}: {share}")),
        );
    }
    parts.extend(
        column.seasons.as_ref().map(|seasons| format!("seasons: {{{}}}", season_parts(seasons).join(", "))),
    );
    parts
}

fn season_parts(seasons: &Seasons) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(seasons.span.map(|span| format!("span: {span}")));
    parts.extend(seasons.growth.map(|growth| format!("growth: {growth}")));
    parts.extend((!seasons.days.is_empty()).then(|| format!("days: [{}]", list(&seasons.days))));
    parts.extend((!seasons.hours.is_empty()).then(|| format!("hours: [{}]", list(&seasons.hours))));
    parts
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
