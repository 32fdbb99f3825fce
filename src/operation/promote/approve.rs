//! Approvals: who approved which lock, when, on which attestation. They are files of the environment's branch, with the
//! attestation beside them, so that they travel with it and git's history keeps them; notes would stay behind at a push.

use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, Environment};
use crate::handoff::approval::{self, Approval, Approvals, attestation_path};
use crate::handoff::ci::{self, PublicKey};
use crate::handoff::layout::Files;
use crate::handoff::message::{self, Message, short};
use crate::operation::attestation;
use crate::operation::git::Git;
use crate::operation::git::branches::Branch;
use crate::operation::handoff::error::HandoffError;
use crate::operation::verify;

/// An approval that is given.
#[derive(Debug, Clone)]
pub struct Approve {
    /// The attestation that it rests on.
    pub attestation: PathBuf,
    /// Who; git's own committer where unset.
    pub by: Option<String>,
}

/// The root of the project's lock.
pub(in crate::operation) fn own_lock(config: &Config) -> Result<String, HandoffError> {
    Ok(verify::read(config, None)?.root)
}

/// Records an approval in the environment's branch, and says whether it was not there yet.
pub(in crate::operation) async fn record(
    git: &Git,
    branch: &mut Branch,
    environment: &Environment,
    lock: &str,
    approve: &Approve,
) -> Result<(Approval, bool), HandoffError> {
    let path = &approve.attestation;
    let content = attestation::read(path)?;
    let keys = attestation::public_keys(&environment.keys)?;
    ci::check(&content, lock, &keys).map_err(|refusal| HandoffError::Attestation {
        path: path.display().to_string(),
        reason: refusal.to_string(),
    })?;
    let digest = digest(&content);
    let by = who(git, approve.by.as_deref()).await?;
    let mut approvals = match &branch.base {
        Some(base) => known(git, base, branch, lock).await?,
        None => Approvals { lock: lock.to_owned(), approvals: Vec::new() },
    };
    let same = |known: &&Approval| known.by == by && known.attestation == digest;
    if let Some(known) = approvals.approvals.iter().find(same) {
        return Ok((known.clone(), false));
    }
    let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string();
    let given = Approval { by, at, attestation: digest.clone() };
    approvals.approvals.push(given.clone());
    let mut files = Files::new();
    files.insert(approval::path(lock), approval::write(&approvals).into_bytes());
    files.insert(attestation_path(&digest), content);
    let message =
        Message::new(format!("{}: lock {} approved by {}", environment.name, short(lock), given.by))
            .trailer(message::APPROVED_BY, &given.by)
            .trailer(message::ATTESTATION, &format!("sha256:{}", given.attestation));
    branch.add(git, &files, &message.text()).await?;
    Ok((given, true))
}

/// An approval of the lock that holds: its attestation is there, unchanged, about this very lock, all passed, and one of the
/// environment's keys signed it, where it names any.
pub(in crate::operation) async fn required(
    git: &Git,
    branch: &Branch,
    environment: &Environment,
    lock: &str,
) -> Result<Approval, HandoffError> {
    let mut why = String::new();
    let keys = attestation::public_keys(&environment.keys)?;
    if let Some(base) = &branch.base {
        for approval in known(git, base, branch, lock).await?.approvals.into_iter().rev() {
            let Some(objection) = objection(git, base, &approval, lock, &keys).await? else {
                return Ok(approval);
            };
            why.push_str("\n  that of ");
            why.extend(approval.by.chars().filter(|character| !character.is_control()));
            why.push_str(" does not: ");
            why.push_str(&objection);
        }
    }
    Err(HandoffError::NotApproved { environment: environment.name.clone(), lock: lock.to_owned(), why })
}

/// Why an approval does not hold; none where it does.
async fn objection(
    git: &Git,
    base: &str,
    approval: &Approval,
    lock: &str,
    keys: &[PublicKey],
) -> Result<Option<String>, HandoffError> {
    let Some(content) = git.file(base, &attestation_path(&approval.attestation)).await? else {
        return Ok(Some("its attestation is gone".into()));
    };
    if digest(&content) != approval.attestation {
        return Ok(Some("its attestation was changed".into()));
    }
    Ok(ci::check(&content, lock, keys).err().map(|refusal| format!("its attestation {refusal}")))
}

/// SHA-256, hex.
fn digest(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

async fn known(git: &Git, base: &str, branch: &Branch, lock: &str) -> Result<Approvals, HandoffError> {
    let path = approval::path(lock);
    match git.file(base, &path).await? {
        None => Ok(Approvals { lock: lock.to_owned(), approvals: Vec::new() }),
        Some(content) => approval::read(&content, lock).map_err(|reason| HandoffError::Record {
            branch: branch.name.clone(),
            path,
            reason,
        }),
    }
}

/// Who approves: as said, or as git calls the user.
async fn who(git: &Git, by: Option<&str>) -> Result<String, HandoffError> {
    let by = if let Some(by) = by {
        by.trim().to_owned()
    } else {
        let ident = git.text(&["var", "GIT_COMMITTER_IDENT"]).await?;
        // `NAME <ADDRESS> SECONDS ZONE`
        ident.rfind('>').map_or(ident.clone(), |end| ident[..=end].to_owned())
    };
    if by.is_empty() || by.len() > 500 || by.chars().any(char::is_control) {
        return Err(HandoffError::Nobody { by: by.escape_debug().to_string() });
    }
    Ok(by)
}
