//! A registry on each node that answers for delivered images from the node's own containerd, so that pods with
//! `imagePullPolicy: Always` start unchanged and without a network. Socket-activated: nothing runs between pulls.
//!
//! Limit: a pod that names a digest *and* has pull policy Always starts only where production's own bytes were delivered
//! under that digest's manifest; containerd checks pulled manifests against the digest.

use crate::cluster::engine::{EngineError, Node};

use super::error::ImageError;

/// The manifest annotation of images that the mirror answers for.
pub(super) const MARK: &str = "devcluster.dev/delivered";

/// Files and their modes, by path on the node.
const FILES: [(&str, u32, &str); 4] = [
    ("usr/local/lib/devcluster/mirror", 0o755, include_str!("mirror.sh")),
    ("etc/systemd/system/devcluster-mirror.socket", 0o644, include_str!("devcluster-mirror.socket")),
    ("etc/systemd/system/devcluster-mirror@.service", 0o644, include_str!("devcluster-mirror@.service")),
    ("etc/containerd/certs.d/_default/hosts.toml", 0o644, include_str!("hosts.toml")),
];

/// `$0` is the version to be there; the files come as a tar archive on standard input.
const INSTALL: &str = r#"v=/usr/local/lib/devcluster/mirror.version
if [ "$(cat $v 2>/dev/null)" = "$0" ] && systemctl is-active --quiet devcluster-mirror.socket; then cat >/dev/null; echo there; exit 0; fi
grep -q 'config_path *= *"/etc/containerd/certs.d"' /etc/containerd/config.toml || {
  cat >/dev/null; echo "its containerd does not read /etc/containerd/certs.d: use a node image of kind 0.27 or later" >&2; exit 1; }
tar -x -C / -f - --no-same-owner && systemctl daemon-reload && systemctl enable -q devcluster-mirror.socket &&
  systemctl restart devcluster-mirror.socket && echo "$0" >$v"#;

/// Installs the mirror on a node, if it is not there in this version. One call; containerd need not restart.
/// Gives whether something was done.
pub async fn install(node: &Node) -> Result<bool, ImageError> {
    let failed = |reason: String| ImageError::Mirror { node: node.name.clone(), reason };
    let archive = archive().map_err(|error| failed(error.to_string()))?;
    let version = blake3::hash(&archive).to_hex().to_string();
    let argv = ["sh", "-c", INSTALL, &version];
    match node.run_with_input(&argv, Box::pin(std::io::Cursor::new(archive))).await {
        Ok(said) => Ok(said.trim() != "there"),
        Err(EngineError::Failed { output, .. }) => Err(failed(output.trim().into())),
        Err(error) => Err(error.into()),
    }
}

fn archive() -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, text) in FILES {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        builder.append_data(&mut header, path, text.as_bytes())?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::image::oci;

    /// Runs the script as systemd would, with a `ctr` that knows one image.
    fn ask(request: &str) -> (String, String) {
        let directory = tempfile::tempdir().unwrap();
        let manifest = format!(r#"{{"annotations":{{"{MARK}":"1"}}}}"#);
        let foreign = "{}";
        let store = directory.path().join("blobs");
        std::fs::create_dir(&store).unwrap();
        for text in [&manifest, foreign] {
            std::fs::write(store.join(oci::digest(text.as_bytes()).trim_start_matches("sha256:")), text)
                .unwrap();
        }
        let ctr = directory.path().join("ctr");
        let row = |name: &str, text: &str| {
            format!("'name==\"{name}\"') echo REF; echo {name} type {} 1 B;;\n", oci::digest(text.as_bytes()))
        };
        let script = format!(
            "#!/bin/sh\ncase \"$5\" in\n{}{}*) echo REF;;\nesac\n",
            row("docker.io/library/a:1", &manifest),
            row("docker.io/library/foreign:1", foreign)
        );
        std::fs::write(&ctr, script).unwrap();
        std::fs::set_permissions(&ctr, PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .args(["-c", include_str!("mirror.sh")])
            .env("PATH", path)
            .env("DEVCLUSTER_BLOBS", &store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let request = request.replace("MANIFEST", &oci::digest(manifest.as_bytes()));
        let request = request.replace("FOREIGN", &oci::digest(foreign.as_bytes()));
        child
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let (head, body) = output.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[test]
    fn it_answers_for_delivered_images_alone() {
        let (ok, missing) = ("HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found");
        for (request, status, body) in [
            ("GET /v2/?ns=docker.io", ok, ""),
            ("HEAD /v2/library/a/manifests/1?ns=docker.io", ok, ""),
            (
                "GET /v2/library/a/manifests/1?ns=docker.io",
                ok,
                r#"{"annotations":{"devcluster.dev/delivered":"1"}}"#,
            ),
            ("HEAD /v2/library/a/manifests/MANIFEST?ns=docker.io", ok, ""),
            ("HEAD /v2/library/a/manifests/MANIFEST", missing, ""),
            ("HEAD /v2/library/a/manifests/2?ns=docker.io", missing, ""),
            ("HEAD /v2/library/a/manifests/1?ns=ghcr.io", missing, ""),
            ("HEAD /v2/library/foreign/manifests/1?ns=docker.io", missing, ""),
            ("HEAD /v2/library/a/manifests/FOREIGN?ns=docker.io", missing, ""),
            ("GET /v2/library/a/blobs/FOREIGN?ns=docker.io", ok, "{}"),
            ("GET /v2/library/a/blobs/sha256:../../etc/passwd", missing, "{}"),
            ("GET /v2/a\"b/manifests/$(id)?ns=docker.io", missing, "{}"),
            ("POST /v2/library/a/blobs/uploads/", "HTTP/1.1 405 Method Not Allowed", ""),
            ("GET /etc/passwd", missing, "{}"),
        ] {
            assert_eq!(ask(request), (status.into(), body.into()), "{request}");
        }
    }

    #[test]
    fn script_and_annotation_agree() {
        assert!(FILES[0].2.contains(&format!("'\"{MARK}\"'")));
    }
}
