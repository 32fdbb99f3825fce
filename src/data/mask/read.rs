//! Reads a policy from YAML and collects all its faults.

use super::form::date::Moving;
use super::form::json_path;
use super::form::name::NamePart;
use super::kind::{JsonRule, MaskKind};
use super::leak::LeakLimits;
use super::policy::{
    ColumnRule, Declared, Policy, PolicyFault, PolicyFaults, TablePolicy, TableRule, nearest,
};
use crate::yaml::{self, Position, Spanned, SpannedValue};

impl Policy {
    /// Reads a policy from the mapping that a configuration holds it in.
    pub fn read(root: &Spanned) -> Result<Self, PolicyFaults> {
        let mut reader = Reader::default();
        let policy = reader.policy(root);
        if reader.faults.is_empty() {
            return Ok(policy);
        }
        reader.faults.sort_by_key(|fault| fault.position);
        Err(PolicyFaults(reader.faults))
    }

    /// Reads a policy from a text of its own. An empty text is a policy that classifies nothing.
    pub fn parse(text: &str) -> Result<Self, PolicyFaults> {
        let fault = |position, message: &str, help| {
            PolicyFaults(vec![PolicyFault { position, message: message.into(), help }])
        };
        let documents =
            yaml::parse_spanned(text).map_err(|error| fault(error.position, &error.message, error.hint))?;
        match &documents[..] {
            [] => Ok(Self::default()),
            [document] => Self::read(&document.root),
            [_, second, ..] => {
                Err(fault(second.root.start, "a policy is one document, this is a second", None))
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    faults: Vec<PolicyFault>,
}

type Entry = (Spanned, Spanned);

impl Reader {
    fn fault(&mut self, at: Position, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.faults.push(PolicyFault { position: at, message: message.into(), help: help.into() });
    }

    fn policy(&mut self, root: &Spanned) -> Policy {
        let mut policy = Policy::default();
        for (key, value) in self.entries(root, "a policy") {
            match text(key) {
                Some("tables") if value.value == SpannedValue::Null => {}
                Some("tables") => policy.tables = self.tables(value),
                Some("leaks") => policy.leaks = self.leaks(value),
                _ => self.unknown(key, &["tables", "leaks"]),
            }
        }
        policy
    }

    fn tables(&mut self, node: &Spanned) -> Vec<TablePolicy> {
        let mut tables = Vec::new();
        for (key, value) in self.entries(node, "`tables`") {
            let Some(name) = self.name(key) else { continue };
            let rule = match &value.value {
                SpannedValue::String(word) if word == "drop" => TableRule::Drop,
                SpannedValue::String(word) if word == "keep" => {
                    let help =
                        "name its columns: a column that is added later must not be kept unseen".to_owned();
                    self.fault(value.start, format!("`{name}` cannot be kept as a whole"), help);
                    continue;
                }
                SpannedValue::Map(_) => TableRule::Columns(self.columns(value)),
                // Nothing is written yet: what is missing is listed column by column.
                SpannedValue::Null => TableRule::Columns(Vec::new()),
                _ => {
                    self.fault(
                        value.start,
                        format!("`{name}` takes a rule for each column, or `drop`"),
                        None,
                    );
                    continue;
                }
            };
            tables.push(TablePolicy { name: name.to_owned(), position: key.start, rule });
        }
        tables
    }

    fn columns(&mut self, node: &Spanned) -> Vec<Declared> {
        let mut columns = Vec::new();
        for (key, value) in self.entries(node, "a table") {
            let Some(column) = self.name(key) else { continue };
            if let Some(rule) = self.rule(value) {
                columns.push(Declared { column: column.to_owned(), position: key.start, rule });
            }
        }
        columns
    }

    fn rule(&mut self, node: &Spanned) -> Option<ColumnRule> {
        match &node.value {
            SpannedValue::String(word) if word == "keep" => Some(ColumnRule::Keep),
            SpannedValue::String(word) if word == "drop" => Some(ColumnRule::Drop),
            SpannedValue::Map(_) => self.mask(node).map(ColumnRule::Mask),
            _ => {
                let near = text(node).filter(|word| MaskKind::NAMES.contains(word));
                let help = near.map(|word| format!("write `{{ mask: {word} }}`"));
                self.fault(node.start, "a column takes `keep`, `drop` or `{ mask: KIND }`", help);
                None
            }
        }
    }

    fn mask(&mut self, node: &Spanned) -> Option<MaskKind> {
        let entries = self.entries(node, "a mask");
        let find =
            |name: &str| entries.iter().find(|(key, _)| text(key) == Some(name)).map(|(_, value)| value);
        let Some(named) = find("mask") else {
            self.fault(node.start, "a rule of its own names its kind under `mask`", None);
            return None;
        };
        let name = text(named).unwrap_or_default();
        let options = options(name);
        for (key, _) in entries.iter().filter(|(key, _)| text(key).is_none_or(|key| !options.contains(&key)))
        {
            self.unknown(key, options);
        }
        let mut whole =
            |key: &str, default, range| find(key).map_or(Some(default), |node| self.whole(node, range));
        Some(match name {
            "email" => MaskKind::Email,
            "phone" => MaskKind::Phone,
            "card" => MaskKind::Card,
            "name" => MaskKind::Name(NamePart::Full),
            "first-name" => MaskKind::Name(NamePart::Given),
            "last-name" => MaskKind::Name(NamePart::Family),
            "free-text" => MaskKind::FreeText,
            "id" => MaskKind::Id,
            "code" | "postal-code" => MaskKind::Code { keep: u8::try_from(whole("keep", 0, (0, 16))?).ok()? },
            "uuid" => MaskKind::Uuid,
            "number" => MaskKind::Number { percent: u8::try_from(whole("percent", 20, (1, 100))?).ok()? },
            "date" => MaskKind::Date {
                days: whole("days", 90, (1, 36_500))?,
                moving: self.moving(find("by"), find("order"))?,
            },
            "ip" => MaskKind::Ip,
            "mac" => MaskKind::Mac,
            "iban" => MaskKind::Iban,
            "bytes" => MaskKind::Bytes,
            "json" => MaskKind::Json { paths: self.paths(find("paths"), named.start)? },
            _ => {
                let help = nearest(name, MaskKind::NAMES).unwrap_or_else(|| MaskKind::NAMES.join(", "));
                self.fault(named.start, format!("there is no mask `{name}`"), help);
                return None;
            }
        })
    }

    fn moving(&mut self, by: Option<&Spanned>, order: Option<&Spanned>) -> Option<Moving> {
        let in_order = match order.map(|node| (&node.value, node.start)) {
            None => false,
            Some((SpannedValue::Bool(order), _)) => *order,
            Some((_, at)) => {
                self.fault(at, "`order` takes true or false", None);
                return None;
            }
        };
        match by {
            None if in_order => Some(Moving::InOrder),
            None => Some(Moving::Each),
            Some(node) if in_order => {
                self.fault(node.start, "dates move `by` a column or in `order`, not both", None);
                None
            }
            Some(node) => self.name(node).map(|column| Moving::By(column.to_owned())),
        }
    }

    fn paths(
        &mut self,
        node: Option<&Spanned>,
        at: Position,
    ) -> Option<Vec<(Vec<json_path::Step>, JsonRule)>> {
        let Some(node) = node else {
            self.fault(
                at,
                "`json` keeps what `paths` names, and nothing is named",
                "use `drop`, or name paths".to_owned(),
            );
            return None;
        };
        let mut paths: Vec<(Vec<json_path::Step>, JsonRule)> = Vec::new();
        for (key, value) in self.entries(node, "`paths`") {
            let Some(path) = text(key).and_then(json_path::parse) else {
                let help = "write `$.customer.email`, `$.items[*].sku` or `$['a b']`".to_owned();
                self.fault(key.start, "this is no path", help);
                continue;
            };
            if paths.iter().any(|(known, _)| *known == path) {
                self.fault(key.start, "this path stands twice", None);
            }
            match self.rule(value) {
                None => {}
                Some(ColumnRule::Drop) => paths.push((path, JsonRule::Drop)),
                Some(ColumnRule::Keep) => paths.push((path, JsonRule::Keep)),
                Some(ColumnRule::Mask(MaskKind::Json { .. } | MaskKind::Bytes)) => {
                    self.fault(
                        value.start,
                        "this mask does not work within JSON; name longer paths instead",
                        None,
                    );
                }
                Some(ColumnRule::Mask(kind)) => paths.push((path, JsonRule::Mask(kind))),
            }
        }
        Some(paths)
    }

    fn leaks(&mut self, node: &Spanned) -> LeakLimits {
        let mut limits = LeakLimits::default();
        for (key, value) in self.entries(node, "`leaks`") {
            match text(key) {
                Some("length") => {
                    limits.length =
                        self.whole(value, (4, 64)).map_or(limits.length, |length| length as usize);
                }
                Some("distinct") => {
                    limits.distinct = self.whole(value, (1, 1_000_000)).map_or(limits.distinct, u64::from);
                }
                _ => self.unknown(key, &["length", "distinct"]),
            }
        }
        limits
    }

    /// A mapping's entries; a key that stands twice is a fault.
    fn entries<'n>(&mut self, node: &'n Spanned, what: &str) -> &'n [Entry] {
        let SpannedValue::Map(entries) = &node.value else {
            self.fault(node.start, format!("{what} is a mapping"), None);
            return &[];
        };
        let mut seen = std::collections::BTreeSet::new();
        for (key, _) in entries {
            if let Some(name) = text(key).filter(|name| !seen.insert(*name)) {
                self.fault(key.start, format!("`{name}` stands twice"), None);
            }
        }
        entries
    }

    fn name<'n>(&mut self, node: &'n Spanned) -> Option<&'n str> {
        if text(node).is_none() {
            self.fault(
                node.start,
                "a name is wanted here",
                "quote names that read as numbers or true and false".to_owned(),
            );
        }
        text(node)
    }

    fn whole(&mut self, node: &Spanned, (least, most): (u32, u32)) -> Option<u32> {
        let found = match node.value {
            SpannedValue::Int(number) => {
                u32::try_from(number).ok().filter(|number| (least..=most).contains(number))
            }
            _ => None,
        };
        if found.is_none() {
            self.fault(node.start, format!("needed is a whole number from {least} to {most}"), None);
        }
        found
    }

    fn unknown(&mut self, key: &Spanned, known: &[&str]) {
        let name = text(key).unwrap_or("this");
        let help = nearest(name, known.iter().copied())
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        self.fault(key.start, format!("`{name}` is no key here"), help);
    }
}

/// The keys that a kind of mask takes.
fn options(kind: &str) -> &'static [&'static str] {
    match kind {
        "code" | "postal-code" => &["mask", "keep"],
        "number" => &["mask", "percent"],
        "date" => &["mask", "days", "by", "order"],
        "json" => &["mask", "paths"],
        _ => &["mask"],
    }
}

fn text(node: &Spanned) -> Option<&str> {
    if let SpannedValue::String(text) = &node.value { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_policy_is_read() {
        let policy = Policy::parse(
            "tables:\n  customers:\n    id: keep\n    email: { mask: email }\n    zip: { mask: postal-code, keep: 2 }\n    \
             born: { mask: date, days: 10, by: id }\n    extra: { mask: json, paths: { $.a: keep, \"$.b[*]\": { mask: phone } } }\n    \
             note: drop\n  sessions: drop\nleaks: { length: 8 }\n",
        )
        .unwrap();
        let TableRule::Columns(columns) = &policy.tables[0].rule else { panic!("{policy:?}") };
        let rules: Vec<String> = columns.iter().map(|declared| declared.rule.to_string()).collect();
        assert_eq!(rules, ["keep", "mask: email", "mask: code", "mask: date", "mask: json", "drop"]);
        assert_eq!(policy.tables[1].rule, TableRule::Drop);
        assert_eq!((policy.leaks.length, policy.leaks.distinct), (8, 16));
        assert_eq!(columns[3].position.line, 6);
        assert_eq!(Policy::parse("").unwrap(), Policy::default());
    }

    #[test]
    fn all_faults_come_at_once() {
        let faults = Policy::parse(
            "table: 1\ntables:\n  a: keep\n  b: 7\n  c:\n    x: email\n    h: { mask: emial }\n    h: { mask: date, days: 0 }\n    \
             z: { mask: email, days: 3 }\n    w: { mask: json }\n    v: { mask: json, paths: { a.b: keep } }\n    1: keep\n",
        )
        .unwrap_err();
        let lines: Vec<String> = faults.0.iter().map(ToString::to_string).collect();
        let expected = [
            "1:1: `table` is no key here; did you mean `tables`?",
            "3:6: `a` cannot be kept as a whole; name its columns: a column that is added later must not be kept unseen",
            "4:6: `b` takes a rule for each column, or `drop`",
            "6:8: a column takes `keep`, `drop` or `{ mask: KIND }`; write `{ mask: email }`",
            "7:16: there is no mask `emial`; did you mean `email`?",
            "8:5: `h` stands twice",
            "8:28: needed is a whole number from 1 to 36500",
            "9:23: `days` is no key here; known here: mask",
            "10:16: `json` keeps what `paths` names, and nothing is named; use `drop`, or name paths",
            "11:31: this is no path; write `$.customer.email`, `$.items[*].sku` or `$['a b']`",
            "12:5: a name is wanted here; quote names that read as numbers or true and false",
        ];
        assert_eq!(lines, expected);
    }
}
