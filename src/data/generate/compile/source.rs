//! Turns what a column is told into what is evaluated, within what constraints allow.

use super::draft::{Context, Draft, Wrong, make_name};
use super::numbers;
use super::texts;
use crate::data::generate::column::Source;
use crate::data::generate::form::Form;
use crate::data::seed::Make;

/// A column's source.
pub(super) fn draft(context: &Context<'_>, make: Option<&Make>) -> Result<Draft, Wrong> {
    let ends = context.ends()?;
    let fit = context.fit()?;
    let mut fixed = context.limits.pattern.is_some();
    let source = match (make, context.form) {
        (Some(Make::Constant(None)), _) => Source::Nothing,
        (None, Form::Special(_)) => Source::Special,
        (None, _) => return Err(("nothing says how it is made".to_owned(), "give it a `choice`".to_owned())),
        (Some(make), Form::Number { .. } | Form::Boolean) => {
            let ends = ends.as_ref().ok_or_else(|| mismatch(make))?;
            Source::Number(numbers::numbers(context, make, ends)?)
        }
        (Some(make), Form::Label(labels)) => {
            fixed = true;
            let known = |label: &String| labels.contains(label) && !context.limits.excluded.contains(label);
            Source::Text(texts::listed(context, make, &|label| known(label))?)
        }
        // Other types' values are taken as literals.
        (Some(make), Form::Special(_) | Form::Unknown(_)) => match make {
            Make::Constant(_) | Make::Choice(_) | Make::Pattern(_) | Make::Template(_) => {
                fixed = true;
                Source::Text(texts::texts(context, make)?)
            }
            make => return Err(mismatch(make)),
        },
        (Some(make), Form::Text { .. }) => {
            if let Some(allowed) = &context.limits.allowed {
                fixed = true;
                Source::Text(texts::listed(context, make, &|entry| allowed.contains(entry))?)
            } else {
                let source = texts::texts(context, make)?;
                texts::keeps(context, &source, fit)?;
                Source::Text(source)
            }
        }
    };
    Ok(Draft { source, fit, ends, told: context.told, fixed })
}

/// A maker that is for other types.
pub(super) fn mismatch(make: &Make) -> Wrong {
    let message = format!("`{}` makes no values of its type", make_name(make));
    (message, "take another, or leave it out: it is guessed then".to_owned())
}
