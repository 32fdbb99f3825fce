//! Which failures pass by themselves, and trying again until they have.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// Whether the same request may well succeed a moment later. A 500 is not a reason in itself: the API server answers an
/// object that does not fit its schema with one.
pub fn transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => transient_status(status.code, &status.message),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

fn transient_status(code: u16, message: &str) -> bool {
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    match code {
        429 | 503 | 504 => true,
        // A forced server-side apply conflicts only where somebody wrote between its read and its write.
        409 => says(&["the object has been modified", "object is being deleted", "try again"]),
        500 => {
            let webhook = says(&["failed calling webhook", "failed to call webhook"])
                && says(&[
                    "connection refused",
                    "no endpoints available",
                    "context deadline exceeded",
                    "Timeout",
                    "timeout",
                    "EOF",
                    "no such host",
                    "connection reset",
                    "no route to host",
                ]);
            webhook || says(&["etcdserver: leader changed", "etcdserver: request timed out", "no leader"])
        }
        // What admission waits for in a namespace that has only just been made or is going away.
        403 => says(&[
            "because it is being terminated",
            "error looking up service account",
            "status unknown for quota",
        ]),
        // A kind whose CRD has just been established, before every handler knows it.
        404 => message.contains("the server could not find the requested resource"),
        _ => false,
    }
}

/// Runs `call` until it succeeds, fails for good, or `patience` has passed; waits 0.1 s at first and 2 s at most.
pub async fn retrying<T, F, Fut>(patience: Duration, mut call: F) -> Result<T, kube::Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, kube::Error>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(100);
    loop {
        match call().await {
            Err(error) if transient(&error) => {
                let asked = match &error {
                    kube::Error::Api(status) => {
                        status.details.as_ref().map_or(0, |details| details.retry_after_seconds)
                    }
                    _ => 0,
                };
                let wait = pause.max(Duration::from_secs(asked.into()).min(Duration::from_secs(5)));
                if Instant::now() + wait > deadline {
                    return Err(error);
                }
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn api(code: u16, message: &str) -> kube::Error {
        let mut status = Status::failure(message, "");
        status.code = code;
        kube::Error::Api(status.boxed())
    }

    #[test]
    fn what_passes_by_itself() {
        for (code, message, expected) in [
            (429, "", true),
            (503, "", true),
            (500, ".spec.foo: field not declared in schema", false),
            (500, "Internal error occurred: failed calling webhook \"a\": connect: connection refused", true),
            (500, "Internal error occurred: failed calling webhook \"a\": x509: unknown authority", false),
            (403, "unable to create new content in namespace a because it is being terminated", true),
            (403, "pods is forbidden: User cannot create", false),
            (404, "the server could not find the requested resource", true),
            (404, "namespaces \"a\" not found", false),
            (422, "field is immutable", false),
        ] {
            assert_eq!(transient(&api(code, message)), expected, "{code} {message}");
        }
    }

    #[tokio::test]
    async fn tries_until_it_succeeds_and_not_after_a_real_refusal() {
        let mut calls = 0;
        let got = retrying(Duration::from_secs(30), || {
            calls += 1;
            let answer = if calls < 3 { Err(api(503, "")) } else { Ok(calls) };
            async move { answer }
        })
        .await;
        assert_eq!(got.unwrap(), 3);
        let mut calls = 0;
        let got: Result<(), _> = retrying(Duration::from_secs(30), || {
            calls += 1;
            async { Err(api(422, "")) }
        })
        .await;
        assert!(got.is_err());
        assert_eq!(calls, 1);
    }
}
