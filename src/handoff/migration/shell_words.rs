//! A shell script's words.

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word.
    Word(Word),
    /// What stands between commands: `;`, `&&`, `||`, `&`, a line's end.
    End,
    /// `|`.
    Pipe,
    /// `(` and `{`.
    Open,
    /// `)` and `}`.
    Close,
    /// What a command reads: a file, or the text itself.
    Input(Input),
}

/// Where standard input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `< FILE`.
    File(Word),
    /// `<<EOF` and `<<< TEXT`.
    Text(Word),
}

/// A word as it stands, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// Whether the shell puts something in: `$NAME`.
    pub dynamic: bool,
    /// Whether any of it is quoted: such a word is no keyword.
    pub quoted: bool,
}

/// The words; why not, where the script has more to it than is read here.
pub fn tokens(script: &str) -> Result<Vec<Token>, &'static str> {
    let mut reader = Reader { rest: script, tokens: Vec::new(), documents: Vec::new() };
    while !reader.rest.is_empty() {
        reader.next()?;
    }
    if reader.documents.is_empty() { Ok(reader.tokens) } else { Err("a text in its script has no end") }
}

struct Reader<'s> {
    rest: &'s str,
    tokens: Vec<Token>,
    /// Texts that begin on the next line: where they belong, what ends them, whether tabs go, whether they are as written.
    documents: Vec<(usize, String, bool, bool)>,
}

const EMBEDDED: &str = "its script has a command within a word";

impl<'s> Reader<'s> {
    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn next(&mut self) -> Result<(), &'static str> {
        const OPERATORS: [(&str, Token); 9] = [
            ("&&", Token::End),
            ("||", Token::End),
            (";;", Token::End),
            (";", Token::End),
            ("|", Token::Pipe),
            ("(", Token::Open),
            (")", Token::Close),
            ("\\\n", Token::Pipe),
            ("\n", Token::End),
        ];
        if let Some(first) =
            self.rest.chars().next().filter(|first| *first == ' ' || *first == '\t' || *first == '\r')
        {
            self.take(first.len_utf8());
            return Ok(());
        }
        if self.rest.starts_with('#') {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end);
            return Ok(());
        }
        if self.redirect()? {
            return Ok(());
        }
        if let Some((text, token)) = OPERATORS.iter().find(|(text, _)| self.rest.starts_with(text)) {
            self.take(text.len());
            if *text == "\\\n" {
                return Ok(());
            }
            self.tokens.push(token.clone());
            if *text == "\n" {
                self.texts();
            }
            return Ok(());
        }
        if self.rest.starts_with('&') {
            self.take(1);
            self.tokens.push(Token::End);
            return Ok(());
        }
        let word = self.word()?;
        self.tokens.push(match word.text.as_str() {
            "{" if !word.quoted => Token::Open,
            "}" if !word.quoted => Token::Close,
            _ => Token::Word(word),
        });
        Ok(())
    }

    /// Takes a redirection; says whether one stood there.
    fn redirect(&mut self) -> Result<bool, &'static str> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let arrow = &self.rest[digits..];
        if !arrow.starts_with(['<', '>']) && !arrow.starts_with("&>") {
            return Ok(false);
        }
        if arrow.starts_with("<(") || arrow.starts_with(">(") {
            return Err(EMBEDDED);
        }
        self.take(digits);
        let kind = ["<<<", "<<-", "<<", "<&", "<", "&>", ">>", ">&", ">|", ">"]
            .into_iter()
            .find(|kind| self.rest.starts_with(kind))
            .unwrap_or("<");
        self.take(kind.len());
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(blank);
        let target = self.word()?;
        match kind {
            "<" => self.tokens.push(Token::Input(Input::File(target))),
            "<<<" => self.tokens.push(Token::Input(Input::Text(target))),
            "<<" | "<<-" => {
                self.documents.push((self.tokens.len(), target.text, kind == "<<-", target.quoted));
                self.tokens.push(Token::Input(Input::Text(Word::default())));
            }
            // What is written is read by nobody here: a file that no ConfigMap has is not known.
            _ => {}
        }
        Ok(true)
    }

    /// Texts that commands of the line before read.
    fn texts(&mut self) {
        let mut left = Vec::new();
        for (place, end, tabs, literal) in std::mem::take(&mut self.documents) {
            let mut text = String::new();
            let mut ended = false;
            for line in self.rest.split_inclusive('\n') {
                self.rest = &self.rest[line.len()..];
                let bare = if tabs { line.trim_start_matches('\t') } else { line };
                if bare.trim_end_matches(['\n', '\r']) == end {
                    ended = true;
                    break;
                }
                text.push_str(bare);
            }
            if !ended {
                left.push((place, end.clone(), tabs, literal));
            }
            let dynamic = !literal && text.contains(['$', '`']);
            if let Some(token) = self.tokens.get_mut(place) {
                *token = Token::Input(Input::Text(Word { text, dynamic, quoted: true }));
            }
        }
        self.documents = left;
    }

    fn word(&mut self) -> Result<Word, &'static str> {
        let mut word = Word::default();
        while let Some(first) = self.rest.chars().next() {
            match first {
                ' ' | '\t' | '\r' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.take(1);
                    let end = self.rest.find('\'').ok_or("a quote in its script has no end")?;
                    word.text.push_str(self.take(end));
                    word.quoted = true;
                    self.take(1);
                }
                '"' => self.double(&mut word)?,
                '\\' => {
                    self.take(1);
                    let next = self.rest.chars().next().map_or(0, char::len_utf8);
                    let taken = self.take(next);
                    if taken != "\n" {
                        word.text.push_str(taken);
                        word.quoted = true;
                    }
                }
                _ => self.plain(first, &mut word)?,
            }
        }
        if word.text.is_empty() && !word.quoted {
            return Err("its script is not read here");
        }
        Ok(word)
    }

    fn plain(&mut self, first: char, word: &mut Word) -> Result<(), &'static str> {
        if first == '`' || self.rest.starts_with("$(") {
            return Err(EMBEDDED);
        }
        if self.rest.starts_with("$'") {
            return Err("its script has a word that is written in a way of its own");
        }
        if self.rest.starts_with("${") {
            let end = self.rest.find('}').ok_or("a quote in its script has no end")?;
            let name = self.take(end + 1);
            if name.contains(['`', '(']) {
                return Err(EMBEDDED);
            }
            word.text.push_str(name);
            word.dynamic = true;
            return Ok(());
        }
        word.dynamic |= first == '$';
        word.text.push_str(self.take(first.len_utf8()));
        Ok(())
    }

    fn double(&mut self, word: &mut Word) -> Result<(), &'static str> {
        self.take(1);
        word.quoted = true;
        loop {
            let first = self.rest.chars().next().ok_or("a quote in its script has no end")?;
            match first {
                '"' => {
                    self.take(1);
                    return Ok(());
                }
                '\\' => {
                    self.take(1);
                    let next = self.rest.chars().next().ok_or("a quote in its script has no end")?;
                    if !matches!(next, '"' | '\\' | '$' | '`' | '\n') {
                        word.text.push('\\');
                    }
                    let taken = self.take(next.len_utf8());
                    if taken != "\n" {
                        word.text.push_str(taken);
                    }
                }
                _ => self.plain(first, word)?,
            }
        }
    }
}
