//! The example: an order placed through the ingress is in the database, also after the cluster was taken away and made
//! again, and the manifests stand as production wrote them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Project;

const OVERLAY: &str = "deploy/overlays/production";

#[test]
fn the_shop_takes_an_order_and_keeps_it() {
    let project = Project::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop"));
    project.succeed(&["up"]);
    let port = http_port(&project);
    let order =
        shop(port, &["-d", r#"{"customer":"ada@example.com","items":[{"sku":"moon-jar","quantity":1}]}"#]);
    let order = order["id"].as_str().expect("an order has an id").to_owned();
    confirmed(&project, &order);
    through_the_load_balancer(&project, &order);

    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
    project.succeed(&["diff"]);
    kubectl_diff_shows_at_most_the_expired_job(&project);
    parity_counts_are_zero(&project);
    metrics_reach_the_autoscaler(&project);
    project.succeed(&["up", "--test"]);

    project.succeed(&["down"]);
    project.succeed(&["up"]);
    confirmed(&project, &order);
    reset_to_what_the_migrations_left(&project);
}

/// What was loaded, with what the migrations made of it, and nothing of what was done since.
fn reset_to_what_the_migrations_left(project: &Project) {
    project.succeed(&["snapshot", "reset"]);
    let query = "select (select count(*) from orders), name from products where sku = 'moon-jar'";
    assert_eq!(sql(project, query), "2000|Moon Jar");
}

fn http_port(project: &Project) -> u64 {
    let status: Value = serde_json::from_str(&project.succeed(&["status", "-o", "json"]).0).expect("JSON");
    status["ports"]["http"].as_u64().expect("a port")
}

/// A request to the shop's orders under its host, as a browser on this machine sends it.
fn shop(port: u64, args: &[&str]) -> Value {
    let host = format!("shop.example.com:{port}:127.0.0.1");
    let url = format!("http://shop.example.com:{port}/orders");
    curl(&[&["--resolve", &host, "-H", "Content-Type: application/json", &url], args].concat())
}

fn curl(args: &[&str]) -> Value {
    let output = Command::new("curl")
        .args(["-sS", "--fail", "--max-time", "10"])
        .args(args)
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("curl {args:?}: {error}: {text}{said}"))
}

/// What the database answers.
fn sql(project: &Project, query: &str) -> String {
    let psql = ["-n", "shop", "exec", "postgres-0", "--", "psql", "-U", "shop", "-d", "shop", "-Atc", query];
    project.kubectl(&psql).trim().to_owned()
}

/// The worker has taken the order and the database has it.
fn confirmed(project: &Project, order: &str) {
    let query = format!("select status from orders where id = '{order}'");
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let status = sql(project, &query);
        if status == "confirmed" {
            return;
        }
        assert!(Instant::now() < deadline, "order {order} is {status:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn through_the_load_balancer(project: &Project, order: &str) {
    let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
    let address = project.kubectl(&["-n", "shop", "get", "service", "orders-api", "-o", path]);
    let orders = curl(&[&format!("http://{address}/orders")]);
    assert!(orders.to_string().contains(order), "{orders}");
}

/// kubectl knows of no Job that completed and was removed by its TTL; everything else must be the same.
fn kubectl_diff_shows_at_most_the_expired_job(project: &Project) {
    let output = project.kubectl_diff("-k", &project.directory().join(OVERLAY));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut differing = text.lines().filter(|line| line.starts_with("diff "));
    assert!(differing.all(|line| line.ends_with("batch.v1.Job.shop.migrate")), "{text}");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
}

fn parity_counts_are_zero(project: &Project) {
    let (report, _) = project.succeed(&["parity", "-o", "json", "--strict"]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let own = |image: &&Value| image["name"].as_str().is_some_and(|name| name.contains("/shop/"));
    let images: Vec<&Value> = report["images"].as_array().expect("images").iter().filter(own).collect();
    assert_eq!(images.len(), 4);
    assert!(images.iter().all(|image| image["bytes"]["from"] == "localBuild"), "{images:?}");
}

fn metrics_reach_the_autoscaler(project: &Project) {
    let path = "jsonpath={.items[0].status.currentMetrics[0].resource.current.averageUtilization}";
    let deadline = Instant::now() + Duration::from_mins(2);
    while project.kubectl(&["-n", "shop", "get", "hpa", "-o", path]).trim().parse::<u32>().is_err() {
        assert!(Instant::now() < deadline, "the autoscaler has no metrics");
        std::thread::sleep(Duration::from_secs(1));
    }
}
