//! What statements a shell script has a database's client run. A script that does more than is known here is not read.

use std::collections::BTreeMap;

use super::mount::Files;
use super::program::{Client, Run, base, client, is_tool};
use super::shell_words::{Input, Token, Word, tokens};

/// Commands that change no database.
const HARMLESS: [&str; 31] = [
    ":",
    "[",
    "[[",
    "cat",
    "cd",
    "continue",
    "date",
    "echo",
    "exit",
    "export",
    "false",
    "grep",
    "head",
    "hostname",
    "id",
    "ls",
    "mysqladmin",
    "nc",
    "pg_isready",
    "printf",
    "pwd",
    "read",
    "set",
    "sleep",
    "tail",
    "test",
    "trap",
    "true",
    "umask",
    "wait",
    "wc",
];
/// Words that only order commands: all of them count as run.
const ORDER: [&str; 11] = ["!", "do", "done", "elif", "else", "fi", "if", "then", "time", "until", "while"];

/// What statements are called that stand in a client's command line. A client runs them as one transaction.
pub const COMMAND: &str = "its command";

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// A client, with what it is given: names and texts.
    Client(Client, Vec<(String, String)>),
    /// A tool that migrates, with all files that there are.
    Tool(String),
}

/// What is not known.
pub type Unread = String;

/// Reads a command line that no shell stands before.
pub fn command(words: &[String], files: &Files, directory: &str) -> Result<Vec<Ran>, Unread> {
    let mut shell =
        Shell { files, directory: directory.to_owned(), lists: BTreeMap::new(), ran: Vec::new(), depth: 0 };
    // Kubernetes puts variables in as `$(NAME)`.
    let word = |text: &String| Word { text: text.clone(), dynamic: text.contains("$("), quoted: true };
    shell.simple(&words.iter().map(word).collect::<Vec<_>>(), None)?;
    Ok(shell.ran)
}

struct Shell<'f> {
    files: &'f Files,
    directory: String,
    /// What `for NAME in …` goes through.
    lists: BTreeMap<String, Vec<Word>>,
    ran: Vec<Ran>,
    depth: usize,
}

/// A part of a pipeline.
#[derive(Debug, Default)]
struct Stage {
    words: Vec<Word>,
    input: Option<Input>,
    group: Option<Vec<Vec<Stage>>>,
}

impl Shell<'_> {
    fn script(&mut self, script: &str) -> Result<(), Unread> {
        self.depth += 1;
        if self.depth > 8 {
            return Err("its scripts run each other".into());
        }
        let tokens = tokens(script)?;
        let mut at = 0;
        let pipelines = list(&tokens, &mut at, 0)?;
        if at < tokens.len() {
            return Err("its script is not read here".into());
        }
        self.pipelines(&pipelines)?;
        self.depth -= 1;
        Ok(())
    }

    fn pipelines(&mut self, pipelines: &[Vec<Stage>]) -> Result<(), Unread> {
        for stages in pipelines {
            let Some((last, before)) = stages.split_last() else { continue };
            if !before.is_empty() && reads_input(last) {
                let mut texts = Vec::new();
                for stage in before {
                    // Of several before it only the first says what comes; the others would change that.
                    if !texts.is_empty() {
                        return Err("its script changes statements as they pass".into());
                    }
                    texts = self.output(stage)?;
                }
                self.simple(&last.words, Some(&texts))?;
                continue;
            }
            for stage in stages {
                if let Some(group) = &stage.group {
                    self.pipelines(group)?;
                    continue;
                }
                let reads = stage.input.as_ref().filter(|_| reads_input(stage));
                let input = reads.map(|input| self.input(input)).transpose()?;
                self.simple(&stage.words, input.as_deref())?;
            }
        }
        Ok(())
    }

    fn input(&self, input: &Input) -> Result<Vec<(String, String)>, Unread> {
        match input {
            Input::File(word) => self.find(word),
            Input::Text(word) if word.dynamic => Err("the shell puts something into the statements".into()),
            Input::Text(word) => Ok(vec![("its script".into(), word.text.clone())]),
        }
    }

    /// What a command or a group writes to its pipe.
    fn output(&self, stage: &Stage) -> Result<Vec<(String, String)>, Unread> {
        let mut texts = Vec::new();
        if let Some(group) = &stage.group {
            for pipeline in group {
                match pipeline.as_slice() {
                    [only] => texts.extend(self.output(only)?),
                    _ => return Err("its script changes statements as they pass".into()),
                }
            }
            return Ok(texts);
        }
        let words = plain(&stage.words);
        let Some((program, arguments)) = words.split_first() else {
            return Err("its script changes statements as they pass".into());
        };
        match program.text.as_str() {
            "cat" => {
                for argument in arguments.iter().filter(|word| !word.text.starts_with('-')) {
                    texts.extend(self.find(argument)?);
                }
            }
            "echo" | "printf" => {
                if arguments.iter().any(|word| word.dynamic) {
                    return Err("the shell puts something into the statements".into());
                }
                let words: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
                let text = words.join(" ");
                let escapes = program.text == "printf" || text.starts_with("-e");
                if escapes && text.contains(['\\', '%']) {
                    return Err("the shell puts something into the statements".into());
                }
                texts.push(("its script".into(), text.trim_start_matches("-n ").to_owned()));
            }
            other => return Err(format!("what {} writes is not known", shown(other))),
        }
        Ok(texts)
    }

    /// Files of ConfigMaps that a word leads to, in the order of their names.
    fn find(&self, word: &Word) -> Result<Vec<(String, String)>, Unread> {
        let name = word.text.trim_start_matches('$').trim_start_matches('{').trim_end_matches('}');
        if word.dynamic {
            let Some(words) = self.lists.get(name) else {
                return Err("which file is read is for a variable to say".into());
            };
            let mut all = Vec::new();
            for word in words {
                all.extend(self.find(word)?);
            }
            return Ok(all);
        }
        let path = resolve(&self.directory, &word.text);
        let found: Vec<(String, String)> = if path.contains(['*', '?', '[']) {
            let glob = globset::GlobBuilder::new(&path).literal_separator(true).build();
            let glob =
                glob.map_err(|_| "a pattern of its script is not read here".to_owned())?.compile_matcher();
            self.files
                .iter()
                .filter(|(path, _)| glob.is_match(path))
                .map(|(path, text)| (path.clone(), text.clone()))
                .collect()
        } else {
            self.files.get(&path).map(|text| (path.clone(), text.clone())).into_iter().collect()
        };
        if found.is_empty() {
            return Err(format!("{} is in no ConfigMap of the manifests", shown(&path)));
        }
        Ok(found)
    }

    fn simple(&mut self, words: &[Word], input: Option<&[(String, String)]>) -> Result<(), Unread> {
        let words = plain(words);
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        if program.dynamic {
            return Err("which program runs is for a variable to say".into());
        }
        if let Some(client) = client(&texts) {
            return self.client(client, &words, input);
        }
        if is_tool(&program.text, &texts[1..]) {
            self.ran.push(Ran::Tool(base(&program.text).to_owned()));
            return Ok(());
        }
        match base(&program.text) {
            "cd" => {
                let to = arguments
                    .first()
                    .filter(|word| !word.dynamic)
                    .ok_or("where it goes is for a variable to say")?;
                self.directory = resolve(&self.directory, &to.text);
                Ok(())
            }
            "for" => match arguments {
                [name, word, list @ ..] if word.text == "in" => {
                    self.lists.insert(name.text.clone(), list.to_vec());
                    Ok(())
                }
                _ => Err("its script is not read here".into()),
            },
            "sh" | "bash" | "ash" | "dash" | "." | "source" => self.nested(arguments),
            known if HARMLESS.contains(&known) => Ok(()),
            other => Err(format!("what {} does is not in the manifests", shown(other))),
        }
    }

    fn client(
        &mut self,
        client: Client,
        words: &[Word],
        input: Option<&[(String, String)]>,
    ) -> Result<(), Unread> {
        let mut given = Vec::new();
        for run in &client.runs {
            match run {
                Run::Text(text) => {
                    // The word that has it, or that it is a part of.
                    if words.iter().any(|word| word.dynamic && word.text.ends_with(text.as_str())) {
                        return Err("the shell puts something into the statements".into());
                    }
                    given.push((COMMAND.to_owned(), text.clone()));
                }
                Run::File(path) => {
                    let dynamic = words.iter().any(|word| word.dynamic && word.text.ends_with(path.as_str()));
                    given.extend(self.find(&Word { text: path.clone(), dynamic, quoted: true })?);
                }
                Run::Input => match input {
                    Some(texts) => given.extend(texts.iter().cloned()),
                    None => {
                        return Err("what it reads from its standard input is not in the manifests".into());
                    }
                },
            }
        }
        // What one client is given in one stream ends where a statement fails; several options go on with the next.
        self.ran.push(Ran::Client(client, given));
        Ok(())
    }

    fn nested(&mut self, arguments: &[Word]) -> Result<(), Unread> {
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            if word.text == "-o" {
                rest.next();
                continue;
            }
            if let Some(flags) = word.text.strip_prefix('-').filter(|flags| !flags.starts_with('-')) {
                if flags.contains('c') {
                    let script = rest.next().ok_or("its shell has no script")?;
                    return if script.dynamic && script.text.contains("$(") {
                        Err("a variable stands in its script".into())
                    } else {
                        self.script(&script.text.clone())
                    };
                }
                continue;
            }
            let scripts = self.find(word)?;
            for (_, text) in scripts {
                self.script(&text)?;
            }
            return Ok(());
        }
        Err("what its shell reads is not in the manifests".into())
    }
}

/// Whether a part of a pipeline is a client that reads statements from its standard input.
fn reads_input(stage: &Stage) -> bool {
    let words: Vec<String> = plain(&stage.words).into_iter().map(|word| word.text).collect();
    client(&words).is_some_and(|client| client.runs.contains(&Run::Input))
}

/// A command's words without what stands before it: assignments, `exec`, words that order.
fn plain(words: &[Word]) -> Vec<Word> {
    let mut words = words;
    while let Some((first, rest)) = words.split_first() {
        let text = first.text.as_str();
        let assigns = text.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        });
        if assigns || (!first.quoted && ORDER.contains(&text)) || matches!(text, "exec" | "env" | "command") {
            words = rest;
        } else {
            break;
        }
    }
    words.to_vec()
}

/// Pipelines up to a bracket's end.
fn list(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Vec<Vec<Stage>>, Unread> {
    if depth > 16 {
        return Err("its script is not read here".into());
    }
    let (mut pipelines, mut stages, mut stage) = (Vec::new(), Vec::new(), Stage::default());
    while let Some(token) = tokens.get(*at) {
        match token {
            Token::Close => break,
            Token::Word(word) => stage.words.push(word.clone()),
            Token::Input(input) => stage.input = Some(input.clone()),
            Token::Open if stage.words.is_empty() && stage.group.is_none() => {
                *at += 1;
                stage.group = Some(list(tokens, at, depth + 1)?);
                if tokens.get(*at) != Some(&Token::Close) {
                    return Err("a bracket in its script has no end".into());
                }
            }
            Token::Open => return Err("its script is not read here".into()),
            Token::Pipe => stages.push(std::mem::take(&mut stage)),
            Token::End => {
                stages.push(std::mem::take(&mut stage));
                pipelines.push(std::mem::take(&mut stages));
            }
        }
        *at += 1;
    }
    stages.push(stage);
    pipelines.push(stages);
    let is_nothing =
        |stages: &[Stage]| matches!(stages, [only] if only.words.is_empty() && only.group.is_none());
    pipelines.retain(|stages: &Vec<Stage>| !is_nothing(stages));
    Ok(pipelines)
}

fn resolve(directory: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", directory.trim_end_matches('/'))
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A program or a path, as far as it can be no secret.
fn shown(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(60).collect();
    format!("`{text}`")
}
