//! An image of this program itself, for work that it does in the cluster: the program and the libraries it runs with, which
//! the engine takes as one layer.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions};
use futures::TryStreamExt;
use tokio_util::io::ReaderStream;

use super::error::ImageError;
use super::inspect;
use crate::cluster::engine::{Engine, EngineError};

/// A program for Linux and the nodes' processor that needs no libraries, where this one is not such.
const INSTEAD: &str = "DEVCLUSTER_WORKER_PROGRAM";

/// What the engine calls it; the tag is a hash of what is in it.
const REPOSITORY: &str = "devcluster.dev/own";

/// Seconds of an hour.
const HOUR: u64 = 3600;

/// The image, and what a container of it runs this program by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnImage {
    /// Its name.
    pub reference: String,
    /// The beginning of a container's command.
    pub command: Vec<String>,
}

/// Sees to it that the engine has an image of this program.
pub async fn ensure(engine: &Engine) -> Result<OwnImage, ImageError> {
    let own =
        tokio::task::spawn_blocking(Files::find).await.map_err(|error| failed(io::Error::other(error)))?;
    let own = own.map_err(failed)?;
    let reference = format!("{REPOSITORY}:{}", own.digest);
    if inspect::find(engine, &reference).await?.is_none() {
        let archive = tokio::task::spawn_blocking(move || own.archive());
        let archive = archive.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)?;
        let file = tokio::fs::File::from_std(archive.0);
        let options =
            CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(&own_tag(&reference));
        let body = bollard::body_try_stream(ReaderStream::with_capacity(file, 1 << 20));
        let taken = engine.docker().create_image(Some(options.build()), Some(body), None);
        let what = "give the engine an image of devcluster";
        taken.try_collect::<Vec<_>>().await.map_err(|error| EngineError::from_bollard(what, error))?;
        forget_older(engine, &reference).await;
        return Ok(OwnImage { reference, command: archive.1 });
    }
    Ok(OwnImage { reference, command: own.command() })
}

/// Removes images of other builds of this program, made more than an hour ago: they are large, and made again where one is wanted.
async fn forget_older(engine: &Engine, kept: &str) {
    let filters = HashMap::from([("reference", vec![REPOSITORY])]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    let listed = engine.docker().list_images(Some(options)).await.unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let old = listed.iter().filter(|image| u64::try_from(image.created).is_ok_and(|made| made + HOUR < now));
    for tag in old.flat_map(|image| &image.repo_tags).filter(|tag| *tag != kept) {
        // What a container still runs stays.
        let _ = engine.docker().remove_image(tag, None::<RemoveImageOptions>, None).await;
    }
}

fn own_tag(reference: &str) -> String {
    reference.rsplit(':').next().unwrap_or_default().to_owned()
}

fn failed(source: io::Error) -> ImageError {
    ImageError::Own { instead: INSTEAD, source }
}

/// What is in the image.
struct Files {
    program: PathBuf,
    /// The loader first; none where the program needs none.
    libraries: Vec<PathBuf>,
    digest: String,
}

impl Files {
    fn find() -> io::Result<Self> {
        let (program, libraries) = if let Some(instead) = std::env::var_os(INSTEAD) {
            (PathBuf::from(instead), Vec::new())
        } else if std::env::consts::OS == "linux" {
            (std::env::current_exe()?, libraries(&std::fs::read_to_string("/proc/self/maps")?))
        } else {
            return Err(io::Error::other("this program is not for the nodes' system"));
        };
        let mut hasher = blake3::Hasher::new();
        for file in std::iter::once(&program).chain(&libraries) {
            hasher.update_reader(File::open(file)?)?;
        }
        let digest = hasher.finalize().to_hex().chars().take(16).collect();
        Ok(Self { program, libraries, digest })
    }

    /// The loader is called by its path, for the program knows it by another one.
    fn command(&self) -> Vec<String> {
        let program = "/devcluster".to_owned();
        match self.libraries.first() {
            None => vec![program],
            Some(loader) => vec![in_image(loader), "--library-path".to_owned(), "/lib".to_owned(), program],
        }
    }

    /// The layer, at its beginning, and the command.
    fn archive(&self) -> io::Result<(File, Vec<String>)> {
        let mut archive = tar::Builder::new(tempfile::tempfile()?);
        append(&mut archive, &self.program, "devcluster")?;
        for library in &self.libraries {
            append(&mut archive, library, in_image(library).trim_start_matches('/'))?;
        }
        let mut file = archive.into_inner()?;
        io::Seek::rewind(&mut file)?;
        Ok((file, self.command()))
    }
}

fn in_image(library: &Path) -> String {
    format!("/lib/{}", library.file_name().unwrap_or_default().to_string_lossy())
}

fn append(archive: &mut tar::Builder<File>, from: &Path, name: &str) -> io::Result<()> {
    let file = File::open(from)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(file.metadata()?.len());
    header.set_mode(0o755);
    let size = header.size()?;
    archive.append_data(&mut header, name, file.take(size))
}

/// The shared libraries that a process runs with, its loader first, from its memory map (proc(5), "/proc/pid/maps").
fn libraries(maps: &str) -> Vec<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let found: BTreeSet<&str> = paths.filter(|path| is_library(path)).collect();
    let (loader, others): (Vec<&str>, Vec<&str>) = found.into_iter().partition(|path| {
        path.rsplit('/').next().is_some_and(|name| name.starts_with("ld-") || name.starts_with("ld."))
    });
    if loader.is_empty() { Vec::new() } else { loader.into_iter().chain(others).map(PathBuf::from).collect() }
}

fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.contains(".so.") || Path::new(name).extension().is_some_and(|ending| ending == "so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_tells_its_libraries_and_its_loader() {
        let maps = "55d0-55d1 r-xp 00000000 08:01 10 /usr/bin/devcluster\n\
                    7f00-7f01 r--p 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    7f01-7f02 r-xp 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    7f02-7f03 r-xp 00000000 08:01 12 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n\
                    7ffd-7ffe rw-p 00000000 00:00 0 [stack]\n";
        let directory = Path::new("/usr/lib/x86_64-linux-gnu");
        assert_eq!(libraries(maps), [directory.join("ld-linux-x86-64.so.2"), directory.join("libc.so.6")]);
        assert!(libraries("55d0-55d1 r-xp 00000000 08:01 10 /usr/bin/devcluster\n").is_empty());
    }
}
