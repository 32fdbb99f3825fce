//! Runs external programs; one that fails becomes an error with its argv and what it printed.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

/// Why a program did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is not on the PATH.
    #[error("`{program}` is not installed or not on the PATH; {hint}")]
    Missing {
        /// The program's name.
        program: String,
        /// How to get it.
        hint: String,
    },
    /// The program could not be started or talked to.
    #[error("`{argv}` could not be run: {source}")]
    Start {
        /// The command line as typed in a shell.
        argv: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The program ended with a failure.
    #[error("`{argv}` failed ({status}){}", indented(.output))]
    Failed {
        /// The command line as typed in a shell.
        argv: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What it wrote to standard error, or to standard output where that was empty.
        output: String,
    },
}

/// A tool's output as it stands below the error that tells of it: each line on its own, indented.
pub fn indented(output: &str) -> String {
    output.trim_end().lines().fold(String::new(), |text, line| text + "\n  " + line)
}

/// One call of an external program.
#[derive(Debug, Clone)]
pub struct Command {
    program: String,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    directory: Option<std::path::PathBuf>,
    stdin: Option<Vec<u8>>,
}

impl Command {
    /// A call of `program`, looked up on the PATH.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new(), envs: Vec::new(), directory: None, stdin: None }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable. Values are never shown in errors.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.envs.push((name.into(), value.into()));
        self
    }

    /// Runs in `directory`.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Feeds `bytes` to standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// The command line as one would type it.
    pub fn argv(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.args)
            .map(|arg| {
                let plain = !arg.is_empty()
                    && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c));
                if plain { arg.clone() } else { format!("'{}'", arg.replace('\'', r"'\''")) }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The tokio command, for callers that stream; it is killed when dropped.
    pub fn to_tokio(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).envs(self.envs.iter().cloned()).kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Turns a failure to start into the error that names the program.
    pub fn start_error(&self, source: std::io::Error) -> ProcessError {
        if source.kind() == std::io::ErrorKind::NotFound
            && self.directory.as_deref().is_none_or(std::path::Path::is_dir)
        {
            return ProcessError::Missing {
                program: self.program.clone(),
                hint: install_hint(&self.program),
            };
        }
        ProcessError::Start { argv: self.argv(), source }
    }

    /// Runs to the end and gives standard output.
    pub async fn output(&self) -> Result<Vec<u8>, ProcessError> {
        let mut command = self.to_tokio();
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.start_error(source))?;
        let feeding = child.stdin.take().zip(self.stdin.clone()).map(|(mut pipe, bytes)| {
            tokio::spawn(async move {
                // A program that ends before it has read everything says why itself.
                let _ = pipe.write_all(&bytes).await;
            })
        });
        let output = child.wait_with_output().await.map_err(|source| self.start_error(source))?;
        if let Some(feeding) = feeding {
            let _ = feeding.await;
        }
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.failed(output.status, &output.stderr, &output.stdout))
    }

    /// The error for a program that ended with `status`.
    pub fn failed(&self, status: std::process::ExitStatus, stderr: &[u8], stdout: &[u8]) -> ProcessError {
        let said = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
        ProcessError::Failed { argv: self.argv(), status, output: String::from_utf8_lossy(said).into_owned() }
    }
}

fn install_hint(program: &str) -> String {
    match program {
        "kind" => "install it from https://kind.sigs.k8s.io/docs/user/quick-start/#installation".into(),
        "helm" => "install it from https://helm.sh/docs/intro/install/".into(),
        "kustomize" => {
            "install it from https://kubectl.docs.kubernetes.io/installation/kustomize/, or kubectl".into()
        }
        "docker" => "install Docker Engine from https://docs.docker.com/engine/install/".into(),
        _ => "install it and try again".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_program_is_named_with_its_cure() {
        let error = Command::new("no-such-program-here").output().await.unwrap_err();
        assert!(error.to_string().starts_with("`no-such-program-here` is not installed"), "{error}");
    }

    #[tokio::test]
    async fn a_failure_carries_argv_and_output() {
        let error =
            Command::new("sh").args(["-c", "echo broken here >&2; exit 3"]).output().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c 'echo broken here >&2; exit 3'"), "{text}");
        assert!(text.ends_with("\n  broken here"), "{text}");
    }

    #[tokio::test]
    async fn standard_input_is_fed() {
        let out = Command::new("cat").stdin(b"through".to_vec()).output().await.unwrap();
        assert_eq!(out, b"through");
    }
}
