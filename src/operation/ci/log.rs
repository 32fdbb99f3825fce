//! What a command writes, line by line: without Secrets' values it goes to a file and to whoever watches; its last lines stay.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::handoff::ci::Redactor;

/// Lines kept for reports.
const TAIL: usize = 100;
/// A line that is longer is cut in pieces.
const LONGEST: usize = 64 * 1024;
/// What a log's file takes; the rest is counted only.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Takes lines as they come: the command's name and the line.
pub type Watch<'a> = &'a (dyn Fn(&str, &str) + Sync);

/// A log that is written.
pub(super) struct Log<'a> {
    file: BufWriter<File>,
    written: u64,
    left_out: u64,
    tail: VecDeque<String>,
    redactor: &'a Redactor,
    name: String,
    watch: Watch<'a>,
}

impl<'a> Log<'a> {
    /// Begins one at `path`; lines are shown under `name`.
    pub(super) fn begin(
        path: &Path,
        name: &str,
        redactor: &'a Redactor,
        watch: Watch<'a>,
    ) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self { file, written: 0, left_out: 0, tail: VecDeque::new(), redactor, name: name.into(), watch })
    }

    /// Takes a line as it was written, without its end.
    pub(super) fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let text = self.redactor.text(String::from_utf8_lossy(line).trim_end_matches('\r'));
        (self.watch)(&self.name, &text);
        let length = text.len() as u64 + 1;
        if self.written + length > LARGEST {
            self.left_out += length;
        } else {
            self.written += length;
            writeln!(self.file, "{text}")?;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
        Ok(())
    }

    /// Ends it and gives its last lines.
    pub(super) fn end(mut self) -> io::Result<Vec<String>> {
        if self.left_out > 0 {
            writeln!(self.file, "({} bytes more are left out)", self.left_out)?;
        }
        self.file.flush()?;
        Ok(self.tail.into())
    }
}

/// Reads the next line, without its end; none at the end.
pub(super) async fn next_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    line.clear();
    loop {
        let read = from.fill_buf().await?;
        if read.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let room = LONGEST - line.len();
        let taken = end.unwrap_or(read.len()).min(room);
        line.extend_from_slice(&read[..taken]);
        let is_end = end == Some(taken);
        from.consume(taken + usize::from(is_end));
        if is_end || line.len() == LONGEST {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_endless_ones_in_pieces() {
        let long = "x".repeat(LONGEST + 3);
        let text = format!("one\n\n{long}\nlast");
        let mut from = tokio::io::BufReader::with_capacity(100, text.as_bytes());
        let (mut line, mut lengths) = (Vec::new(), Vec::new());
        while next_line(&mut from, &mut line).await.unwrap() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [3, 0, LONGEST, 3, 4]);
    }

    #[test]
    fn no_secret_is_written_or_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let shown = std::sync::Mutex::new(Vec::new());
        let watch = |name: &str, line: &str| shown.lock().unwrap().push(format!("{name} | {line}"));
        let redactor = Redactor::new([b"hunter2".to_vec()]);
        let mut log = Log::begin(&path, "smoke", &redactor, &watch).unwrap();
        log.line(b"password=hunter2\r").unwrap();
        assert_eq!(log.end().unwrap(), ["password=***"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "password=***\n");
        assert_eq!(*shown.lock().unwrap(), ["smoke | password=***"]);
    }
}
