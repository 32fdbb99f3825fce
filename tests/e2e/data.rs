//! Data in a real cluster: it stands before what uses it starts, is snapshotted, put back, reset and masked.

use crate::forward::Forward;
use crate::harness::Project;

const PASSWORD: &str = "p w'\"$x\\";

impl Project {
    fn sql(&self, statement: &str) -> String {
        let output = self
            .kubectl(&["exec", "-n", "data", "orders-0", "--", "psql", "-U", "orders", "-Atqc", statement]);
        output.trim().to_owned()
    }

    /// Runs a Redis command.
    fn redis(&self, words: &[&str]) -> String {
        let client =
            ["exec", "-n", "data", "cache-0", "--", "redis-cli", "-a", "for the cache", "--no-auth-warning"];
        self.kubectl(&[&client, words].concat()).trim().to_owned()
    }

    /// What the reader found first of all.
    fn first_seen(&self) -> String {
        let logs = self.kubectl(&["logs", "-n", "data", "deployment/reader"]);
        logs.lines().next().unwrap_or_default().to_owned()
    }
}

#[test]
fn data_stands_before_what_uses_it_and_is_put_back() {
    let project =
        Project::copy_of(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-data"));
    let (plan, _) = project.succeed(&["plan"]);
    assert!(plan.contains("seed snapshots/demo/seed.yaml, unless it holds data"), "{plan}");
    project.succeed(&["up"]);
    assert_eq!(project.first_seen(), "10000", "the reader starts when its rows are there");
    let found = project.sql("SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM prepared)");
    assert_eq!(found, "100|10", "a hook and an init container have migrated before the seed");
    let jobs = project.kubectl(&["get", "jobs", "-n", "data", "-o", "name"]);
    assert!(!jobs.contains("prepare"), "what ran the init container ahead is gone: {jobs}");
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
    put_back(&project);
    moved_about(&project);
    by_workers(&project);
    masked(&project);
    cached(&project);
    outlives_the_cluster(&project);
}

/// A snapshot, what was changed since undone by a reset and by a load, and both times the very same data.
fn put_back(project: &Project) {
    project.succeed(&["snapshot", "create", "first"]);
    project.succeed(&["snapshot", "verify", "first"]);
    project.sql("DELETE FROM orders WHERE id < 5000; INSERT INTO customers (email, name, created_at) VALUES ('a@b', 'A', now())");
    assert_eq!(project.sql("SELECT count(*) FROM orders"), "5001");
    let (_, said) = project.succeed(&["snapshot", "reset"]);
    assert!(said.contains("data/reader; --restart starts their Pods anew"), "{said}");
    assert_eq!(project.sql("SELECT count(*) FROM orders"), "10000");
    let reader = ["get", "pods", "-n", "data", "-l", "app=reader", "-o", "name"];
    let before = project.kubectl(&reader);
    project.succeed(&["snapshot", "reset", "--restart"]);
    assert_ne!(project.kubectl(&reader), before);
    project.succeed(&["snapshot", "create", "again"]);
    project.succeed(&["snapshot", "diff", "first", "again"]);
    project.sql("DROP TABLE orders");
    let (_, said) = project.succeed(&["snapshot", "load", "first"]);
    assert!(said.contains("public.orders: removed"), "that the schema was another is told: {said}");
    assert_eq!(project.sql("SELECT count(*), max(id) FROM orders"), "10000|10000");
    project.sql(
        "INSERT INTO orders (customer_id, status, total_cents) SELECT id, 'open', 1 FROM customers LIMIT 1",
    );
    assert_eq!(project.sql("SELECT max(id) FROM orders"), "10001", "sequences go on where they were");
    project.fail(&["snapshot", "create", "first"], 1);
    let (_, said) = project.fail(&["snapshot", "load", "frist"], 1);
    assert!(said.contains("did you mean `first`?"), "{said}");
}

fn moved_about(project: &Project) {
    project.succeed(&["snapshot", "export", "first", "first.tar.gz"]);
    project.succeed(&["snapshot", "push", "first", "elsewhere"]);
    project.succeed(&["snapshot", "rm", "first"]);
    project.succeed(&["snapshot", "import", "first.tar.gz"]);
    project.succeed(&["snapshot", "pull", "first", "elsewhere", "--rename", "pulled"]);
    project.succeed(&["snapshot", "diff", "first", "pulled"]);
    // Damage is found before anything is touched.
    let archive = project.directory().join("first.tar.gz");
    let mut bytes = std::fs::read(&archive).expect("the archive");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).expect("written");
    project.fail(&["snapshot", "import", "first.tar.gz", "--rename", "damaged"], 1);
    let (listed, _) = project.succeed(&["snapshot", "list"]);
    assert!(!listed.contains("damaged"), "{listed}");
    // A plan of the live schema runs as it is.
    project.succeed(&["seed", "plan", "planned", "--rows", "50"]);
    project.succeed(&["seed", "load", "planned"]);
    assert_eq!(project.sql("SELECT count(*) FROM customers"), "50");
    // One that is like what is there, of which no value is in the profile.
    let email = project.sql("SELECT email FROM customers ORDER BY id LIMIT 1");
    project.succeed(&["seed", "learn", "alike"]);
    let profile =
        std::fs::read_to_string(project.directory().join("snapshots/alike/profile.yaml")).expect("a profile");
    assert!(profile.contains("customers") && !profile.contains(&email), "{profile}");
    project.succeed(&["seed", "plan", "alike", "--like", "alike"]);
    project.succeed(&["seed", "load", "alike"]);
    let (_, said) = project.fail(&["seed", "load", "nowhere"], 2);
    assert!(said.contains("seed plan nowhere"), "{said}");
    project.succeed(&["seed", "load", "demo"]);
}

/// However many workers load it, the data is the same as one process loads.
fn by_workers(project: &Project) {
    let seed = project.directory().join("snapshots/demo/seed.yaml");
    let text = std::fs::read_to_string(&seed).expect("a seed").replace("rows: 2000", "rows: 30000");
    let many = project.directory().join("snapshots/many");
    std::fs::create_dir_all(&many).expect("made");
    std::fs::write(many.join("seed.yaml"), text).expect("written");
    project.sql("CREATE TABLE untouched (id integer PRIMARY KEY); INSERT INTO untouched VALUES (7)");
    project.succeed(&["seed", "load", "many"]);
    project.succeed(&["snapshot", "create", "by-none"]);
    for workers in ["1", "2", "7"] {
        let name = format!("by-{workers}");
        project.sql("TRUNCATE customers, orders");
        project.succeed(&["seed", "load", "many", "--workers", workers]);
        assert_eq!(project.sql("SELECT count(*) FROM orders"), "150000");
        assert_eq!(project.sql("SELECT id FROM untouched"), "7", "tables that the seed does not have stay");
        project.succeed(&["snapshot", "create", &name]);
        project.succeed(&["snapshot", "diff", "by-none", &name]);
    }
    let left = project.kubectl(&["get", "jobs,secrets,pods", "-n", "devcluster-system", "-o", "name"]);
    assert!(!left.contains("seed-"), "{left}");
    project.sql("DROP TABLE untouched");
    project.succeed(&["seed", "load", "demo"]);
}

/// Data from elsewhere counts as personal until a policy says what becomes of each column.
fn masked(project: &Project) {
    let forward = Forward::start(project, "data", "orders-0", 5432);
    let address = format!("postgres://orders@127.0.0.1:{}/orders", forward.port);
    let take = |name: &str| {
        let mut command = project.command(&["snapshot", "create", name, "--from", &address]);
        command.env("PGPASSWORD", PASSWORD).output().expect("devcluster runs")
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let refused = take("masked");
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("counts as personal") && said.contains("masking.yaml"), "{said}");
    let policy = "tables:\n  public.customers:\n    id: keep\n    email: {mask: email}\n    name: {mask: name}\n    created_at: keep\n";
    let path = project.directory().join("snapshots/masking.yaml");
    std::fs::write(&path, policy).expect("written");
    let refused = take("masked");
    let said = text(&refused.stderr);
    assert!(said.contains("public.orders.status"), "what is left open is listed: {said}");
    let rest = "  public.orders: {id: keep, customer_id: keep, status: keep, total_cents: keep}\n  public.audit: {id: keep, at: keep}\n  public.prepared: {id: keep}\n";
    std::fs::write(&path, format!("{policy}{rest}")).expect("written");
    let taken = take("masked");
    assert!(taken.status.success(), "{}{}", text(&taken.stdout), text(&taken.stderr));
    drop(forward);
    let email = project.sql("SELECT email FROM customers ORDER BY id LIMIT 1");
    project.succeed(&["snapshot", "load", "masked"]);
    assert_eq!(project.sql(&format!("SELECT count(*) FROM customers WHERE email = '{email}'")), "0");
    assert_eq!(project.sql("SELECT count(DISTINCT email) FROM customers WHERE email LIKE '%@%'"), "2000");
    assert_eq!(
        project.sql("SELECT count(*) FROM orders JOIN customers ON customers.id = customer_id"),
        "10000"
    );
    let secret = project.succeed(&["snapshot", "inspect", "masked", "-o", "json"]).0;
    assert!(!secret.contains(PASSWORD) && secret.contains("maskingRules"), "{secret}");
    project.succeed(&["snapshot", "load", "first"]);
}

/// Redis, through its own fork.
fn cached(project: &Project) {
    project.redis(&["SET", "greeting", "hello"]);
    project.redis(&["RPUSH", "queue", "1", "2", "3"]);
    let store = ["--store", "data/cache"];
    project.succeed(&[&["snapshot", "create", "cache"], &store[..]].concat());
    project.redis(&["FLUSHALL"]);
    project.redis(&["SET", "other", "1"]);
    project.succeed(&[&["snapshot", "load", "cache"], &store[..]].concat());
    assert_eq!(project.redis(&["GET", "greeting"]), "hello");
    assert_eq!(project.redis(&["LRANGE", "queue", "0", "-1"]), "1\n2\n3");
    assert_eq!(project.redis(&["EXISTS", "other"]), "0");
    project.succeed(&[&["snapshot", "create", "cache-again"], &store[..]].concat());
    project.succeed(&["snapshot", "diff", "cache", "cache-again"]);
}

/// What was changed stays, and is not loaded again.
fn outlives_the_cluster(project: &Project) {
    project.sql("DELETE FROM orders WHERE id <= 9000");
    project.succeed(&["down", "--yes"]);
    let (_, said) = project.succeed(&["up"]);
    assert!(!said.contains("holds data already"), "{said}");
    assert_eq!(project.sql("SELECT count(*) FROM orders"), "1000");
}
