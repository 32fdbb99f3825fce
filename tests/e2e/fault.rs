//! Killed after every step of `up`, devcluster goes on from there when called again.

use std::os::unix::process::ExitStatusExt;

use devcluster::operation::fault::POINTS;

use crate::harness::Project;

#[test]
fn up_completes_after_being_killed_after_any_of_its_steps() {
    let project = Project::small();
    for point in POINTS {
        if ["applied", "ready"].contains(&point) {
            // Something must be left to do, or these points are never passed.
            project.kubectl(&["-n", "small", "delete", "configmap", "settings", "--ignore-not-found"]);
        }
        let output =
            project.command(&["up", "--yes"]).env("DEVCLUSTER_FAULT_POINT", point).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "up was to be killed at {point}: {said}");
        eprintln!("killed at {point}");
    }
    project.succeed(&["up", "--yes"]);
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
}
