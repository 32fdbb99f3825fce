//! Messages of the commits that hand off and promote, and the trailers that machines read in them.

use std::fmt::Write as _;

use super::layout::Handoff;
use super::marker::Marker;
use crate::words::counted;

/// Names the lock.
pub const LOCK: &str = "Devcluster-Lock";
/// Names the environment and commit that a promotion comes from.
pub const PROMOTED_FROM: &str = "Devcluster-Promoted-From";
/// Names who approved.
pub const APPROVED_BY: &str = "Devcluster-Approved-By";
/// Names the attestation's digest.
pub const ATTESTATION: &str = "Devcluster-Attestation";
/// Digits of a root in a subject line.
const SHORT: usize = 12;

/// A commit's message: a subject, paragraphs, trailers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    subject: String,
    body: String,
    trailers: Vec<(&'static str, String)>,
}

impl Message {
    /// A message of one line.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: one_line(&subject.into()), body: String::new(), trailers: Vec::new() }
    }

    /// With a trailer more.
    #[must_use]
    pub fn trailer(mut self, name: &'static str, value: &str) -> Self {
        self.trailers.push((name, one_line(value)));
        self
    }

    /// With what a handoff leaves out, by names alone.
    #[must_use]
    pub fn leaving_out(mut self, marker: &Marker) -> Self {
        list(&mut self.body, "Left out, since values of Secrets do not go into Git:", marker.secrets.iter());
        list(
            &mut self.body,
            "Images without a known digest, as the manifests write them:",
            marker.images.iter(),
        );
        self
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n{}", self.subject, self.body);
        for (name, value) in &self.trailers {
            let _ = writeln!(out, "{name}: {value}");
        }
        out
    }
}

fn list<'a>(out: &mut String, title: &str, items: impl Iterator<Item = &'a String>) {
    let items: Vec<&String> = items.collect();
    if items.is_empty() {
        return;
    }
    out.push_str(title);
    for item in items {
        let _ = write!(out, "\n- {}", one_line(item));
    }
    out.push_str("\n\n");
}

/// What a handoff's commit says.
pub fn of_handoff(name: &str, handoff: &Handoff) -> Message {
    let objects = counted(handoff.objects, "object");
    Message::new(format!("{name}: {objects} of lock {}", short(&handoff.marker.lock)))
        .leaving_out(&handoff.marker)
        .trailer(LOCK, &handoff.marker.lock)
}

/// The first digits of a root or digest.
pub fn short(root: &str) -> &str {
    root.get(..SHORT).unwrap_or(root)
}

/// A text that stays in its line, whatever it holds: a line end in it would make up trailers.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_and_trailers_stand_last() {
        let marker = Marker {
            secrets: vec!["Secret shop/db".into()],
            images: vec!["a:1".into()],
            ..Marker::default()
        };
        let message = Message::new("a\nDevcluster-Lock: made up").leaving_out(&marker).trailer(LOCK, "r\ns");
        assert_eq!(
            message.text(),
            "a Devcluster-Lock: made up\n\n\
             Left out, since values of Secrets do not go into Git:\n- Secret shop/db\n\n\
             Images without a known digest, as the manifests write them:\n- a:1\n\n\
             Devcluster-Lock: r s\n"
        );
    }
}
