//! Runs a program in a container, as a rule asks for once its files are there.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::AsyncReadExt;

use crate::apply::pods::RunningContainer;
use crate::operation::error::OperationError;
use crate::operation::swap::Stage;

/// Runs a program in a container.
pub(in crate::operation) async fn run(
    stage: Stage<'_>,
    container: &RunningContainer,
    command: &[String],
) -> Result<(), OperationError> {
    let what = format!("run `{}` in {}/{}", command.join(" "), container.namespace, container.pod);
    let failed = |reason: String| OperationError::Swap { what: what.clone(), reason };
    let api = Api::<Pod>::namespaced(stage.existing.cluster.client.clone(), &container.namespace);
    let params =
        AttachParams::default().container(&container.container).stdin(false).stdout(true).stderr(true);
    let mut process = api
        .exec(&container.pod, command, &params)
        .await
        .map_err(|error| OperationError::request(what.clone(), error))?;
    let status = process.take_status();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let reading = async {
        let first = async {
            if let Some(mut stdout) = stdout {
                let _ = stdout.read_to_end(&mut out).await;
            }
        };
        let second = async {
            if let Some(mut stderr) = stderr {
                let _ = stderr.read_to_end(&mut err).await;
            }
        };
        tokio::join!(first, second)
    };
    reading.await;
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let _ = process.join().await;
    match status {
        Some(status) if status.status.as_deref() != Some("Success") => {
            out.extend(err);
            let said = String::from_utf8_lossy(&out).trim().to_owned();
            Err(failed(format!("{}\n{said}", status.message.unwrap_or_default())))
        }
        _ => Ok(()),
    }
}
