//! Examples that `--help` ends with.

/// Of the program.
pub const START: &str = "\
Start with your own system:
  devcluster init        write a devcluster.yaml from what is found here
  devcluster validate    see what is wrong with it
  devcluster plan        see what `up` would do
  devcluster up          bring the system up
  devcluster dev         develop on it

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not ready, 4 differs, 5 a tool or the engine is missing,
6 commands of `ci:` failed, 130 interrupted.";

/// Of `init`.
pub const INIT: &str = "\
Examples:
  devcluster init
  devcluster init --ci github    the pipeline, too";

/// Of `dev`.
pub const DEV: &str = "\
Keys: r rebuilds all, s starts all anew, j runs the manifests' Jobs anew, o opens the browser, h shows these, q quits; the
cluster stays.

Examples:
  devcluster dev
  devcluster dev --explain services/web/main.py";

/// Of `logs`.
pub const LOGS: &str = "\
Examples:
  devcluster logs -F                        all that is written from now on, and before
  devcluster logs catalogue --since 5m      of the Pods whose names contain it";

/// Of `seed`.
pub const SEED: &str = "\
Examples:
  devcluster seed plan small --store shop/postgres    writes snapshots/small/seed.yaml
  devcluster seed load small --store shop/postgres";

/// Of `snapshot`.
pub const SNAPSHOT: &str = "\
Examples:
  devcluster snapshot create before-my-change
  devcluster snapshot reset                                    as it was loaded last
  devcluster snapshot create real --store shop/postgres --from postgres://me@db.example.com/shop
  devcluster snapshot push before-my-change s3://bucket/folder";

/// Of `release`.
pub const RELEASE: &str = "\
Examples:
  devcluster release list
  devcluster release diff 3      between then and now
  devcluster release revert 3";

/// Of `verify`.
pub const VERIFY: &str = "\
Examples:
  devcluster verify
  devcluster verify --live                                              and the running cluster
  devcluster verify --attestation attestation.json --key ci.pub.pem     and what was tested, and by whom";

/// Of `ci`.
pub const CI: &str = "\
Examples:
  devcluster ci
  devcluster ci --no-lock --fail-fast      while the commands are being written";

/// Of `handoff`.
pub const HANDOFF: &str = "\
Examples:
  devcluster handoff --to staging --push origin    the branch of an environment of devcluster.yaml
  devcluster handoff --to ./out                    a directory";

/// Of `promote`.
pub const PROMOTE: &str = "\
Examples:
  devcluster promote --to production --approve --attestation .devcluster/ci/attestation.json
  devcluster promote --from staging --to production
  devcluster promote --list";

/// Of `git`.
pub const GIT: &str = "\
Examples:
  git remote add local \"$(devcluster git serve)\" && git push local main
  devcluster git serve --remove";
