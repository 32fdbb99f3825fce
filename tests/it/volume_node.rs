//! This machine in place of a cluster's node: programs run here, as the node's root would.

use std::io;
use std::process::Stdio;

use devcluster::data::reach::{Connection, Output, Reach};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// Runs programs on this machine.
pub struct Here(pub &'static str);

#[async_trait::async_trait]
impl Reach for Here {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        Err(io::Error::other("a node has no port"))
    }

    async fn run(
        &self,
        argv: &[&str],
        environment: &[(&str, &str)],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        let (program, arguments) = argv.split_first().ok_or_else(|| io::Error::other("no program"))?;
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut near, far) = tokio::io::duplex(1 << 18);
        let feeding = tokio::spawn(async move {
            if let (Some(mut stdin), Some(mut input)) = (stdin, input) {
                let _ = tokio::io::copy(&mut input, &mut stdin).await;
                let _ = stdin.shutdown().await;
            }
        });
        let ending = tokio::spawn(async move {
            let mut said = String::new();
            let reading = async {
                let mut stderr = stderr.expect("piped");
                let _ = stderr.read_to_string(&mut said).await;
            };
            let passing = async {
                let mut stdout = stdout.expect("piped");
                let _ = tokio::io::copy(&mut stdout, &mut near).await;
                near
            };
            let ((), near) = tokio::join!(reading, passing);
            let status = child.wait().await;
            feeding.abort();
            drop(near);
            match status {
                Ok(status) if status.success() => Ok(()),
                Ok(_) => Err(io::Error::other(said.trim().to_owned())),
                Err(error) => Err(error),
            }
        });
        Ok(Box::new(Ending { far, ending: Some(ending) }))
    }

    fn name(&self) -> &str {
        self.0
    }
}

/// Output whose end is the program's failure, where it failed.
struct Ending {
    far: tokio::io::DuplexStream,
    ending: Option<tokio::task::JoinHandle<io::Result<()>>>,
}

impl AsyncRead for Ending {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        use std::task::{Poll, ready};
        let before = into.filled().len();
        ready!(std::pin::Pin::new(&mut self.far).poll_read(context, into))?;
        if into.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        let Some(ending) = &mut self.ending else { return Poll::Ready(Ok(())) };
        let ended = ready!(std::pin::Pin::new(ending).poll(context));
        self.ending = None;
        Poll::Ready(ended.unwrap_or_else(|error| Err(io::Error::other(error))))
    }
}
