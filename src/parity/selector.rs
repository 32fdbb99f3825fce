//! Label selectors, node requirements, taints and tolerations, matched as Kubernetes matches them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json;

/// Labels by key.
pub type Labels = BTreeMap<String, String>;

/// How an expression looks at a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Operator {
    /// The label is there with one of these values.
    In(BTreeSet<String>),
    /// The label is missing or has another value.
    NotIn(BTreeSet<String>),
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
    /// The label is a number above this one.
    Gt(i64),
    /// The label is a number below this one.
    Lt(i64),
}

/// One expression over one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Expression {
    /// The label's key; `metadata.name` for a node's own name.
    pub key: String,
    /// What it must be.
    pub operator: Operator,
}

impl Expression {
    /// From `{key, operator, values}`; nothing where the operator is unknown.
    pub fn from_json(value: &Value) -> Option<Self> {
        let values = || json::list(value, "/values").into_iter().collect::<BTreeSet<_>>();
        let number = || json::list(value, "/values").first().and_then(|text| text.parse().ok());
        let operator = match json::text(value, "/operator") {
            "In" => Operator::In(values()),
            "NotIn" => Operator::NotIn(values()),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt(number()?),
            "Lt" => Operator::Lt(number()?),
            _ => return None,
        };
        Some(Self { key: json::text(value, "/key").to_owned(), operator })
    }

    /// An expression that asks for one value.
    pub fn equals(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), operator: Operator::In(BTreeSet::from([value.to_owned()])) }
    }

    /// Whether labels satisfy it.
    pub fn matches(&self, labels: &Labels) -> bool {
        let label = labels.get(&self.key);
        let number = || label.and_then(|label| label.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => label.is_some_and(|label| values.contains(label)),
            Operator::NotIn(values) => !label.is_some_and(|label| values.contains(label)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::Gt(bound) => number().is_some_and(|number| number > *bound),
            Operator::Lt(bound) => number().is_some_and(|number| number < *bound),
        }
    }

    /// Whether it asks for a label to be there.
    pub fn is_positive(&self) -> bool {
        !matches!(self.operator, Operator::NotIn(_) | Operator::DoesNotExist)
    }
}

/// Expressions that must all hold; an empty list always does.
pub type AllOf = Vec<Expression>;

/// Whether labels satisfy every expression.
pub fn all_match(expressions: &[Expression], labels: &Labels) -> bool {
    expressions.iter().all(|expression| expression.matches(labels))
}

/// A label selector over Pods or namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum LabelSelector {
    /// None is written: nothing is selected.
    Nothing,
    /// Whatever matches all of these; everything where there are none.
    Matching(AllOf),
}

impl LabelSelector {
    /// From a `LabelSelector` (`matchLabels`, `matchExpressions`) that may be missing.
    pub fn from_json(value: Option<&Value>) -> Self {
        let Some(value) = value.filter(|value| value.is_object()) else { return Self::Nothing };
        let labels = json::texts(value, "/matchLabels");
        let mut all: AllOf = labels.iter().map(|(key, text)| Expression::equals(key, text)).collect();
        all.extend(json::items(value, "/matchExpressions").iter().filter_map(Expression::from_json));
        Self::Matching(all)
    }

    /// From a plain map of labels, as Services have; an empty one selects nothing.
    pub fn from_labels(labels: &Labels) -> Self {
        if labels.is_empty() {
            return Self::Nothing;
        }
        Self::Matching(labels.iter().map(|(key, text)| Expression::equals(key, text)).collect())
    }

    /// Narrows it to Pods that have the same values as `labels` under these keys (`matchLabelKeys`).
    #[must_use]
    pub fn and_same(self, keys: &[String], labels: &Labels) -> Self {
        let Self::Matching(mut all) = self else { return self };
        all.extend(keys.iter().filter_map(|key| Some(Expression::equals(key, labels.get(key)?))));
        Self::Matching(all)
    }

    /// Whether it selects something with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::Matching(all) => all_match(all, labels),
        }
    }
}

/// What a taint does to Pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// They are not placed on the node.
    NoSchedule,
    /// They are placed there last.
    PreferNoSchedule,
    /// They are not placed there, and leave it.
    NoExecute,
}

impl Effect {
    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "NoSchedule" => Self::NoSchedule,
            "PreferNoSchedule" => Self::PreferNoSchedule,
            "NoExecute" => Self::NoExecute,
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// A node's taint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

impl std::fmt::Display for Taint {
    /// `dedicated=db:NoSchedule`, as kubectl writes it.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let equals = if self.value.is_empty() { "" } else { "=" };
        write!(out, "{}{equals}{}:{}", self.key, self.value, self.effect.name())
    }
}

/// A Pod's toleration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Toleration {
    /// The key; empty for every key.
    pub key: String,
    /// The value it must have; any where none.
    pub value: Option<String>,
    /// The effect; all of them where none.
    pub effect: Option<Effect>,
}

impl Toleration {
    /// From a Pod's `tolerations` item.
    pub fn from_json(value: &Value) -> Self {
        let exists = json::text(value, "/operator") == "Exists";
        Self {
            key: json::text(value, "/key").to_owned(),
            value: (!exists).then(|| json::text(value, "/value").to_owned()),
            effect: Effect::from_name(json::text(value, "/effect")),
        }
    }

    /// Whether it tolerates a taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        (self.key.is_empty() && self.value.is_none() || self.key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
            && self.effect.is_none_or(|effect| effect == taint.effect)
    }

    /// The taint that it was written for. None where it tolerates every key.
    pub fn taint(&self) -> Option<Taint> {
        (!self.key.is_empty()).then(|| Taint {
            key: self.key.clone(),
            value: self.value.clone().unwrap_or_default(),
            effect: self.effect.unwrap_or(Effect::NoSchedule),
        })
    }
}

/// Whether tolerations let a Pod onto a node with these taints.
pub fn tolerated(taints: &[Taint], tolerations: &[Toleration]) -> bool {
    taints
        .iter()
        .filter(|taint| taint.effect != Effect::PreferNoSchedule)
        .all(|taint| tolerations.iter().any(|toleration| toleration.tolerates(taint)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn operators() {
        let gpu = labels(&[("gpu", "4"), ("pool", "web")]);
        let none = labels(&[]);
        let table = [
            (json!({"key": "pool", "operator": "In", "values": ["web", "db"]}), true, false),
            (json!({"key": "pool", "operator": "NotIn", "values": ["web"]}), false, true),
            (json!({"key": "pool", "operator": "Exists"}), true, false),
            (json!({"key": "pool", "operator": "DoesNotExist"}), false, true),
            (json!({"key": "gpu", "operator": "Gt", "values": ["3"]}), true, false),
            (json!({"key": "gpu", "operator": "Lt", "values": ["4"]}), false, false),
            (json!({"key": "pool", "operator": "Gt", "values": ["3"]}), false, false),
        ];
        for (value, with, without) in table {
            let expression = Expression::from_json(&value).unwrap();
            assert_eq!((expression.matches(&gpu), expression.matches(&none)), (with, without), "{value}");
        }
    }

    #[test]
    fn a_missing_selector_selects_nothing_and_an_empty_one_everything() {
        let none = labels(&[]);
        assert!(!LabelSelector::from_json(None).matches(&none));
        assert!(LabelSelector::from_json(Some(&json!({}))).matches(&none));
        assert!(!LabelSelector::from_labels(&none).matches(&none));
    }

    #[test]
    fn tolerations() {
        let taint = Taint { key: "dedicated".into(), value: "db".into(), effect: Effect::NoSchedule };
        let table = [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "dedicated", "operator": "Exists"}), true),
            (json!({"key": "dedicated", "value": "db"}), true),
            (json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"}), true),
            (json!({"key": "dedicated", "value": "db", "effect": "NoExecute"}), false),
            (json!({"key": "dedicated", "value": "web"}), false),
            (json!({"key": "other", "operator": "Exists"}), false),
        ];
        for (value, expected) in table {
            assert_eq!(Toleration::from_json(&value).tolerates(&taint), expected, "{value}");
        }
        assert!(tolerated(&[Taint { effect: Effect::PreferNoSchedule, ..taint.clone() }], &[]));
        assert!(!tolerated(&[taint], &[]));
    }
}
