//! A store's port on this machine, as another cluster's would be reached.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::harness::Project;

/// A port that kubectl forwards; it ends when it is dropped.
pub struct Forward {
    child: Child,
    /// The port on this machine.
    pub port: String,
    /// Closed, it would end kubectl at its next word.
    _said: BufReader<ChildStdout>,
}

impl Forward {
    /// Forwards to a Pod's port.
    pub fn start(project: &Project, namespace: &str, pod: &str, port: u16) -> Self {
        let mut child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(project.state().join("kubeconfig"))
            .args(["port-forward", "-n", namespace, &format!("pod/{pod}"), &format!(":{port}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        said.read_line(&mut line).expect("it says where");
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port");
        Self { port: port.to_owned(), child, _said: said }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
