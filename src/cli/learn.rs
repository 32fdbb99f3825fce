//! `devcluster learn`, hidden: what `up` leaves running behind it, so that the next change of a large image is sent alone.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::exit::{CliError, Exit};
use crate::cluster::Engine;
use crate::image;

/// What `learn` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of what is remembered between runs
    #[arg(long, value_name = "DIRECTORY")]
    cache: PathBuf,
    /// Images, as the engine names them
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// Has the engine learn the images' layers, one such command at a time.
pub async fn run(args: Args) -> Result<(), CliError> {
    let failed = |error: String| CliError::message(Exit::Failed, error);
    let path = args.cache.join("learn.lock");
    let lock =
        std::fs::File::create(&path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let engine = Engine::connect().await.map_err(|error| failed(error.to_string()))?;
    image::teach(&engine, &args.cache, &args.images).await.map_err(|error| failed(error.to_string()))
}

/// Starts it for `images`, apart from this command and its terminal. Where that fails nothing is lost but time later.
pub fn leave_running(cache: &std::path::Path, images: &[String]) {
    use std::os::unix::process::CommandExt;
    let Ok(program) = std::env::current_exe() else { return };
    if images.is_empty() {
        return;
    }
    let _ = Command::new(program)
        .args(["learn", "--cache"])
        .arg(cache)
        .args(images)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
}
