//! What a rehearsal's Pods try of the network, in the cluster: one listens, another looks how long it can reach what a
//! NetworkPolicy forbids.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a listener says to everyone: a proxy that accepts connections for others does not say it.
const GREETING: &[u8] = b"devcluster";
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long what is allowed is tried.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what is forbidden may be reached until nothing is expected of the network any more.
const LATEST: Duration = Duration::from_secs(10);
/// How many attempts in a row have to fail.
const ENOUGH: u32 = 2;
const PAUSE: Duration = Duration::from_millis(100);

/// What a Pod saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Whether it reached what it may.
    pub within: bool,
    /// Whether what it may not reach was out of reach in the end.
    pub held: bool,
    /// How long it could be reached before, in milliseconds since the program started; none where it never was.
    pub reached_for: Option<u64>,
}

/// Greets everyone until it is ended.
pub async fn listen(port: u16) -> io::Result<()> {
    let both = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await;
    let listener = match both {
        Ok(listener) => listener,
        // The machine may have no IPv6.
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?,
    };
    greet(&listener).await
}

async fn greet(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        // Who does not listen misses it.
        let _ = stream.write_all(GREETING).await;
        let _ = stream.shutdown().await;
    }
}

/// Tries both, and leaves what it saw in a file where one is named.
pub async fn look(within: SocketAddr, beyond: SocketAddr, to: Option<&Path>) -> io::Result<Sight> {
    let begun = Instant::now();
    let mut sight = Sight { within: false, held: false, reached_for: None };
    while !sight.within && begun.elapsed() < PATIENCE {
        // From the first moment on, for that is when a Pod may not be held back yet.
        sight.reached_for = reached(beyond).await.then(|| since(begun)).or(sight.reached_for);
        sight.within = reached(within).await;
    }
    let (tried, mut failed) = (Instant::now(), 0);
    while sight.within && !sight.held && tried.elapsed() < LATEST {
        if reached(beyond).await {
            (sight.reached_for, failed) = (Some(since(begun)), 0);
            tokio::time::sleep(PAUSE).await;
        } else {
            failed += 1;
            sight.held = failed == ENOUGH;
        }
    }
    if let Some(path) = to {
        tokio::fs::write(path, serde_json::to_vec(&sight)?).await?;
    }
    Ok(sight)
}

fn since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn reached(address: SocketAddr) -> bool {
    let attempt = async {
        let mut greeting = [0; GREETING.len()];
        TcpStream::connect(address).await?.read_exact(&mut greeting).await?;
        Ok::<_, io::Error>(greeting == GREETING)
    };
    matches!(tokio::time::timeout(ATTEMPT, attempt).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn listener() -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(async move { greet(&listener).await.unwrap() }))
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_held() {
        let (within, _greeting) = listener().await;
        let (beyond, ending) = listener().await;
        ending.abort();
        assert!(ending.await.is_err(), "it is closed");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sight");
        let sight = look(within, beyond, Some(&file)).await.unwrap();
        assert_eq!(sight, Sight { within: true, held: true, reached_for: None });
        assert_eq!(serde_json::from_slice::<Sight>(&std::fs::read(file).unwrap()).unwrap(), sight);
    }

    #[tokio::test]
    async fn who_accepts_and_does_not_greet_is_not_what_was_meant() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (within, _greeting) = listener().await;
        let accepting = async { while silent.accept().await.is_ok() {} };
        let sight = tokio::select! {
            sight = look(within, silent.local_addr().unwrap(), None) => sight.unwrap(),
            () = accepting => unreachable!("it accepts on"),
        };
        assert!(sight.held);
    }

    #[tokio::test]
    async fn what_lets_go_late_is_told() {
        let (within, _greeting) = listener().await;
        let late = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let beyond = late.local_addr().unwrap();
        let twice = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = late.accept().await.unwrap();
                stream.write_all(GREETING).await.unwrap();
            }
        });
        let sight = look(within, beyond, None).await.unwrap();
        twice.await.unwrap();
        assert!(sight.within && sight.held && sight.reached_for.is_some(), "{sight:?}");
    }
}
