//! Paths into JSON: `$.customer.email`, `$.items[*].sku`, `$['a b']`, `$.labels.*`: the part of JSONPath (RFC 9535) that
//! names places without looking at values.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(String),
    /// Into every field of an object that is not named.
    AnyField,
    /// Into every item of an array.
    Items,
}

/// The steps of a path; none where it is not one.
pub(in super::super) fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = if let Some(after) = rest.strip_prefix("[*]") {
            (Step::Items, after)
        } else if let Some(after) = rest.strip_prefix(".*") {
            (Step::AnyField, after)
        } else if let Some(after) = rest.strip_prefix("['") {
            let (name, after) = after.split_once("']")?;
            (Step::Field(name.to_owned()), after)
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() || name.contains(['*', ' ', '"', '\'', ']', '$']) {
                return None;
            }
            (Step::Field(name.to_owned()), after)
        };
        steps.push(step);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let field = |name: &str| Step::Field(name.into());
        for (path, steps) in [
            ("$", Some(vec![])),
            ("$.a.b", Some(vec![field("a"), field("b")])),
            ("$.items[*].sku", Some(vec![field("items"), Step::Items, field("sku")])),
            ("$['a b'].*", Some(vec![field("a b"), Step::AnyField])),
            ("a", None),
            ("$.", None),
            ("$..a", None),
            ("$.a[0]", None),
            ("$[?(@.a)]", None),
        ] {
            assert_eq!(parse(path), steps, "{path}");
        }
    }
}
