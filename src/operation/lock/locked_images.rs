//! What a lock says of images: what those that are built are built from, and what the others are where an engine has them.

use std::collections::BTreeMap;
use std::path::Path;

use futures::future::{join_all, try_join_all};

use crate::cluster::Engine;
use crate::config::{Build, Config, ImageFrom};
use crate::handoff::{Lock, LockedImage, SeenImage};
use crate::image::source::source;
use crate::image::{BuildJob, inspect};
use crate::manifest::Rendered;
use crate::operation::error::OperationError;
use crate::parity::{ImageReference, image_references};

/// The images of what was rendered.
pub(in crate::operation) struct Images {
    /// As the manifests write them.
    pub locked: Vec<LockedImage>,
    /// The files of builds by the build's name: paths from the configuration's directory, with digests.
    pub builds: BTreeMap<String, BTreeMap<String, String>>,
}

/// Finds them, and reads what they are built from. `cache` remembers hashes of files.
pub(in crate::operation) async fn images(
    config: &Config,
    rendered: &Rendered,
    cache: &Path,
) -> Result<Images, OperationError> {
    let named =
        image_references(rendered.objects.iter().chain(rendered.hooks.iter().map(|hook| &hook.object)));
    let built: BTreeMap<&str, &Build> =
        named.keys().filter_map(|reference| build_of(config, reference)).collect();
    let read = built.iter().map(|(name, build)| async move {
        let source = source(BuildJob { name, build }, cache).await?;
        Ok::<_, OperationError>(((*name).to_owned(), source))
    });
    let sources: BTreeMap<_, _> = try_join_all(read).await?.into_iter().collect();
    let locked = named.iter().flat_map(|(reference, written)| {
        let source = build_of(config, reference).and_then(|(name, _)| sources.get(name));
        written.iter().map(move |written| LockedImage {
            reference: (*written).to_owned(),
            digest: reference.digest().map(ToOwned::to_owned),
            source: source.map(|source| source.digest.clone()),
        })
    });
    let locked = locked.collect();
    let builds = sources.into_iter().map(|(name, source)| {
        let directory = built.get(name.as_str()).map(|build| build.context.as_path());
        let from = directory.map(|directory| directory.strip_prefix(config.directory()).unwrap_or(directory));
        let listed = source.files.into_iter().map(|(path, told)| {
            let path = from.map_or_else(|| Path::new(&path).to_owned(), |from| from.join(&path));
            (path.display().to_string(), told)
        });
        (name, listed.collect())
    });
    Ok(Images { locked, builds: builds.collect() })
}

/// The build that an image comes from, with its name; none where it is not built.
fn build_of<'a>(config: &'a Config, reference: &ImageReference) -> Option<(&'a str, &'a Build)> {
    let image = config.images.iter().find(|image| reference.is_covered_by(&image.name))?;
    match &image.from {
        ImageFrom::Build(build) => Some((image.name.as_str(), build)),
        ImageFrom::StandIn { .. } => None,
    }
}

/// Adds what the engine knows, where there is one, and what an earlier lock says of what it does not know.
pub(in crate::operation) async fn fill(lock: &mut Lock, earlier: Option<&Lock>) {
    let asked: Vec<String> = match Engine::connect().await {
        Ok(engine) => {
            let known = join_all(lock.images.iter().map(|image| inspect::find(&engine, &image.reference)));
            let known = known.await;
            for (image, found) in lock.images.iter_mut().zip(known) {
                let Ok(Some(found)) = found else { continue };
                // What stands in for an image, or is built here, is not what its registry has.
                if found.stand_in.is_some() || image.source.is_some() {
                    continue;
                }
                if image.digest.is_none() {
                    image.digest = in_registry(&image.reference, &found.in_registries);
                }
                lock.seen.push(SeenImage {
                    reference: image.reference.clone(),
                    platform: found.platform.to_string(),
                    manifest: found.manifest,
                    config: found.config,
                });
            }
            lock.seen.iter().map(|seen| format!("{} {}", seen.reference, seen.platform)).collect()
        }
        Err(_) => Vec::new(),
    };
    if let Some(earlier) = earlier {
        keep(lock, earlier, &asked);
    }
    lock.seen.sort();
    lock.root = lock.computed_root();
}

/// Images that the engine has as something else than `lock` says, in words: their tags were moved, or pulled before they were.
pub(in crate::operation) async fn moved(engine: &Engine, lock: &Lock) -> Vec<String> {
    let known = lock.images.iter().filter_map(|image| Some((&image.reference, image.digest.as_ref()?)));
    let asked = known.map(|(reference, wanted)| async move {
        let found = inspect::find(engine, reference).await.ok()??;
        let here = in_registry(reference, &found.in_registries)?;
        (here != *wanted).then(|| format!("{reference} is {here} here, and {wanted} in the lock"))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// What an image's registry has it as, of `REPOSITORY@DIGEST`s that the engine remembers.
pub(in crate::operation) fn in_registry(reference: &str, remembered: &[String]) -> Option<String> {
    let wanted = reference.parse::<ImageReference>().ok()?;
    remembered.iter().find_map(|remembered| {
        let remembered = remembered.parse::<ImageReference>().ok()?;
        let is_same = remembered.repository() == wanted.repository();
        remembered.digest().filter(|_| is_same).map(ToOwned::to_owned)
    })
}

/// Keeps what an earlier lock says of images that are still there and were not `asked` for (`REFERENCE PLATFORM`).
pub(in crate::operation) fn keep(lock: &mut Lock, earlier: &Lock, asked: &[String]) {
    for image in lock.images.iter_mut().filter(|image| image.digest.is_none() && image.source.is_none()) {
        let known = earlier.images.iter().find(|known| known.reference == image.reference);
        image.digest = known.and_then(|known| known.digest.clone());
    }
    let still = |seen: &&SeenImage| {
        lock.images.iter().any(|image| image.reference == seen.reference && image.source.is_none())
            && !asked.contains(&format!("{} {}", seen.reference, seen.platform))
    };
    let kept: Vec<SeenImage> = earlier.seen.iter().filter(still).cloned().collect();
    lock.seen.extend(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> String {
        format!("sha256:{}", format!("{number:02x}").repeat(32))
    }

    #[test]
    fn an_image_is_what_its_own_registry_has() {
        let remembered =
            [format!("mirror.example.com/postgres@{}", digest(1)), format!("postgres@{}", digest(2))];
        assert_eq!(in_registry("postgres:15", &remembered), Some(digest(2)));
        assert_eq!(in_registry("docker.io/library/postgres:15", &remembered), Some(digest(2)));
        assert_eq!(in_registry("redis:7", &remembered), None);
    }

    #[test]
    fn what_is_not_known_here_is_kept_and_what_left_is_not() {
        let image = |reference: &str, digest: Option<String>| LockedImage {
            reference: reference.into(),
            digest,
            source: None,
        };
        let seen = |reference: &str, platform: &str, config: &str| SeenImage {
            reference: reference.into(),
            platform: platform.into(),
            manifest: None,
            config: Some(config.into()),
        };
        let earlier = Lock {
            images: vec![image("a:1", Some(digest(1))), image("b:1", Some(digest(2)))],
            seen: vec![
                seen("a:1", "linux/amd64", "old"),
                seen("a:1", "linux/arm64", "arm"),
                seen("b:1", "linux/amd64", "b"),
            ],
            ..Lock::default()
        };
        let mut lock = Lock {
            images: vec![image("a:1", None), image("c:1", None)],
            seen: vec![seen("a:1", "linux/amd64", "new")],
            ..Lock::default()
        };
        keep(&mut lock, &earlier, &["a:1 linux/amd64".to_owned()]);
        assert_eq!(lock.images, [image("a:1", Some(digest(1))), image("c:1", None)]);
        assert_eq!(lock.seen, [seen("a:1", "linux/amd64", "new"), seen("a:1", "linux/arm64", "arm")]);
    }
}
