//! A disk that is full: loads and restores fail with the reason, and what was there stays.

use std::path::{Path, PathBuf};
use std::process::Command;

use devcluster::data::postgres::{DumpOptions, LoadOptions};

use super::postgres_load::seeded;
use super::postgres_schemas::RENTALS;
use super::postgres_server::{Database, outside};
use super::postgres_snapshot::Kept;

/// A small file system of the server's own, as a tablespace.
struct Small {
    directory: PathBuf,
}

impl Small {
    fn new(mebibytes: u32) -> Self {
        let directory = tempfile::Builder::new().prefix("devcluster-small-").tempdir().unwrap().keep();
        let options = format!("size={mebibytes}m,mode=0777");
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &directory);
        std::fs::create_dir(directory.join("space")).unwrap();
        run("chown", &["nobody:nogroup"], &directory.join("space"));
        run("chmod", &["0700"], &directory.join("space"));
        outside(&format!("CREATE TABLESPACE small LOCATION '{}'", directory.join("space").display()));
        Self { directory }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The server still has it open where a test failed.
        let _ = Command::new("umount").arg("-l").arg(&self.directory).status();
        let _ = std::fs::remove_dir(&self.directory);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    assert!(Command::new(program).args(arguments).arg(path).status().unwrap().success(), "{program}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_what_was_there() {
    let (small, kept) = (Small::new(48), Kept::new());
    let large = Database::new(RENTALS);
    let source = large.server().await;
    seeded(&source, 20_000, &LoadOptions::default()).await.unwrap();
    let manifest = kept.dump(&source, "large", &DumpOptions::whole("shop")).await.unwrap();

    let database = Database::with("TABLESPACE small", RENTALS);
    let server = database.server().await;
    seeded(&server, 10, &LoadOptions::default()).await.unwrap();
    let before = database.digest();
    // PostgreSQL says `disk_full` in more than one sentence.
    let refused = seeded(&server, 20_000, &LoadOptions::default()).await.unwrap_err().to_string();
    assert!(refused.contains("ERROR 53100"), "{refused}");
    assert_eq!(database.digest(), before);
    let refused = kept.restore(&server, &manifest).await.unwrap_err().to_string();
    assert!(refused.contains("ERROR 53100"), "{refused}");
    assert_eq!(database.digest(), before);
    assert_eq!(database.leftovers(), "", "nothing of it takes room any more");
    seeded(&server, 20, &LoadOptions::default()).await.unwrap();
    drop(server);
    outside(&format!("DROP DATABASE {}", database.name));
    outside("DROP TABLESPACE small");
    drop(small);
}
