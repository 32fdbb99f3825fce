//! One command at a time changes a server. Servers have no locks that end with a connection: whoever has this one says so
//! again and again, and who is silent for long enough is taken to be gone.

use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Document, doc};
use mongodb::Collection;
use tokio::task::JoinSet;

use super::connect::Server;
use super::error::{During, MongoError};
use super::namespaces::OURS;

/// The collection, in our own database.
const LOCK: &str = "devcluster_lock";
/// How often a holder says that it is there.
const BEAT: Duration = Duration::from_millis(250);
/// How long it is silent before it is taken to be gone.
const SILENCE: Duration = Duration::from_secs(3);
/// What a server says where there is such a document already (`DuplicateKey`).
const DUPLICATE: i32 = 11000;
/// What is being done, in messages.
const TASK: &str = "waiting for other commands on the server";

/// The right to change a server. Dropped without [`Exclusive::release`], the next one waits until it is taken to be gone.
pub(super) struct Exclusive {
    locks: Collection<Document>,
    holder: ObjectId,
    store: String,
    _beating: JoinSet<()>,
}

impl Exclusive {
    /// Takes it, or says that another has it.
    pub(super) async fn take(server: &Server) -> Result<Self, MongoError> {
        let locks = server.on(OURS).collection::<Document>(LOCK);
        let holder = ObjectId::new();
        let mine = doc! { "_id": "lock", "holder": holder, "beat": 0_i64 };
        let busy = || MongoError::Busy(server.name().to_owned());
        let mut silent: Option<(Document, Duration)> = None;
        loop {
            match locks.insert_one(&mine).await.during(TASK) {
                Ok(_) => break,
                Err(MongoError::Server { code: DUPLICATE, .. }) => {}
                Err(error) => return Err(error),
            }
            let Some(found) = locks.find_one(doc! { "_id": "lock" }).await.during(TASK)? else { continue };
            let waited = match silent.take() {
                Some((known, waited)) if known == found => waited,
                Some(_) => return Err(busy()),
                None => Duration::ZERO,
            };
            if waited >= SILENCE {
                let same = doc! { "_id": "lock", "holder": found.get("holder"), "beat": found.get("beat") };
                if locks.replace_one(same, &mine).await.during(TASK)?.matched_count == 1 {
                    break;
                }
                return Err(busy());
            }
            tokio::time::sleep(BEAT).await;
            silent = Some((found, waited + BEAT));
        }
        let mut beating = JoinSet::new();
        beating.spawn(beat(locks.clone(), holder));
        Ok(Self { locks, holder, store: server.name().to_owned(), _beating: beating })
    }

    /// That nobody has taken it over, before what cannot be taken back.
    pub(super) async fn check(&self) -> Result<(), MongoError> {
        let mine = doc! { "_id": "lock", "holder": self.holder };
        let found = self.locks.find_one(mine).await.during(TASK)?;
        found.map(drop).ok_or_else(|| MongoError::Busy(self.store.clone()))
    }

    /// Gives it back, as far as the server can be reached.
    pub(super) async fn release(self) {
        drop(self.locks.delete_one(doc! { "_id": "lock", "holder": self.holder }).await);
    }
}

async fn beat(locks: Collection<Document>, holder: ObjectId) {
    loop {
        tokio::time::sleep(BEAT).await;
        let mine = doc! { "_id": "lock", "holder": holder };
        // What cannot be said now is said the next time.
        drop(locks.update_one(mine, doc! { "$inc": { "beat": 1_i64 } }).await);
    }
}
