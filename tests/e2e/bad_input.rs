//! Mistakes and missing things: one clear error each, with what, where and what to do; nothing is made.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::harness::Project;

fn said(project: &Project, code: i32) -> String {
    let (_, said) = project.fail(&["up"], code);
    assert!(project.clusters().is_empty(), "a cluster was made: {:?}", project.clusters());
    // Long lines are folded where the terminal ends: words are compared, not lines.
    said.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
}

#[test]
fn without_an_engine() {
    let project = Project::small();
    let output =
        project.command(&["up"]).env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().expect("runs");
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no Docker Engine answers") && said.contains("DOCKER_HOST"), "{said}");
}

#[test]
fn without_kind() {
    let project = Project::small();
    let output = project.command(&["up"]).env("PATH", "/nowhere").output().expect("runs");
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is not installed or not on the PATH"), "{said}");
}

#[test]
fn broken_yaml_in_one_of_forty_files() {
    let project = Project::small();
    for number in 0..40 {
        let text =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: small}}\n");
        let text = if number == 17 { text + "data:\n  a: [1\n  b: 2\n" } else { text };
        std::fs::write(project.directory().join(format!("deploy/c{number}.yaml")), text).expect("written");
    }
    let said = said(&project, 2);
    assert!(said.contains("deploy/c17.yaml:"), "{said}");
    assert!(!said.contains("c16.yaml") && !said.contains("c18.yaml"), "{said}");
}

#[test]
fn a_kustomization_that_fails() {
    let project = Project::small();
    project.edit("devcluster.yaml", "files: deploy", "kustomize: deploy");
    std::fs::write(project.directory().join("deploy/kustomization.yaml"), "resources: [absent.yaml]\n")
        .expect("written");
    let said = said(&project, 2);
    assert!(said.contains("kustomize build") && said.contains("absent.yaml"), "{said}");
}

#[test]
fn two_sources_with_one_object() {
    let project = Project::small();
    project.edit("devcluster.yaml", "  - files: deploy", "  - files: deploy\n  - files: deploy/system.yaml");
    let said = said(&project, 2);
    assert!(said.contains("written twice") && said.contains("Deployment small/web"), "{said}");
}

#[test]
fn every_fault_of_the_configuration_at_once() {
    let project = Project::small();
    project.edit("devcluster.yaml", "name: small", "nmae: small\nprofile: lapptop");
    let said = said(&project, 2);
    assert!(said.contains("nmae") && said.contains("laptop"), "{said}");
}

#[test]
fn a_port_that_is_taken() {
    let project = Project::small();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    project.edit("devcluster.yaml", "name: small", &format!("name: small\ncluster: {{httpPort: {port}}}"));
    let said = said(&project, 2);
    assert!(
        said.contains(&format!("port {port} on 127.0.0.1 is in use")) && said.contains("cluster.httpPort"),
        "{said}"
    );
}

#[test]
fn a_kind_that_nobody_serves_where_the_profile_refuses() {
    let project = Project::small();
    let text = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g, namespace: small}\n";
    std::fs::write(project.directory().join("deploy/gadget.yaml"), text).expect("written");
    let output = project.run(&["up", "--profile", "ci"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Gadget small/g") || said.contains("Gadget.example.com small/g"), "{said}");
    assert!(project.clusters().is_empty());
}

/// A container of ours to look at, with a label of kind's; it goes when the test ends.
struct Container(String);

impl Container {
    fn create(label: &str) -> Self {
        let output = Command::new("docker")
            .args(["create", "--label", label, "devcluster/standin:latest"])
            .output()
            .expect("docker runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", &self.0]).output();
    }
}

#[test]
fn a_name_used_by_a_cluster_that_is_not_ours() {
    let project = Project::small();
    let name = format!("foreign-{}", std::process::id());
    project.edit("devcluster.yaml", "name: small", &format!("name: small\ncluster: {{name: {name}}}"));
    let node = Container::create(&format!("io.x-k8s.kind.cluster={name}"));
    let (_, said) = project.fail(&["up"], 2);
    assert!(said.contains(&name) && said.contains("kind delete cluster --name"), "{said}");
    let (_, said) = project.fail(&["down", "--data", "--yes"], 2);
    assert!(said.contains(&name), "{said}");
    assert!(project.clusters().iter().any(|id| node.0.starts_with(id.as_str())), "the node is still there");
}

#[test]
fn an_image_for_another_architecture() {
    let project = Project::small();
    let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "amd64" };
    let image = format!("e2e.example.com/foreign:{}", std::process::id());
    let mut build = Command::new("docker")
        .args([
            "buildx",
            "build",
            "--load",
            "--quiet",
            "--platform",
            &format!("linux/{other}"),
            "--tag",
            &image,
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("docker runs");
    build.stdin.take().expect("piped").write_all(b"FROM scratch\nCMD [\"/none\"]\n").expect("a Dockerfile");
    assert!(build.wait().expect("docker ends").success());
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: small}}\nspec: {{containers: [{{name: p, image: {image}}}]}}\n"
    );
    std::fs::write(project.directory().join("deploy/foreign.yaml"), pod).expect("written");
    let (_, said) = project.fail(&["up"], 1);
    let _ = Command::new("docker").args(["rmi", &image]).output();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("{image} is for linux/{other}")), "{said}");
    assert!(said.contains("`platform: linux/"), "{said}");
}

#[test]
fn a_dockerfile_that_fails() {
    let project = Project::small();
    project.edit("web/Dockerfile", "COPY version /version", "COPY no-such-file /version");
    let (_, said) = project.fail(&["up"], 1);
    assert!(said.contains("COPY no-such-file /version") && said.contains("web/Dockerfile"), "{said}");
}
