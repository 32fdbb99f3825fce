//! The addresses at which the system answers, each tried.

use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::address::Address;
use crate::parity::Requirements;

/// An address and what came of trying it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// What is reached there, such as `Ingress shop/catalogue`.
    pub what: String,
    /// The address as a browser or client takes it.
    pub address: String,
    /// Whether it answered.
    pub answers: bool,
    /// What it answered, or why it did not.
    pub said: String,
    /// The host name that the machine must resolve to 127.0.0.1, where it does not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
}

const PATIENCE: Duration = Duration::from_secs(2);

/// Tries every ingress host and every load balancer's port, all at once. What leads there may still be `settling` for
/// that long.
pub async fn try_all(
    requirements: &Requirements,
    ports: (u16, u16),
    balanced: &[Address],
    settling: Duration,
) -> Vec<Tried> {
    let ingresses = requirements.ingresses.iter().flat_map(|ingress| {
        let hosts = ingress.hosts().into_iter().map(ToOwned::to_owned).collect::<Vec<String>>();
        hosts.into_iter().map(|host| (ingress.object.to_string(), host, ingress.tls_hosts.clone()))
    });
    let ingresses = futures::future::join_all(ingresses.map(|(what, host, secured)| async move {
        let secure = secured.contains(&host);
        try_host(what, &host, if secure { ports.1 } else { ports.0 }, secure, settling).await
    }));
    let services = balanced.iter().flat_map(|address| address.ports.iter().map(move |port| (address, *port)));
    let services = futures::future::join_all(services.map(|(address, port)| async move {
        let what = format!("Service {}/{}", address.namespace, address.service);
        let to = format!("{}:{port}", address.address);
        let (answers, said) = match request(&to, &to, settling).await {
            Ok(said) => (true, said),
            Err(reason) => (false, reason),
        };
        let address = if said.starts_with("HTTP") { format!("http://{to}/") } else { to };
        Tried { what, address, answers, said, unresolved: None }
    }));
    let (mut tried, services) = tokio::join!(ingresses, services);
    tried.extend(services);
    tried
}

async fn try_host(what: String, host: &str, port: u16, secure: bool, settling: Duration) -> Tried {
    let scheme = if secure { "https" } else { "http" };
    let usual = if secure { 443 } else { 80 };
    let shown = if host.is_empty() || host.starts_with('*') { "127.0.0.1" } else { host };
    let suffix = if port == usual { String::new() } else { format!(":{port}") };
    let at = format!("127.0.0.1:{port}");
    let result = if secure {
        connect(&at).await.map(|_| "accepts connections".to_owned())
    } else {
        request(&at, shown, settling).await
    };
    let resolves = shown == "127.0.0.1" || resolves_here(shown).await;
    let (answers, said) = match result {
        Ok(said) => (true, said),
        Err(reason) => (false, reason),
    };
    Tried {
        what,
        address: format!("{scheme}://{shown}{suffix}/"),
        answers,
        said,
        unresolved: (!resolves).then(|| shown.to_owned()),
    }
}

/// Whether the machine leads this name to itself. Names under `localhost` always are; others are asked of /etc/hosts
/// alone, for a resolver may take seconds to say no.
async fn resolves_here(host: &str) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let hosts = tokio::fs::read_to_string("/etc/hosts").await.unwrap_or_default();
    hosts.lines().any(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        matches!(words.next(), Some("127.0.0.1" | "::1")) && words.any(|name| name == host)
    })
}

async fn connect(to: &str) -> Result<TcpStream, String> {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} s", PATIENCE.as_secs())),
    }
}

/// How long an address may take to answer: kube-proxy and the ingress controller learn of ready Pods a little later.
pub const SETTLING: Duration = Duration::from_secs(10);

/// Asks until there is an answer, for as long as what leads there may still be settling.
async fn request(to: &str, host: &str, settling: Duration) -> Result<String, String> {
    let begun = std::time::Instant::now();
    loop {
        match ask(to, host).await {
            Err(_) if begun.elapsed() < settling => tokio::time::sleep(Duration::from_millis(200)).await,
            answer => return answer,
        }
    }
}

/// Asks for `/` and gives the status line; a server that speaks something else is one that accepts connections.
async fn ask(to: &str, host: &str) -> Result<String, String> {
    let mut stream = connect(to).await?;
    let text =
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: devcluster\r\nConnection: close\r\n\r\n");
    let mut answer = vec![0; 256];
    let talk = async {
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.read(&mut answer).await.ok()
    };
    let length = tokio::time::timeout(PATIENCE, talk).await.ok().flatten().unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    let line = answer.lines().next().unwrap_or_default();
    match line.split_whitespace().nth(1).and_then(|code| code.parse::<u16>().ok()) {
        Some(502..=504) if line.starts_with("HTTP/") => Err(line.to_owned()),
        Some(_) if line.starts_with("HTTP/") => Ok(line.to_owned()),
        _ => Ok("accepts connections".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_asked_under_its_host() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 512];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let tried = try_host("Ingress shop/web".into(), "shop.example.com", port, false, SETTLING).await;
        assert!(tried.answers);
        assert_eq!(tried.said, "HTTP/1.1 200 OK");
        assert_eq!(tried.address, format!("http://shop.example.com:{port}/"));
        assert_eq!(tried.unresolved.as_deref(), Some("shop.example.com"));
        assert!(server.await.unwrap().contains("Host: shop.example.com\r\n"));
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap().to_string();
        drop(listener);
        assert!(ask(&to, &to).await.unwrap_err().contains("refused"));
    }
}
