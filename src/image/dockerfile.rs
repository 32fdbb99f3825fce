//! What of a Dockerfile decides on its result from outside of it: the images it builds upon. Nothing is run or checked
//! here; a Dockerfile that cannot be understood is BuildKit's to refuse.

use std::collections::{BTreeMap, BTreeSet};

/// The images that a Dockerfile takes bytes from (`FROM`, `COPY --from`, `--mount=from=`, `# syntax=`), with arguments
/// filled in, without its own stages and `scratch`.
pub fn base_images(dockerfile: &str, args: &BTreeMap<String, String>, platform: &str) -> BTreeSet<String> {
    let mut known = platform_args(platform);
    known.extend(args.clone());
    let (mut stages, mut images) = (BTreeSet::new(), BTreeSet::new());
    images.extend(syntax_image(dockerfile));
    let mut before_first_stage = true;
    for instruction in instructions(dockerfile) {
        let mut words = instruction.split_whitespace();
        match words.next().unwrap_or_default().to_uppercase().as_str() {
            "ARG" if before_first_stage => {
                for word in words {
                    let Some((name, value)) = word.split_once('=') else { continue };
                    if !args.contains_key(name) {
                        let value = expand(unquoted(value), &known);
                        known.insert(name.into(), value);
                    }
                }
            }
            "FROM" => {
                before_first_stage = false;
                let mut words = words.skip_while(|word| word.starts_with("--"));
                let image = expand(unquoted(words.next().unwrap_or_default()), &known);
                if !stages.contains(&image.to_lowercase()) {
                    images.insert(image);
                }
                if let (Some(word), Some(stage)) = (words.next(), words.next())
                    && word.eq_ignore_ascii_case("as")
                {
                    stages.insert(stage.to_lowercase());
                }
            }
            "COPY" | "ADD" | "RUN" => {
                for from in words.take_while(|word| word.starts_with("--")).filter_map(from_of) {
                    let image = expand(from, &known);
                    if !stages.contains(&image.to_lowercase()) && image.parse::<usize>().is_err() {
                        images.insert(image);
                    }
                }
            }
            _ => {}
        }
    }
    images.remove("scratch");
    images.remove("");
    images
}

/// `--from=X` or `--mount=type=bind,from=X,…`.
fn from_of(flag: &str) -> Option<&str> {
    if let Some(from) = flag.strip_prefix("--from=") {
        return Some(unquoted(from));
    }
    flag.strip_prefix("--mount=")?.split(',').find_map(|option| option.strip_prefix("from="))
}

/// The frontend's image: `# syntax=docker/dockerfile:1` among the directives at the top.
fn syntax_image(dockerfile: &str) -> Option<String> {
    directives(dockerfile).find(|(name, _)| name == "syntax").map(|(_, value)| value)
}

fn directives(dockerfile: &str) -> impl Iterator<Item = (String, String)> {
    dockerfile.trim_start_matches('\u{feff}').lines().map_while(|line| {
        let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
        let name = name.trim().to_lowercase();
        name.chars().all(char::is_alphanumeric).then(|| (name, value.trim().to_owned()))
    })
}

/// The arguments BuildKit always sets, for a `platform` such as `linux/amd64`.
fn platform_args(platform: &str) -> BTreeMap<String, String> {
    let mut parts = platform.splitn(3, '/');
    let (os, arch) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let variant = parts.next().unwrap_or_default();
    ["TARGET", "BUILD"]
        .into_iter()
        .flat_map(|whose| {
            [("PLATFORM", platform), ("OS", os), ("ARCH", arch), ("VARIANT", variant)]
                .map(|(what, value)| (format!("{whose}{what}"), value.to_owned()))
        })
        .collect()
}

/// Whole instructions: continued lines joined, comments and here-documents' bodies left out.
fn instructions(dockerfile: &str) -> Vec<String> {
    let escape = directives(dockerfile)
        .find(|(name, _)| name == "escape")
        .and_then(|(_, value)| value.chars().next())
        .unwrap_or('\\');
    let (mut all, mut current) = (Vec::new(), String::new());
    let mut lines = dockerfile.trim_start_matches('\u{feff}').lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if let Some(part) = trimmed.strip_suffix(escape) {
            current.push_str(part);
            current.push(' ');
            continue;
        }
        current.push_str(trimmed);
        for end in here_documents(&current) {
            for body in lines.by_ref() {
                if body.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
        all.push(std::mem::take(&mut current));
    }
    all.extend((!current.is_empty()).then_some(current));
    all
}

/// The end words of the here-documents that an instruction opens.
fn here_documents(instruction: &str) -> Vec<String> {
    let word = instruction.split_whitespace().next().unwrap_or_default().to_uppercase();
    if !matches!(word.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    instruction
        .split("<<")
        .skip(1)
        .filter(|rest| !rest.starts_with('<') && !rest.starts_with(' '))
        .filter_map(|rest| {
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            let end: String = rest
                .chars()
                .filter(|c| !"\"'".contains(*c))
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            (!end.is_empty()).then_some(end)
        })
        .collect()
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

/// Fills in `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`.
fn expand(text: &str, args: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (expression, after) = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(found) => found,
            None => {
                rest.split_at(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()))
            }
        };
        rest = after;
        let value = |name: &str| args.get(name).map(String::as_str).filter(|value| !value.is_empty());
        out.push_str(&match (expression.split_once(":-"), expression.split_once(":+")) {
            (Some((name, default)), _) => value(name).unwrap_or(default).to_owned(),
            (_, Some((name, other))) => value(name).map(|_| other).unwrap_or_default().to_owned(),
            _ => value(expression).unwrap_or_default().to_owned(),
        });
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(text: &str, args: &[(&str, &str)]) -> Vec<String> {
        let args = args.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        base_images(text, &args, "linux/amd64").into_iter().collect()
    }

    #[test]
    fn every_way_to_take_bytes_is_found() {
        let text = r#"# syntax=docker/dockerfile:1.7
# escape=`
ARG GO=1.26
ARG REGISTRY=docker.io DISTRO="bookworm"
FROM --platform=$BUILDPLATFORM ${REGISTRY}/golang:${GO} AS Build
ARG GO=9
RUN --mount=type=cache,target=/root --mount=type=bind,from=tools:2,source=/x `
    go build
FROM debian:${DISTRO:-x}-slim AS base
COPY --from=build /a /a
COPY --from=0 /a /b
COPY --chown=1:1 --from=busybox:1 /bin /bin
RUN <<EOF
FROM not:this
EOF
FROM base
FROM scratch
# FROM neither:this
COPY <<-'X' /file
	FROM nor:this
	X
FROM alpine:3 as last
"#;
        assert_eq!(
            bases(text, &[]),
            [
                "alpine:3",
                "busybox:1",
                "debian:bookworm-slim",
                "docker.io/golang:1.26",
                "docker/dockerfile:1.7",
                "tools:2"
            ]
        );
    }

    #[test]
    fn arguments_given_outside_win() {
        assert_eq!(bases("ARG V=1\nFROM a:$V-${TARGETARCH}", &[("V", "2")]), ["a:2-amd64"]);
        assert_eq!(bases("ARG D\nFROM a${D:+-debug}", &[("D", "1")]), ["a-debug"]);
        assert_eq!(bases("ARG D\nFROM a${D:+-debug}", &[]), ["a"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_written_panics(text in "[A-Z a-z$<>{}\n\\\\:=#'\"-]{0,80}") {
            let _ = bases(&text, &[]);
        }
    }
}
