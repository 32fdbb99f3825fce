//! What undoes a whole script. What is additive may stay, unless it stands in the way: a new table under the name that a renamed
//! one is to have again, a view on a column that is to go.

use std::collections::BTreeMap;

use super::names::{Context, Name, Names};
use super::verdict::{Judged, Judgement, Verdict};

/// The statements that undo what the old code would meet, the last first; none where one is not known. A script that looks for
/// names elsewhere has the statements look there, too.
pub fn undo<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Option<Vec<String>> {
    let all: Vec<&Judgement> = judged.into_iter().map(|one| &one.judgement).collect();
    let fates = fates(&all);
    let same = Same::of(&all);
    let mut chosen: Vec<bool> = all
        .iter()
        .zip(&fates)
        .map(|(one, fate)| *fate != Fate::Ended && one.verdict != Verdict::Additive)
        .collect();
    loop {
        let stands_in_the_way = |later: usize| {
            let earlier = all.iter().take(later).zip(&chosen).filter(|(_, chosen)| **chosen);
            fates[later] != Fate::Ended
                && !chosen[later]
                && earlier.into_iter().any(|(one, _)| same.hinders(&all[later].names, &one.names))
        };
        let Some(more) = (0..all.len()).find(|at| stands_in_the_way(*at)) else { break };
        chosen[more] = true;
    }
    let first = chosen.iter().position(|chosen| *chosen).unwrap_or(all.len());
    if all.iter().skip(first).any(|one| one.names.rolls_back) {
        return None;
    }
    let mut statements = Vec::new();
    let mut context = &Context::Own;
    for at in (0..all.len()).rev().filter(|at| chosen[*at]) {
        let own = &all[at].names.context;
        if own != context {
            statements.push(enter(own, context)?);
            context = own;
        }
        statements.push(all[at].undo.clone().filter(|_| fates[at] != Fate::Uncertain)?);
    }
    Some(statements)
}

/// The statement after which names are looked for in `context`; none where none is known.
fn enter(context: &Context, from: &Context) -> Option<String> {
    match (context, from) {
        (Context::Set(statement), _) => Some(statement.clone()),
        (Context::Own, Context::Set(statement)) if statement.starts_with("SET") => {
            Some("RESET search_path".to_owned())
        }
        _ => None,
    }
}

/// What has become of what a statement made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is there.
    Stands,
    /// The script has taken it away again.
    Ended,
    /// It may have gone with what it was a part of.
    Uncertain,
}

fn fates(all: &[&Judgement]) -> Vec<Fate> {
    let mut fates = vec![Fate::Stands; all.len()];
    for (at, one) in all.iter().enumerate() {
        let Some(ends) = &one.names.ends else { continue };
        fates[at] = Fate::Ended;
        let mut name = ends.clone();
        for before in (0..at).rev().filter(|before| fates[*before] != Fate::Ended).collect::<Vec<_>>() {
            let names = &all[before].names;
            if names.gives.contains(&name) {
                fates[before] = Fate::Ended;
                // What was renamed has been made under its name of before.
                match names.frees.first() {
                    Some(freed) if all[before].verdict == Verdict::Additive => name = freed.clone(),
                    _ => break,
                }
            } else if name.of.is_none() && names.on.as_deref() == Some(name.name.as_str()) {
                fates[before] = Fate::Ended;
            } else if name.of.is_some() && names.on == name.of && !is_column(names) {
                fates[before] = Fate::Uncertain;
            }
        }
    }
    fates
}

/// Whether what is given is a column, which does not go with another.
fn is_column(names: &Names) -> bool {
    names.gives.iter().any(|name| name.name.starts_with("column "))
}

/// Names by which one table went.
struct Same(BTreeMap<String, String>);

impl Same {
    fn of(all: &[&Judgement]) -> Self {
        let mut same = Self(BTreeMap::new());
        for names in all.iter().map(|one| &one.names) {
            if let ([from], [to]) = (names.frees.as_slice(), names.gives.as_slice())
                && from.of.is_none()
            {
                let (from, to) = (same.table(&from.name).to_owned(), same.table(&to.name).to_owned());
                if from != to {
                    same.0.insert(to, from);
                }
            }
        }
        same
    }

    fn table<'s>(&'s self, name: &'s str) -> &'s str {
        let mut name = name;
        while let Some(next) = self.0.get(name) {
            name = next;
        }
        name
    }

    fn is_same(&self, one: &Name, other: &Name) -> bool {
        match (&one.of, &other.of) {
            (None, None) => one.name == other.name,
            (Some(of), Some(other_of)) => one.name == other.name && self.table(of) == self.table(other_of),
            _ => false,
        }
    }

    /// Whether what `later` made keeps `earlier` from being undone.
    fn hinders(&self, later: &Names, earlier: &Names) -> bool {
        let taken =
            later.gives.iter().any(|given| earlier.frees.iter().any(|freed| self.is_same(given, freed)));
        let on = earlier.on.as_deref().map(|on| self.table(on));
        taken || on.is_some_and(|on| later.leans.iter().any(|leans| self.table(leans) == on))
    }
}
