//! Recognises what migrates databases, by the words that its names and commands have. A proposal, never more.

use serde_json::Value;

/// Programs that migrate, besides all that has a word beginning with `migrat` (Rails, Django, Prisma, Knex, Laravel, sqlx).
const TOOLS: [&str; 7] = ["alembic", "dbmate", "flyway", "goose", "liquibase", "sqitch", "yoyo"];

/// What of an object migrates, as `migrations:` names it: `NAMESPACE/JOB`, or `NAMESPACE/WORKLOAD/CONTAINER` for init containers.
pub fn recognised(object: &Value, namespace: &str) -> Vec<String> {
    let Some(name) = object["metadata"]["name"].as_str() else { return Vec::new() };
    let place = format!("{}/{name}", object["metadata"]["namespace"].as_str().unwrap_or(namespace));
    let spec = &object["spec"]["template"]["spec"];
    let migrating = |list: &str| {
        let containers = spec[list].as_array().map(Vec::as_slice).unwrap_or_default().iter();
        containers.filter(|container| migrates(container)).collect::<Vec<_>>()
    };
    if object["kind"] == "Job" {
        let is =
            says_so(name) || !migrating("containers").is_empty() || !migrating("initContainers").is_empty();
        return if is { vec![place] } else { Vec::new() };
    }
    let named = migrating("initContainers").into_iter().filter_map(|container| container["name"].as_str());
    named.map(|container| format!("{place}/{container}")).collect()
}

fn migrates(container: &Value) -> bool {
    let lists = ["command", "args"].into_iter().filter_map(|list| container[list].as_array()).flatten();
    let image = container["image"].as_str().map(|image| image.rsplit('/').next().unwrap_or(image));
    lists.filter_map(Value::as_str).chain(container["name"].as_str()).chain(image).any(says_so)
}

fn says_so(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase);
    words.any(|word| word.starts_with("migrat") || TOOLS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str, list: &str, container: &Value) -> Value {
        json!({"kind": kind, "metadata": {"name": name}, "spec": {"template": {"spec": {list: [container]}}}})
    }

    #[test]
    fn jobs_and_init_containers_are_known_by_their_words() {
        let rails = json!({"name": "prepare", "image": "shop/web:1", "command": ["bin/rails", "db:migrate"]});
        let flyway = json!({"name": "schema", "image": "registry.example.com/flyway/flyway:11"});
        let other = json!({"name": "import", "image": "shop/mongoose-import:1", "args": ["--immigration"]});
        assert_eq!(recognised(&object("Job", "schema", "containers", &rails), "shop"), ["shop/schema"]);
        assert_eq!(
            recognised(&object("Job", "db-migrations", "containers", &other), "shop"),
            ["shop/db-migrations"]
        );
        assert_eq!(
            recognised(&object("Deployment", "web", "initContainers", &flyway), "shop"),
            ["shop/web/schema"]
        );
        assert!(recognised(&object("Deployment", "web", "containers", &rails), "shop").is_empty());
        assert!(recognised(&object("Job", "import", "containers", &other), "shop").is_empty());
    }
}
