//! Texts: dictionaries, patterns, templates, states, and whether they keep to what constraints ask.

use super::draft::{Context, Wrong};
use super::source::mismatch;
use crate::data::generate::column::{Fit, Part, Texts, Walk};
use crate::data::generate::dictionary;
use crate::data::generate::distribution::Weights;
use crate::data::generate::form::Form;
use crate::data::generate::pattern::Pattern;
use crate::data::seed::{Make, States};

/// Texts as told.
pub(super) fn texts(context: &Context<'_>, make: &Make) -> Result<Texts, Wrong> {
    match make {
        Make::Constant(Some(text)) => weighted(&[(text.clone(), 1.0)]),
        Make::Choice(entries) => weighted(entries),
        Make::Dictionary(name) => entries(context, name).map(Texts::Dictionary),
        Make::Pattern(pattern) => {
            Pattern::within(pattern, context.longest()).map(Texts::Pattern).map_err(|why| {
                (
                    format!("the pattern `{pattern}` cannot be made: {why}"),
                    "write a simpler regular expression".to_owned(),
                )
            })
        }
        Make::Template(text) => template(context, text).map(Texts::Template),
        Make::Words { min, max } => {
            if min > max || *max > 1_000_000 {
                return Err((
                    format!("there are no {min} to {max} words"),
                    "`min` is not above `max`, and that not above 1000000".to_owned(),
                ));
            }
            Ok(Texts::Words { words: entries(context, "word")?, min: *min, max: *max })
        }
        Make::States(states) => walk(states).map(Texts::States),
        Make::Sequence { .. } => Ok(Texts::Template(vec![Part::Unique])),
        make => Err(mismatch(make)),
    }
}

/// Texts of which each has to be one that is `known`.
pub(super) fn listed(
    context: &Context<'_>,
    make: &Make,
    known: &dyn Fn(&String) -> bool,
) -> Result<Texts, Wrong> {
    let mut texts = texts(context, make)?;
    let found = match &mut texts {
        Texts::Choice { entries, .. } => entries,
        Texts::States(walk) => &mut walk.labels,
        _ => return Err(("it is a list of values".to_owned(), "take `choice` or `states`".to_owned())),
    };
    if let Some(unknown) = found.iter().find(|entry| !known(entry)) {
        return Err((
            format!("`{unknown}` is none of its values"),
            "take one of its type's or constraint's".to_owned(),
        ));
    }
    Ok(texts)
}

fn entries(context: &Context<'_>, name: &str) -> Result<&'static [&'static str], Wrong> {
    dictionary::entries(context.locale, name).ok_or_else(|| {
        let names: Vec<_> = dictionary::names().collect();
        (format!("there is no dictionary `{name}`"), format!("there are {}", names.join(", ")))
    })
}

fn weighted(entries: &[(String, f64)]) -> Result<Texts, Wrong> {
    let mut texts: Vec<String> = Vec::new();
    let mut weights = Vec::new();
    for (text, weight) in entries {
        if !texts.contains(text) {
            texts.push(text.clone());
            weights.push(*weight);
        }
    }
    let weights = Weights::new(weights).ok_or_else(|| {
        (
            "none of its values has a weight above 0".to_owned(),
            "give one a weight, and none a negative one".to_owned(),
        )
    })?;
    Ok(Texts::Choice { entries: texts, weights })
}

fn template(context: &Context<'_>, text: &str) -> Result<Vec<Part>, Wrong> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(Part::Literal(before.to_owned()));
        }
        let Some((inside, after)) = after.split_once('}') else {
            return Err(("a `{` of its template stays open".to_owned(), "close it with `}`".to_owned()));
        };
        let (name, slug) = match inside.split_once(':') {
            None => (inside, false),
            Some((name, "slug")) => (name, true),
            Some((_, other)) => {
                return Err((format!("a template has no `:{other}`"), "there is `:slug`".to_owned()));
            }
        };
        parts.push(part(context, name, slug)?);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}

/// A sibling column goes before a dictionary of the same name: an address then fits the name beside it.
fn part(context: &Context<'_>, name: &str, slug: bool) -> Result<Part, Wrong> {
    match name {
        "unique" => return Ok(Part::Unique),
        "number" => return Ok(Part::Number),
        _ => {}
    }
    if let Ok(column) = context.sibling(name) {
        return Ok(Part::Column { column, slug });
    }
    dictionary::entries(context.locale, name).map(|entries| Part::Dictionary { entries, slug }).ok_or_else(
        || {
            let help = "name a column of the table, a dictionary, `unique` or `number`".to_owned();
            (format!("`{{{name}}}` is nothing that a template knows"), help)
        },
    )
}

fn walk(states: &States) -> Result<Walk, Wrong> {
    let mut labels = vec![states.start.clone()];
    let all = states.transitions.iter().flat_map(|(from, to)| {
        std::iter::once(from).chain(to.iter().map(|(state, _)| state).filter(|state| *state != "stay"))
    });
    for state in all {
        if !labels.contains(state) {
            labels.push(state.clone());
        }
    }
    let place = |state: &String| labels.iter().position(|label| label == state);
    let mut next = vec![None; labels.len()];
    for (from, to) in &states.transitions {
        let weights = Weights::new(to.iter().map(|(_, weight)| *weight)).ok_or_else(|| {
            (
                format!("no transition from `{from}` has a weight"),
                "give one a weight above 0, or leave the state out: it is final".to_owned(),
            )
        })?;
        if let Some(slot) = place(from).and_then(|at| next.get_mut(at)) {
            *slot = Some((to.iter().map(|(state, _)| place(state)).collect(), weights));
        }
    }
    Ok(Walk { labels, start: 0, next })
}

/// Whether texts keep to a column's constraints, as far as making them fit does not see to it.
pub(super) fn keeps(context: &Context<'_>, texts: &Texts, fit: Fit) -> Result<(), Wrong> {
    let wrong = |message: String| Err((message, "write another `pattern` or `choice`".to_owned()));
    if let Texts::Pattern(pattern) = texts {
        let (shortest, longest) = pattern.lengths();
        let (shortest, longest) = (shortest as u64, longest as u64);
        if fit.longest.is_some_and(|most| longest > most)
            && (context.told || context.limits.pattern.is_some())
        {
            return wrong(format!("its pattern makes texts of {longest} characters, which do not fit"));
        }
        if shortest < fit.shortest {
            return wrong(format!("its pattern makes texts of {shortest} characters, which are too short"));
        }
    }
    if context.told
        && let Texts::Choice { entries, .. } = texts
    {
        let long = |entry: &&String| fit.longest.is_some_and(|most| entry.chars().count() as u64 > most);
        if let Some(entry) = entries.iter().find(long) {
            return wrong(format!("`{entry}` does not fit"));
        }
    }
    if let Some(wanted) = &context.limits.pattern {
        let same = matches!(texts, Texts::Pattern(_)) && !context.told;
        if !same && !matches_all(wanted, texts, context.longest()) {
            return wrong(format!("it is told other than its constraint's pattern `{wanted}`"));
        }
    }
    // An order among texts is not kept, but for not being empty.
    let bounds = context.limits.low.iter().chain(&context.limits.high);
    let ordered =
        bounds.filter(|bound| !bound.text.is_empty() || bound.inclusive).count() + context.limits.high.len();
    if ordered > 0 && matches!(context.form, Form::Text { .. }) {
        return Err((
            "a constraint asks for an order among texts".to_owned(),
            "name it in the table's `unchecked`".to_owned(),
        ));
    }
    Ok(())
}

/// Whether told texts match; of patterns only the same one is known to.
fn matches_all(wanted: &str, texts: &Texts, longest: Option<u64>) -> bool {
    match texts {
        Texts::Choice { entries, .. } => {
            let regex = regex::bytes::RegexBuilder::new(wanted).unicode(false).build();
            regex.is_ok_and(|regex| entries.iter().all(|entry| regex.is_match(entry.as_bytes())))
        }
        Texts::Pattern(pattern) => Pattern::within(wanted, longest).is_ok_and(|wanted| wanted == *pattern),
        _ => false,
    }
}
