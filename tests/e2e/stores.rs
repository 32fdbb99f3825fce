//! MySQL and MongoDB in a real cluster: seeded, snapshotted, put back, reset, and masked where they are elsewhere.

use std::path::Path;

use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, Credential, ServerAddress};
use mongodb::{Client, Collection};

use crate::forward::Forward;
use crate::harness::Project;

const LEGACY: [&str; 2] = ["--store", "stores/legacy"];
const DOCUMENTS: [&str; 2] = ["--store", "stores/documents"];

impl Project {
    pub fn mysql(&self, statement: &str) -> String {
        let client = "MYSQL_PWD=\"$MARIADB_ROOT_PASSWORD\" exec mariadb --batch --skip-column-names shop";
        let all = [
            "exec",
            "-n",
            "stores",
            "legacy-0",
            "--",
            "sh",
            "-c",
            &format!("{client} --execute=\"$0\""),
            statement,
        ];
        self.kubectl(&all).trim().to_owned()
    }

    fn of(&self, verb: &[&str], store: &[&str; 2]) -> (String, String) {
        self.succeed(&[verb, &store[..]].concat())
    }
}

#[test]
fn mysql_and_mongodb_are_worked_with_as_postgresql_is() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-stores");
    let project = Project::copy_of(&directory);
    project.succeed(&["up"]);
    assert_eq!(
        project.mysql("SELECT count(*) FROM orders"),
        "2000",
        "`up` has loaded the seed after the migration"
    );
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
    relational(&project);
    masked(&project);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(documents(&project));
}

fn relational(project: &Project) {
    project.of(&["snapshot", "create", "first"], &LEGACY);
    project.mysql("DELETE FROM orders WHERE id < 1000");
    project.of(&["snapshot", "reset"], &LEGACY);
    assert_eq!(project.mysql("SELECT count(*) FROM orders"), "2000");
    project.of(&["snapshot", "create", "again"], &LEGACY);
    project.succeed(&["snapshot", "diff", "first", "again"]);
    project.mysql("DROP TABLE orders");
    project.of(&["snapshot", "load", "first"], &LEGACY);
    assert_eq!(
        project.mysql("SELECT count(*) FROM orders JOIN customers ON customers.id = customer_id"),
        "2000"
    );
    project.mysql("INSERT INTO orders (customer_id, state, total, paid, created_at) SELECT id, 'open', 1, 0, now() FROM customers LIMIT 1");
    assert_eq!(project.mysql("SELECT max(id) FROM orders"), "2001", "what counts up goes on where it was");
    project.of(&["seed", "plan", "planned", "--rows", "50"], &LEGACY);
    project.of(&["seed", "load", "planned"], &LEGACY);
    assert_eq!(project.mysql("SELECT count(*) FROM customers"), "50");
    // A part that is whole in itself: no order is without its customer.
    project.of(&["snapshot", "create", "part", "--percent", "50"], &LEGACY);
    project.of(&["snapshot", "load", "part"], &LEGACY);
    let customers: u32 = project.mysql("SELECT count(*) FROM customers").parse().expect("a number");
    assert!((5..45).contains(&customers), "{customers}");
    let orphans = "SELECT count(*) FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)";
    assert_eq!(project.mysql(orphans), "0");
    project.of(&["seed", "load", "planned"], &LEGACY);
}

/// The cluster by a context of kubeconfig, as another one would be named: what comes from it is personal.
fn masked(project: &Project) {
    let kubeconfig = project.state().join("kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).expect("a kubeconfig");
    let context =
        text.lines().find_map(|line| line.strip_prefix("current-context: ")).expect("a context").to_owned();
    let take = || {
        let mut command = project.command(&["snapshot", "create", "masked", "--from", &context]);
        command.args(LEGACY).env("KUBECONFIG", &kubeconfig).output().expect("devcluster runs")
    };
    let refused = take();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("counts as personal"), "{said}");
    let policy = "tables:\n  shop.customers: {id: keep, email: {mask: email}, name: {mask: name}}\n  \
                  shop.orders: {id: keep, customer_id: keep, state: keep, total: keep, paid: keep, created_at: keep}\n";
    std::fs::write(project.directory().join("snapshots/masking.yaml"), policy).expect("written");
    let taken = take();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let email = project.mysql("SELECT email FROM customers ORDER BY id LIMIT 1");
    project.of(&["snapshot", "load", "masked"], &LEGACY);
    assert_eq!(project.mysql(&format!("SELECT count(*) FROM customers WHERE email = '{email}'")), "0");
    assert_eq!(project.mysql("SELECT count(DISTINCT email) FROM customers WHERE email LIKE '%@%'"), "50");
}

/// Three hundred users in a collection in the MongoDB of the project's cluster, while the forward lives.
pub async fn users(project: &Project) -> (Forward, Collection<Document>) {
    let forward = Forward::start(project, "stores", "documents-0", 27017);
    let port = forward.port.parse().expect("a port");
    let credential =
        Credential::builder().username("root".to_owned()).password("q w'\"$y\\".to_owned()).build();
    let options = ClientOptions::builder()
        .hosts(vec![ServerAddress::Tcp { host: "127.0.0.1".into(), port: Some(port) }])
        .credential(credential)
        .direct_connection(true)
        .build();
    let client = Client::with_options(options).expect("a client");
    let users = client.database("shop").collection::<Document>("users");
    let made = |number: i32| doc! {"_id": number, "name": format!("user {number}"), "address": {"city": "Here", "zip": number % 7}};
    users.insert_many((0..300).map(made)).await.expect("inserted");
    (forward, users)
}

async fn documents(project: &Project) {
    let (_forward, users) = users(project).await;
    project.of(&["snapshot", "create", "documents"], &DOCUMENTS);
    users.delete_many(doc! {"_id": {"$lt": 100}}).await.expect("deleted");
    project.of(&["snapshot", "load", "documents"], &DOCUMENTS);
    assert_eq!(users.count_documents(doc! {}).await.expect("counted"), 300);
    project.of(&["snapshot", "create", "documents-again"], &DOCUMENTS);
    project.succeed(&["snapshot", "diff", "documents", "documents-again"]);
    users.delete_many(doc! {}).await.expect("deleted");
    project.of(&["snapshot", "reset"], &DOCUMENTS);
    assert_eq!(users.count_documents(doc! {"address.city": "Here"}).await.expect("counted"), 300);
    project.of(&["seed", "plan", "users", "--rows", "40"], &DOCUMENTS);
    users.drop().await.expect("dropped");
    project.of(&["seed", "load", "users"], &DOCUMENTS);
    assert_eq!(users.count_documents(doc! {"address.zip": {"$gte": 0}}).await.expect("counted"), 40);
}
