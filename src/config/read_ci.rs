//! Reads `ci:`, and names what its table alone cannot hold: names that stand twice, commands that are none.

use std::collections::BTreeMap;

use super::model::{CiCommand, Place, Run};
use super::profile::seconds;
use super::read::{Reader, text, texts};
use super::tree::{Spanned, SpannedValue, Tree as _};

/// How long an attempt may take where the file does not say.
const TIMEOUT_SECONDS: u64 = 600;

impl Reader<'_> {
    /// The commands, in their order.
    pub(super) fn ci(&self, nodes: &[Spanned]) -> Vec<CiCommand> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for name in nodes.iter().filter_map(|node| node.get("name")) {
            let Some(text) = name.text() else { continue };
            if let Some(line) = seen.get(text) {
                let help = format!("it stands in line {line} already; give each a name of its own");
                self.faults.add(self.document, name.span(), format!("command `{text}` stands twice"), help);
            } else {
                seen.insert(text, name.start.line);
            }
        }
        nodes.iter().filter_map(|node| self.command(node)).collect()
    }

    fn command(&self, node: &Spanned) -> Option<CiCommand> {
        let whole = |key: &str| match node.get(key)?.value {
            SpannedValue::Int(number) => u32::try_from(number).ok(),
            _ => None,
        };
        let place = match (whole("shards"), text(node, "image")) {
            (Some(count), Some(image)) => Place::Shards { count, image },
            _ => Place::Here,
        };
        Some(CiCommand {
            name: text(node, "name")?,
            run: self.run(node)?,
            timeout_seconds: text(node, "timeout").and_then(|text| seconds(&text)).unwrap_or(TIMEOUT_SECONDS),
            retries: whole("retries").unwrap_or(0),
            env: self.scalars(node, "env"),
            place,
        })
    }

    fn run(&self, node: &Spanned) -> Option<Run> {
        let run = node.get("run")?;
        if let Some(script) = run.text() {
            return Some(Run::Shell(script.to_owned()));
        }
        let mut words = texts(node, "run").into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        if program.is_none() {
            let help = "needed is a program and its arguments, or text for `sh -c`".to_owned();
            self.faults.add(self.document, run.span(), "`run` names no program".to_owned(), help);
        }
        Some(Run::Program { program: program?, arguments: words.collect() })
    }
}
