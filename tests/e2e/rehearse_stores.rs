//! A release rehearsed where the stores are MariaDB and MongoDB: a column that goes is told, documents are in the copy, and commands
//! that are sharded or run kubectl are run there.

use std::path::Path;

use serde_json::Value;

use crate::harness::Project;
use crate::stores::users;

const WEB: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: stores}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: mariadb:10.11
          command: [sleep, infinity]
          resources: {requests: {cpu: "1", memory: 8Gi}}
          env:
            - name: MYSQL_PWD
              valueFrom: {secretKeyRef: {name: passwords, key: legacy}}
          readinessProbe:
            exec: {command: [mariadb, --host=legacy, --user=root, shop, --execute=SELECT name FROM customers LIMIT 1]}
            periodSeconds: 1
            timeoutSeconds: 5
"#;
/// The real store's name is put together where it is asked for: nothing makes it the copy's.
const COMMANDS: &str = r#"
ci:
  - name: documents
    run: |
      kubectl --namespace=stores exec documents-0 -- sh -c '
        if command -v mongosh >/dev/null; then
          mongosh --quiet -u root -p "$MONGO_INITDB_ROOT_PASSWORD" shop --eval "db.users.findOne({_id: 299}).name"
        else
          cat /data/db/*
        fi' | grep -a 'user 299' >/dev/null
  - name: spread
    run:
      - bash
      - -c
      - |
        exec 3<>"/dev/tcp/$DEVCLUSTER_SERVICE_STORES_LEGACY_HOST/$DEVCLUSTER_SERVICE_STORES_LEGACY_PORT" || exit 1
        real=stores
        ! timeout 2 bash -c "exec 3<>/dev/tcp/legacy.$real.svc.cluster.local/3306"
    shards: 2
    image: mariadb:10.11
  - {name: beyond, run: 'kubectl get pods --all-namespaces'}
  - {name: hidden, run: 'tool=kubectl; real=stores; $tool get pods --namespace $real'}
"#;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn stores_of_other_kinds_are_copied_and_commands_reach_only_the_copy() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-stores");
    let project = Project::copy_of(&fixture);
    let directory = project.directory();
    std::fs::write(directory.join("deploy/web.yaml"), WEB).expect("written");
    project.succeed(&["up"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_forward, users) = runtime.block_on(users(&project));

    let configuration = directory.join("devcluster.yaml");
    let before = std::fs::read_to_string(&configuration).expect("readable");
    std::fs::write(configuration, before + COMMANDS).expect("written");
    project.edit("deploy/web.yaml", "SELECT name", "SELECT email");
    project.edit(
        "deploy/system.yaml",
        "    CREATE TABLE IF NOT EXISTS orders (",
        "    ALTER TABLE customers DROP COLUMN IF EXISTS name;\n    CREATE TABLE IF NOT EXISTS orders (",
    );
    let output = project.run(&["release", "rehearse", "--timeout", "40s", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let cells = report["cells"].as_array().expect("cells").iter();
    let cells: Vec<String> = cells
        .map(|cell| format!("{}/{} {}", text(&cell["code"]), text(&cell["schema"]), text(&cell["verdict"])))
        .collect();
    // The last command says what it asks for only when it runs, and then it is the API server that refuses.
    assert_eq!(cells, ["old/old failed", "old/new failed", "new/old failed", "new/new failed"]);
    let why = text(&report["cells"][1]["why"]);
    assert!(why.contains("web") && why.contains("Unknown column 'name'"), "{why}");
    let checks = |cell: usize| {
        let checks = report["cells"][cell]["checks"].as_array().expect("checks").iter();
        checks
            .map(|check| format!("{} {}", text(&check["name"]), text(&check["verdict"])))
            .collect::<Vec<_>>()
    };
    for cell in [0, 2, 3] {
        let expected = ["documents passed", "spread passed", "beyond skipped", "hidden failed"];
        assert_eq!(checks(cell), expected, "{}", report["cells"][cell]);
    }
    let refused = report["cells"][3]["checks"][3]["tail"].to_string();
    assert!(refused.contains("is forbidden"), "{refused}");
    assert_eq!(report["cells"][3]["checks"][0]["changed"][0], "-n stores");
    assert_eq!(report["network"]["enforced"], "always");
    assert_eq!(report["stores"], serde_json::json!(["stores/documents", "stores/legacy"]));

    assert_eq!(
        project.mysql("SELECT count(name) FROM customers"),
        project.mysql("SELECT count(*) FROM customers")
    );
    let count = runtime.block_on(users.count_documents(mongodb::bson::doc! {}).into_future());
    assert_eq!(count.expect("counted"), 300);
    project.nothing_is_left();

    // What a killed one leaves goes with the next `up`, too.
    let mut killed = project.command(&["release", "rehearse"]);
    let killed = killed.env("DEVCLUSTER_FAULT_POINT", "rehearsed").output().expect("it runs");
    assert!(!killed.status.success());
    assert!(project.kubectl(&["get", "namespaces", "-o", "name"]).contains("devcluster-rehearse-stores"));
    project.succeed(&["up"]);
    project.nothing_is_left();
}
