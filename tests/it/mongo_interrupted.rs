//! Commands on MongoDB stores that are cut off at many moments: what is there is as before or as after, and the next command
//! goes on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bson::{Document, doc};
use devcluster::data::mongo::{MongoError, Server};
use devcluster::data::reach::{Connection, Output, Reach};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::mongo_kept::Kept;
use super::mongo_server::Running;

/// A way to a store that breaks for good after so many bytes were sent: to the store, the client was killed.
pub struct Breaking {
    way: Arc<dyn Reach>,
    left: Arc<AtomicI64>,
}

impl Breaking {
    pub fn new(way: Arc<dyn Reach>, after: i64) -> (Arc<Self>, Arc<AtomicI64>) {
        let left = Arc::new(AtomicI64::new(after));
        (Arc::new(Self { way, left: left.clone() }), left)
    }
}

#[async_trait]
impl Reach for Breaking {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        if self.left.load(Ordering::SeqCst) <= 0 {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(Box::new(Counted { stream: self.way.dial().await?, left: self.left.clone() }))
    }

    async fn run(
        &self,
        _: &[&str],
        _: &[(&str, &str)],
        _: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn name(&self) -> &'static str {
        "MongoDB of the tests"
    }
}

struct Counted {
    stream: Box<dyn Connection>,
    left: Arc<AtomicI64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.load(Ordering::SeqCst) <= 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.left.load(Ordering::SeqCst);
        let Some(room) = usize::try_from(left).ok().filter(|room| *room > 0) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let part = &bytes[..bytes.len().min(room)];
        let written = Pin::new(&mut self.stream).poll_write(context, part);
        if let Poll::Ready(Ok(written)) = written {
            self.left.fetch_sub(i64::try_from(written).unwrap(), Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Waits until a way is broken; whoever used it is to be dropped then, as a killed process is.
pub async fn cut_off(left: &AtomicI64) {
    while left.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Some collections in two databases, told apart by `generation`.
pub async fn fill(running: &Running, generation: i32) {
    for (database, collections) in
        [("shop", &["orders", "customers", "dotted.log"][..]), ("stock", &["items"])]
    {
        let database = running.database(database).await;
        for name in collections {
            let collection = database.collection::<Document>(name);
            drop(collection.drop().await);
            let documents = (0..20 + generation).map(|n| doc! { "_id": n, "generation": generation });
            collection.insert_many(documents).await.unwrap();
        }
    }
    let extra = running.database("shop").await.collection::<Document>(&format!("only {generation}"));
    extra.insert_one(doc! { "_id": 1 }).await.unwrap();
}

/// Moments at which it is cut off, where each run sends as much: one that waits longer asks more often.
const CUTS: i64 = 32;

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_cut_off_at_any_moment_leaves_the_old_or_the_new() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    fill(&source, 2).await;
    fill(&target, 1).await;
    let (good, new) = (target.server().await, kept.dump(&source.server().await, "new").await);
    let old = kept.dump(&good, "old").await;
    let connect = async |after: i64| {
        let (reach, left) = Breaking::new(target.reach(), after);
        (Server::connect(reach, Some(Running::credentials()), None).await, left)
    };
    // How much is sent in all.
    let (server, left) = connect(i64::MAX).await;
    let server = server.unwrap();
    let connected = i64::MAX - left.load(Ordering::SeqCst);
    kept.restore(&server, &new).await.unwrap();
    let whole = i64::MAX - left.load(Ordering::SeqCst);
    kept.restore(&good, &old).await.unwrap();
    let (mut olds, mut news) = (0, 0);
    // Until one comes to its end.
    for cut in 0.. {
        assert!(cut < 10 * CUTS, "no restore comes to its end any more");
        let after = connected + (whole - connected) * cut / CUTS + 1;
        let (server, left) = connect(after).await;
        if let Ok(server) = server {
            let done = tokio::select! {
                done = kept.restore(&server, &new) => done.is_ok(),
                () = cut_off(&left) => false,
            };
            if done {
                break;
            }
        }
        // The next command finds one or the other.
        let found = kept.dump(&good, &format!("cut-{cut}")).await;
        match found.content {
            content if content == old.content => olds += 1,
            content if content == new.content => {
                news += 1;
                kept.restore(&good, &old).await.unwrap();
            }
            _ => panic!("neither old nor new after {after} of {whole} bytes"),
        }
    }
    assert!(olds > 2 && news > 0, "{olds} old, {news} new");
    kept.restore(&good, &new).await.unwrap();
    for database in ["shop", "stock"] {
        let names = target.database(database).await.list_collection_names().await.unwrap();
        assert!(names.iter().all(|name| !name.starts_with("devcluster_")), "nothing is left: {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_at_once_do_not_mix() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    fill(&source, 2).await;
    let new = kept.dump(&source.server().await, "new").await;
    let (one, other) = (target.server().await, target.server().await);
    let (first, second) = tokio::join!(kept.restore(&one, &new), kept.restore(&other, &new));
    let busy = [&first, &second].into_iter().filter(|done| matches!(done, Err(MongoError::Busy(_)))).count();
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    assert_eq!(busy + usize::from(first.is_ok()) + usize::from(second.is_ok()), 2, "{first:?} {second:?}");
    assert_eq!(kept.dump(&one, "found").await.content, new.content);
}
