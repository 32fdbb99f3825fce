//! Manifests nobody wrote for this: Google's online-boutique, read in place, stand-ins under its images' names.

use std::path::Path;

use crate::harness::Project;

#[test]
fn online_boutique_stands_as_it_was_written() {
    let Ok(manifests) = std::env::var("DEVCLUSTER_REAL_MANIFESTS") else {
        eprintln!("skipped: DEVCLUSTER_REAL_MANIFESTS names no folder with online-boutique in it");
        return;
    };
    let kustomization = Path::new(&manifests).join("online-boutique");
    let project = Project::small();
    let config = format!(
        "apiVersion: devcluster.dev/v1alpha1\nname: boutique\nmanifests: [{{kustomize: {}}}]\n",
        kustomization.display()
    );
    std::fs::write(project.directory().join("devcluster.yaml"), config).expect("written");
    project.succeed(&["up"]);
    project.kubectl_diff_is_empty("-k", &kustomization);
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do: 48 objects"), "{said}");
}
