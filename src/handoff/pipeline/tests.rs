//! The pipelines as they are written, kept beside; the systems' own checks are in tests/it/pipelines.rs.

use super::*;

fn shop(directory: &str) -> Facts {
    Facts {
        directory: directory.into(),
        branch: "main".into(),
        version: "0.1.0".into(),
        helm: true,
        kustomize: true,
        install: None,
        environments: vec![("staging".into(), false), ("production".into(), true)],
    }
}

fn text(system: System, facts: &Facts) -> String {
    let files = files(system, facts).into_iter();
    files.flat_map(|(path, text)| ["==> ".to_owned(), path.to_owned(), "\n".to_owned(), text]).collect()
}

#[test]
fn a_pipeline_of_each_system() {
    let systems = [
        ("github", System::GitHub),
        ("gitlab", System::GitLab),
        ("jenkins", System::Jenkins),
        ("tekton", System::Tekton),
    ];
    for (name, system) in systems {
        insta::assert_snapshot!(name, text(system, &shop("examples/shop")));
    }
}

#[test]
fn no_place_is_left_open_and_what_is_not_needed_is_not_there() {
    for system in [System::GitHub, System::GitLab, System::Jenkins, System::Tekton] {
        let bare = Facts { helm: false, kustomize: false, environments: Vec::new(), ..shop("") };
        for text in [text(system, &bare), text(system, &shop("a/b"))] {
            let open = text.split('@').skip(1).find(|part| {
                part.len() > 1
                    && part.starts_with(|c: char| c.is_ascii_uppercase())
                    && part.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            });
            assert_eq!(open, None, "{text}");
        }
        let bare = text(system, &bare);
        assert!(!bare.contains("helm") && !bare.contains("kustomize") && !bare.contains("promote"), "{bare}");
        assert!(text(system, &shop("")).contains("--approve --attestation"));
    }
}

#[test]
fn production_without_a_stage_before_it_has_its_gate_all_the_same() {
    let facts = Facts { environments: vec![("live".into(), true), ("archive".into(), false)], ..shop("") };
    let carries = facts.carries("WHO", "FILE");
    assert_eq!(
        carries[0].commands,
        [
            "devcluster promote --to live --approve --attestation FILE --by WHO --push origin",
            "devcluster handoff --to live --push origin",
        ]
    );
    assert_eq!(carries[1].commands, ["devcluster promote --from live --to archive --push origin"]);
    assert_eq!((carries[0].needs.as_str(), carries[1].needs.as_str()), ("ci", "to-live"));
}

#[test]
fn a_teams_own_way_of_installing_stands_in_place_of_ours() {
    let own = r"curl -fsSL https://example.com/get | sed 's/a/\n/' > x # theirs".to_owned();
    for system in [System::GitHub, System::GitLab, System::Jenkins, System::Tekton] {
        let text = text(system, &Facts { install: Some(own.clone()), ..shop("") });
        let shown = if system == System::Jenkins {
            own.replace('\\', r"\\").replace('\'', r"\'")
        } else {
            own.clone()
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let at = lines.iter().position(|line| *line == shown).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((lines[at - 1], lines[at + 1]), (r#"if [ ! -x "$tools/bin/devcluster" ]; then"#, "fi"));
        assert!(!text.contains("cargo install"), "{text}");
    }
}
