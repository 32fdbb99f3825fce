//! What an entry of `migrations:` runs, and what becomes of it: the whole of an entry in one verdict.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::mount::{self, list};
use super::program::{base, is_tool};
use super::script::{Dialect, Script, judge};
use super::sections;
use super::shell::{self, Ran};
use super::split::code;
use super::undo::undo;
use super::verdict::{Judged, Verdict, worst};
use crate::manifest::Object;

/// How many reasons are given.
const REASONS: usize = 5;

/// A file that the configuration names under `statements:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path from the configuration's directory.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What is asked about.
pub struct Asked<'a> {
    /// The entry's name.
    pub name: &'a str,
    /// The Jobs and Pods that it runs.
    pub runs: Vec<&'a Object>,
    /// Where ConfigMaps are found.
    pub objects: Vec<&'a Object>,
    /// What `statements:` names, in the order of the files' names; none where it is not given.
    pub files: Option<Vec<File>>,
    /// Whose SQL it is where the container does not tell.
    pub dialect: Dialect,
}

/// The statements of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// In the order in which they run.
    pub scripts: Vec<Script>,
    /// Why these are not all; none where they are.
    pub unread: Option<String>,
    /// Whether each runs but once, as tools that migrate do: what has run does not run again.
    pub once: bool,
}

/// One script of an entry, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The script's name.
    pub script: String,
    /// SHA-256 of what of it is no comment, hex.
    pub digest: String,
    /// Its statements.
    pub judged: Vec<Judged>,
}

/// What is said of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// The worst of its statements.
    pub verdict: Verdict,
    /// Its scripts.
    pub scripts: Vec<Entry>,
    /// Why not all of its statements are known; none where they are.
    pub unread: Option<String>,
    /// Whether each script runs but once.
    pub once: bool,
}

/// The statements that an entry runs.
pub fn found(asked: &Asked<'_>) -> Found {
    if let Some(files) = &asked.files {
        let dialect =
            asked.runs.iter().find_map(|object| told_dialect(&object.value)).unwrap_or(asked.dialect);
        let scripts = files.iter().filter(|file| !sections::is_down(&file.name)).map(|file| Script {
            name: file.name.clone(),
            text: sections::up(&file.text).into_owned(),
            dialect,
            stops: true,
        });
        return Found { scripts: scripts.collect(), unread: None, once: true };
    }
    let mut found = Found { once: true, ..Found::default() };
    for object in &asked.runs {
        let Some(spec) = pod_spec(object) else { continue };
        for container in list(&spec["initContainers"]).iter().chain(list(&spec["containers"])) {
            if let Err(why) = container_runs(object, spec, container, asked, &mut found) {
                let name = container["name"].as_str().unwrap_or_default();
                found.unread.get_or_insert(format!("container {name}: {why}"));
            }
        }
    }
    if found.scripts.is_empty() && found.unread.is_none() {
        found.unread = Some("it runs no statement that is known here".into());
    }
    found
}

fn pod_spec(object: &Object) -> Option<&Value> {
    if object.kind() == "Pod" { object.value.get("spec") } else { object.pod_template()?.get("spec") }
}

/// Whose SQL a container's own words say it is.
fn told_dialect(value: &Value) -> Option<Dialect> {
    let text = value.to_string().to_ascii_lowercase();
    let mysql = text.contains("mysql") || text.contains("mariadb");
    let postgres = text.contains("postgres") || text.contains("psql") || text.contains("pghost");
    match (mysql, postgres) {
        (true, false) => Some(Dialect::MySql),
        (false, true) => Some(Dialect::Postgres),
        _ => None,
    }
}

fn container_runs(
    object: &Object,
    spec: &Value,
    container: &Value,
    asked: &Asked<'_>,
    found: &mut Found,
) -> Result<(), String> {
    let config_map = |name: &str| {
        let mut all = asked.objects.iter();
        let is = |one: &&&Object| {
            one.kind() == "ConfigMap" && one.name() == name && one.namespace() == object.namespace()
        };
        all.find(is).map(|object| &object.value)
    };
    let files = mount::files(spec, container, &config_map);
    let texts = |key: &str| {
        list(&container[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let (command, arguments) = (texts("command"), texts("args"));
    let image = container["image"].as_str().unwrap_or_default();
    let image = base(image.split('@').next().unwrap_or(image)).split(':').next().unwrap_or_default();
    let words: Vec<String> = if command.is_empty() {
        if !is_tool(image, &arguments) {
            return Err(format!("what image {image} runs by itself is not in the manifests"));
        }
        std::iter::once(image.to_owned()).chain(arguments).collect()
    } else {
        command.into_iter().chain(arguments).collect()
    };
    let directory = container["workingDir"].as_str().unwrap_or("/");
    for ran in shell::command(&words, &files, directory)? {
        match ran {
            Ran::Client(client, given) => {
                found.once = false;
                let script = |name: String, text: String| {
                    let stops = client.stops || name == shell::COMMAND;
                    Script { name, text, dialect: client.dialect, stops }
                };
                found.scripts.extend(given.into_iter().map(|(name, text)| script(name, text)));
            }
            Ran::Tool(tool) => {
                let dialect = told_dialect(container).unwrap_or(asked.dialect);
                let own = files.iter().filter(|(path, _)| {
                    path.to_ascii_lowercase().ends_with(".sql") && !sections::is_down(path)
                });
                let before = found.scripts.len();
                found.scripts.extend(own.map(|(path, text)| Script {
                    name: path.clone(),
                    text: sections::up(text).into_owned(),
                    dialect,
                    stops: true,
                }));
                if found.scripts.len() == before {
                    return Err(format!(
                        "the files that {tool} runs are in no ConfigMap; name them: `statements: [PATH]`"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// The verdict on an entry. Scripts of the digests in `ran` have run already and run no more.
pub fn entry(asked: &Asked<'_>, ran: &dyn Fn(&str) -> bool) -> Told {
    let found = found(asked);
    let judged = judge(&found.scripts);
    let scripts = found.scripts.iter().zip(judged).map(|(script, judged)| Entry {
        script: script.name.clone(),
        digest: digest(script),
        judged,
    });
    let scripts: Vec<Entry> = scripts.filter(|script| !(found.once && ran(&script.digest))).collect();
    let worst = scripts.iter().map(|script| worst(&script.judged)).max().unwrap_or(Verdict::Additive);
    let verdict = if found.unread.is_some() { worst.max(Verdict::Unknown) } else { worst };
    Told { name: asked.name.to_owned(), verdict, scripts, unread: found.unread, once: found.once }
}

fn digest(script: &Script) -> String {
    let text = code(&script.text, script.dialect);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    hex(&Sha256::digest(lines.join("\n").as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Told {
    /// One hash over its statements; none where not all are known.
    pub fn digest(&self) -> Option<String> {
        if self.unread.is_some() {
            return None;
        }
        let all: Vec<&str> = self.scripts.iter().map(|script| script.digest.as_str()).collect();
        Some(hex(&Sha256::digest(all.join("\n").as_bytes())))
    }

    /// Why it is what it is, the first few: `001.sql:3: DROP TABLE t: its rows are lost`.
    pub fn reasons(&self) -> Vec<String> {
        let mut all: Vec<String> = self.unread.iter().cloned().collect();
        let wanted = self.verdict;
        let own = |one: &&Judged| {
            if wanted.may_lose() { one.judgement.verdict.may_lose() } else { one.judgement.verdict == wanted }
        };
        for script in &self.scripts {
            for one in script.judged.iter().filter(own).filter(|_| wanted != Verdict::Additive) {
                let judgement = &one.judgement;
                let why = match (judgement.why.as_str(), &judgement.breaks, &judgement.undo) {
                    ("", Some(breaks), _) => format!("the old code: {breaks}"),
                    ("", None, Some(_)) => "can be undone".to_owned(),
                    ("", None, None) => "what undoes it is not simple".to_owned(),
                    (why, ..) => why.to_owned(),
                };
                all.push(format!("{}:{}: {}: {why}", script.script, one.line, judgement.what));
            }
        }
        let more = all.len().saturating_sub(REASONS);
        all.truncate(REASONS);
        if more > 0 {
            all.push(format!("and {more} more"));
        }
        all
    }

    /// The statements that undo what the old code would meet, the last first; none where one is not known.
    pub fn undo(&self) -> Option<Vec<String>> {
        undo(self.scripts.iter().flat_map(|script| &script.judged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
    }

    fn job(container: &Value) -> Object {
        object(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [container],
                "volumes": [{"name": "sql", "configMap": {"name": "sql"}}]}}}}),
        )
    }

    fn told(container: &Value, data: &Value, ran: &[&str]) -> Told {
        let (job, map) = (
            job(container),
            object(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sql", "namespace": "shop"}, "data": data}),
            ),
        );
        let asked = Asked {
            name: "shop/migrate",
            runs: vec![&job],
            objects: vec![&job, &map],
            files: None,
            dialect: Dialect::Postgres,
        };
        entry(&asked, &|digest| ran.contains(&digest))
    }

    const MOUNTS: &str = "/sql";

    #[test]
    fn an_entry_is_as_bad_as_its_worst_statement() {
        let container = json!({"name": "m", "image": "postgres:15", "command": ["psql", "-1", "-f", "/sql/a.sql"], "volumeMounts": [{"name": "sql", "mountPath": MOUNTS}]});
        let good = told(&container, &json!({"a.sql": "CREATE TABLE t (id int);"}), &[]);
        assert_eq!((good.verdict, good.reasons(), good.undo()), (Verdict::Additive, vec![], Some(vec![])));
        let bad = told(&container, &json!({"a.sql": "CREATE TABLE t (id int);\nDROP TABLE u;"}), &[]);
        assert_eq!(bad.verdict, Verdict::OneWay);
        assert_eq!(bad.reasons(), ["/sql/a.sql:2: DROP TABLE u: its rows are lost"]);
        let comment = told(&container, &json!({"a.sql": "-- new\n\n  CREATE TABLE t (id int);"}), &[]);
        assert_eq!(comment.digest(), good.digest(), "a comment is no statement");
    }

    #[test]
    fn what_is_no_sql_is_unknown() {
        let rails = told(
            &json!({"name": "m", "image": "shop/web", "command": ["bin/rails", "db:migrate"]}),
            &json!({}),
            &[],
        );
        assert_eq!(rails.verdict, Verdict::Unknown);
        assert_eq!(rails.reasons(), ["container m: what `rails` does is not in the manifests"]);
        let own = told(&json!({"name": "m", "image": "shop/web:1"}), &json!({}), &[]);
        assert_eq!(own.verdict, Verdict::Unknown);
        assert_eq!(own.digest(), None);
    }

    #[test]
    fn of_a_tools_files_those_that_have_run_count_no_more() {
        let container = json!({"name": "m", "image": "ghcr.io/amacneil/dbmate:2", "args": ["up"], "volumeMounts": [{"name": "sql", "mountPath": "/db/migrations"}]});
        let data = json!({"1.sql": "-- migrate:up\nDROP TABLE u;\n-- migrate:down\nDROP TABLE v;", "2.sql": "-- migrate:up\nCREATE TABLE t (id int);\n-- migrate:down\nDROP TABLE t;"});
        let all = told(&container, &data, &[]);
        assert_eq!((all.verdict, all.once, all.scripts.len()), (Verdict::OneWay, true, 2));
        let ran = all.scripts[0].digest.clone();
        assert_eq!(told(&container, &data, &[&ran]).verdict, Verdict::Additive);
        // psql runs all of it, each time.
        let container = json!({"name": "m", "image": "postgres:15", "command": ["sh", "-c", "cat /sql/*.sql | psql"], "volumeMounts": [{"name": "sql", "mountPath": MOUNTS}]});
        let psql = told(&container, &data, &[]);
        assert_eq!((psql.verdict, psql.once), (Verdict::OneWay, false));
    }
}
