//! Plain manifests: files, directories and globs, as `kubectl apply -R -f` finds them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::Fault;
use super::reading::{Read, Text};
use crate::config::{is_glob, literal_part};
use crate::yaml::Position;

/// The directory beside the configuration that devcluster writes results to.
const OWN: &str = ".devcluster";

/// Reads all files that `paths` name, relative ones from `directory`. Faults of all of them are collected.
pub(super) fn read(source: &str, paths: &[String], directory: &Path) -> Read {
    let mut read = Read::default();
    let mut seen = BTreeSet::new();
    for written in paths {
        match find(written, directory) {
            Ok(files) => {
                for file in files.into_iter().filter(|file| seen.insert(file.clone())) {
                    match std::fs::read(&file) {
                        Ok(bytes) => {
                            let from = Text { source, file: Some(&file), generated_names: false };
                            read.bytes(from, &bytes);
                        }
                        Err(error) => {
                            read.faults.push(fault(source, &file, format!("cannot be read: {error}")));
                        }
                    }
                }
            }
            Err(message) => read.faults.push(fault(source, &directory.join(written), message)),
        }
    }
    read
}

fn fault(source: &str, file: &Path, message: String) -> Fault {
    let position = Position::default();
    Fault { source: source.into(), file: Some(file.to_owned()), position, message, hint: None }
}

/// The files that one path stands for, in order. The error is a message.
pub(super) fn find(written: &str, directory: &Path) -> Result<Vec<PathBuf>, String> {
    let path = directory.join(written);
    if path.is_dir() {
        let mut found = Vec::new();
        walk(&path, &mut |file| {
            if is_manifest(file) {
                found.push(file.to_owned());
            }
        })
        .map_err(|error| format!("cannot be read: {error}"))?;
        if found.is_empty() {
            return Err("holds no .yaml, .yml or .json file".into());
        }
        return Ok(found);
    }
    if path.exists() {
        return Ok(vec![path]);
    }
    if !is_glob(written) {
        return Err("does not exist".into());
    }
    let (base, matcher) = glob(&path)?;
    let mut found = Vec::new();
    if base.is_dir() {
        walk(&base, &mut |file| {
            if matcher.is_match(file) {
                found.push(file.to_owned());
            }
        })
        .map_err(|error| format!("cannot be read: {error}"))?;
    }
    if found.is_empty() { Err("matches no file".into()) } else { Ok(found) }
}

/// The SQL files that paths stand for, in order: files and globs as manifests' are, of directories the `.sql` files. The error
/// is a message that names the path.
pub fn sql_files(paths: &[String], directory: &Path) -> Result<Vec<PathBuf>, String> {
    let is_sql = |file: &Path| file.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("sql"));
    let mut all = BTreeSet::new();
    for written in paths {
        let path = directory.join(written);
        if path.is_dir() {
            let mut take = |file: &Path| {
                if is_sql(file) {
                    all.insert(file.to_owned());
                }
            };
            walk(&path, &mut take).map_err(|error| format!("{written} cannot be read: {error}"))?;
        } else {
            all.extend(find(written, directory).map_err(|message| format!("{written} {message}"))?);
        }
    }
    Ok(all.into_iter().collect())
}

/// A glob and the directory that its first component with wild cards is in.
fn glob(path: &Path) -> Result<(PathBuf, GlobMatcher), String> {
    let base = literal_part(path);
    let glob = GlobBuilder::new(&path.to_string_lossy()).literal_separator(true).build();
    match glob {
        Ok(glob) => Ok((base, glob.compile_matcher())),
        Err(error) => Err(format!("is no glob: {}", error.kind())),
    }
}

pub(super) fn is_manifest(file: &Path) -> bool {
    file.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json")
}

/// Visits all files beneath a directory in order of their names, links followed, each real directory once.
pub(super) fn walk(directory: &Path, visit: &mut dyn FnMut(&Path)) -> std::io::Result<()> {
    fn inner(
        directory: &Path,
        above: &mut Vec<PathBuf>,
        visit: &mut dyn FnMut(&Path),
    ) -> std::io::Result<()> {
        let real = directory.canonicalize()?;
        // A link to a directory that we are in would never end.
        if above.contains(&real) {
            return Ok(());
        }
        above.push(real);
        let mut entries = std::fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        entries.sort();
        for path in entries {
            // What devcluster leaves beside the configuration is no manifest.
            if path.is_dir() && path.file_name() == Some(OWN.as_ref()) {
                continue;
            }
            if path.is_dir() {
                inner(&path, above, visit)?;
            } else if path.is_file() {
                visit(&path);
            }
        }
        above.pop();
        Ok(())
    }
    inner(directory, &mut Vec::new(), visit)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::tree;
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\n";

    fn names(read: &Read) -> Vec<&str> {
        read.objects.iter().map(super::super::object::Object::name).collect()
    }

    #[test]
    fn directories_are_read_in_order_and_globs_match() {
        let pod = |name: &str| POD.replace("NAME", name);
        let directory = tree(&[
            ("b/z.yaml", &pod("z")),
            ("b/a/m.yml", &pod("m")),
            ("b/a.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"j\"}}"),
            ("b/readme.md", "no manifest"),
            ("b/.devcluster/ci/result.json", "{}"),
            ("c/1.yaml", &pod("one")),
            ("c/2.yaml", &pod("two")),
            ("c/deep/3.yaml", &pod("three")),
        ]);
        let read = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            read("files", &paths, directory.path())
        };
        assert_eq!(names(&read(&["b"])), ["m", "j", "z"]);
        assert_eq!(names(&read(&["c/*.yaml"])), ["one", "two"]);
        assert_eq!(names(&read(&["c/**/*.yaml", "c/1.yaml"])), ["one", "two", "three"]);
        assert_eq!(names(&read(&["c/2.yaml", "c"])), ["two", "one", "three"]);
    }

    #[test]
    fn the_broken_one_of_forty_is_named_and_the_others_are_read() {
        let mut files: Vec<(String, String)> =
            (0..40).map(|n| (format!("{n:02}.yaml"), POD.replace("NAME", &format!("p{n}")))).collect();
        files[17].1 = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: [\n".into();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let directory = tree(&files);
        let read = read("files .", &[".".into(), "gone.yaml".into(), "no*.yaml".into()], directory.path());
        assert_eq!(read.objects.len(), 39);
        let faults: Vec<_> = read.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 3);
        assert!(faults[0].contains("17.yaml:5:1: did not find expected node content"), "{}", faults[0]);
        assert!(faults[1].ends_with("gone.yaml: does not exist"));
        assert!(faults[2].ends_with("no*.yaml: matches no file"));
    }
}
