//! What verdicts on migrations promise, held against a real server, whichever it is.

use std::cell::Cell;

use devcluster::handoff::migration::{Dialect, Judged, Script, Verdict, judge, undo, worst};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A system whose database is migrated.
pub struct System<'a> {
    /// Whose SQL it speaks.
    pub dialect: Dialect,
    /// Runs statements and gives what they print; the first that fails ends them.
    pub run: &'a dyn Fn(&str) -> Result<String, String>,
    /// What makes the database what it was before, whatever it is now.
    pub again: String,
    /// What declares its tables, as the first of the migrations.
    pub declared: String,
    /// What the old code does; it leaves no trace but what `mend` takes away.
    pub old_code: &'a str,
    /// What takes away the old code's traces.
    pub mend: &'a str,
    /// A hash over the rows and definitions that were there before, by their old names. A name that is gone is an error.
    pub old: &'a str,
    /// Schema and rows of all that is there.
    pub state: &'a dyn Fn() -> String,
}

impl System<'_> {
    fn sql(&self, statements: &str) -> String {
        (self.run)(statements).unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    fn script(&self, text: &str) -> Script {
        Script { name: "x.sql".into(), text: text.into(), dialect: self.dialect, stops: true }
    }

    fn judged(&self, text: &str) -> Vec<Judged> {
        judge(&[self.script(text)]).remove(0)
    }

    /// As [`System::judged`], where what declares the tables is known.
    fn judged_after(&self, text: &str) -> Vec<Judged> {
        judge(&[self.script(&self.declared), self.script(text)]).remove(1)
    }

    /// Each is called lossless; the old code runs where it is called additive; and what undoes each of its parts, the last first,
    /// leaves schema and rows as they were.
    pub fn is_undone(&self, texts: &[&str]) {
        self.sql(&self.again);
        let before = (self.state)();
        for text in texts {
            let judged = self.judged_after(text);
            assert!(!worst(&judged).may_lose(), "{text}: {judged:?}");
            self.sql(text);
            if worst(&judged) == Verdict::Additive {
                let ran = (self.run)(self.old_code);
                ran.unwrap_or_else(|error| panic!("the old code does not run after {text}: {error}"));
                self.sql(self.mend);
            }
            for undo in judged.iter().rev().filter_map(|one| one.judgement.undo.as_ref()) {
                // Of what was nullable before, `DROP NOT NULL` changes nothing, and there is nothing to put back.
                if !undo.ends_with("SET NOT NULL") {
                    self.sql(undo);
                }
            }
            assert_eq!((self.state)(), before, "{text}");
            self.sql(&self.again);
        }
    }

    /// Each is undone by what is named for the whole of it: the old code and the old rows find all as it was.
    pub fn is_undone_as_a_whole(&self, texts: &[&str]) {
        self.sql(&self.again);
        let old = self.sql(self.old);
        for text in texts {
            let judged = self.judged_after(text);
            assert_eq!(worst(&judged), Verdict::Undoable, "{text}: {judged:?}");
            self.sql(text);
            let Some(undone) = undo(&judged) else {
                panic!("nothing is named that undoes {text}: {judged:?}")
            };
            self.sql(&undone.join(";\n"));
            assert_eq!(self.sql(self.old), old, "{text}\nundone by {undone:?}");
            let ran = (self.run)(self.old_code);
            ran.unwrap_or_else(|error| {
                panic!("the old code does not run after {text}, undone by {undone:?}: {error}")
            });
            self.sql(&self.again);
        }
    }

    /// Each is called lossless, and nothing is named that undoes it.
    pub fn has_no_undo(&self, texts: &[&str]) {
        for text in texts {
            let judged = self.judged_after(text);
            assert!(!worst(&judged).may_lose(), "{text}: {judged:?}");
            let named: Vec<_> = judged.iter().filter_map(|one| one.judgement.undo.as_ref()).collect();
            assert!(named.is_empty(), "{text}: {named:?}");
        }
    }

    /// Each takes something that was there before, and is called so.
    pub fn is_called_lossy(&self, texts: &[&str]) {
        self.sql(&self.again);
        let old = self.sql(self.old);
        let mut wrong = Vec::new();
        for text in texts {
            let ran = (self.run)(text);
            let after = (self.run)(self.old);
            assert!(after.as_ref() != Ok(&old), "{text} takes nothing: {ran:?}");
            let judged = self.judged(text);
            if !worst(&judged).may_lose() {
                wrong.push(format!("{text}: {judged:?}"));
            }
            self.sql(&self.again);
        }
        assert!(wrong.is_empty(), "called lossless:\n{}", wrong.join("\n"));
    }

    /// Whatever a script of random statements does, and wherever it fails: if it is called additive, what was there is there and
    /// the old code runs; if it is called undoable, that is so once it is undone.
    pub fn never_loses(&self, statements: impl Strategy<Value = String>, cases: u32) {
        self.sql(&self.again);
        let old = self.sql(self.old);
        let (ran, undone) = (Cell::new(0), Cell::new(0));
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&prop::collection::vec(statements, 1..6), |statements| {
            // What is begun comes to its end.
            let text = format!("{};\nCOMMIT", statements.join(";\n"));
            let judged = self.judged(&text);
            let verdict = worst(&judged);
            if verdict.may_lose() {
                return Ok(());
            }
            // A script that fails half way has done the half.
            let done = (self.run)(&text);
            let mut said = Vec::new();
            if verdict == Verdict::Undoable {
                // Half of a script is undone by half of what undoes it, which nobody knows.
                let Some(undo) = undo(&judged).filter(|_| done.is_ok()) else {
                    self.sql(&self.again);
                    return Ok(());
                };
                said.push((self.run)(&undo.join(";\n")).map(|_| format!("{undo:?}")));
                undone.set(undone.get() + 1);
            }
            let after = (self.run)(self.old);
            let runs = (self.run)(self.old_code);
            self.sql(&self.again);
            ran.set(ran.get() + u32::from(done.is_ok()));
            prop_assert!(said.iter().all(Result::is_ok), "what undoes it fails: {:?}\n{}", said, text);
            prop_assert_eq!(after.as_ref(), Ok(&old), "{}\n{:?}", text, said);
            prop_assert!(runs.is_ok(), "the old code does not run: {:?}\n{}\n{:?}", runs, text, said);
            Ok(())
        });
        result.unwrap();
        let (ran, undone) = (ran.get(), undone.get());
        eprintln!("of {cases} scripts {ran} were called lossless and ran, {undone} of them were undone");
        assert!(ran > 20 && undone > 2, "too few scripts ran to tell anything: {ran}, {undone} undone");
    }
}

/// Statements of these forms: `T` stands for a table's name, `C` for a column's.
pub fn forms(
    forms: &[&'static str],
    tables: &[&'static str],
    columns: &[&'static str],
) -> impl Strategy<Value = String> {
    let select = |all: &[&'static str]| prop::sample::select(all.to_vec());
    (select(forms), select(tables), select(columns)).prop_map(|(form, table, column)| {
        let mut text = String::new();
        // A letter that stands alone, whatever signs stand beside it.
        let is_part = |letter: Option<char>| {
            letter.is_some_and(|letter| {
                letter.is_alphanumeric() || letter == '_' || letter == '"' || letter == '`'
            })
        };
        let letters: Vec<char> = form.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied();
            let alone = !is_part(before) && !is_part(letters.get(at + 1).copied());
            match letter {
                'T' if alone => text.push_str(table),
                'C' if alone => text.push_str(column),
                letter => text.push(*letter),
            }
        }
        text
    })
}
