//! Reads a check expression into what the generators can make use of. What they cannot is [`Expr::Other`], never a guess.

use super::token::{Token, tokens};

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    /// A column, or a domain's `VALUE`.
    Column(String),
    /// A constant as text.
    Literal(String),
    /// The time of the check.
    Now,
    /// `NULL`.
    Null,
    /// How many characters a column has.
    Length(String),
    /// A column in lower (or upper) letters.
    Folded { column: String, lower: bool },
    /// Two values compared.
    Compare(Op, Box<Expr>, Box<Expr>),
    /// Whether a value is one of several.
    Member { of: Box<Expr>, items: Vec<Expr>, within: bool },
    /// Whether a text matches a regular expression.
    Match { of: Box<Expr>, regex: String },
    /// Whether a value is null.
    IsNull { of: Box<Expr>, is: bool },
    /// All of several.
    And(Vec<Expr>),
    /// One of several at least.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// Several values.
    List(Vec<Expr>),
    /// Something else.
    Other,
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Less,
    AtMost,
    Equal,
    Differs,
    AtLeast,
    More,
}

impl Op {
    fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "<" => Self::Less,
            "<=" => Self::AtMost,
            "=" => Self::Equal,
            "<>" | "!=" => Self::Differs,
            ">=" => Self::AtLeast,
            ">" => Self::More,
            _ => return None,
        })
    }

    /// With its sides exchanged.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
            Self::More => Self::Less,
            same => same,
        }
    }

    /// Its opposite.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::More,
            Self::Equal => Self::Differs,
            Self::Differs => Self::Equal,
            Self::AtLeast => Self::Less,
            Self::More => Self::AtMost,
        }
    }
}

/// How deep brackets may lie in each other.
const DEEPEST: usize = 60;

/// An expression; none where it is not read to its end.
pub(super) fn parse(text: &str) -> Option<Expr> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.any()?;
    (parser.at == parser.tokens.len()).then_some(expr)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn symbol(&mut self, wanted: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Symbol(symbol)) if symbol == wanted);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, wanted: &str) -> bool {
        let is =
            matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is);
        is
    }

    /// `a OR b`.
    fn any(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Some(if parts.len() == 1 { parts.pop()? } else { Expr::Or(parts) })
    }

    fn all(&mut self) -> Option<Expr> {
        let mut parts = vec![self.negated()?];
        while self.word("and") {
            parts.push(self.negated()?);
        }
        Some(if parts.len() == 1 { parts.pop()? } else { Expr::And(parts) })
    }

    fn negated(&mut self) -> Option<Expr> {
        let mut times = 0;
        while self.word("not") {
            times += 1;
        }
        let expr = self.comparison()?;
        Some(if times % 2 == 0 { expr } else { Expr::Not(Box::new(expr)) })
    }

    fn comparison(&mut self) -> Option<Expr> {
        let left = self.operand()?;
        if self.word("is") {
            let is = !self.word("not");
            let truth = self.word("true") || self.word("false");
            return match (truth, self.word("null")) {
                (false, true) => Some(Expr::IsNull { of: Box::new(left), is }),
                (true, _) => Some(Expr::Other),
                _ => None,
            };
        }
        let within = !self.word("not");
        if self.word("between") {
            let low = self.operand()?;
            let high = self.word("and").then(|| self.operand())??;
            let (of, again) = (Box::new(left.clone()), Box::new(left));
            let low = Expr::Compare(Op::AtLeast, of, Box::new(low));
            let high = Expr::Compare(Op::AtMost, again, Box::new(high));
            let both = Expr::And(vec![low, high]);
            return Some(if within { both } else { Expr::Not(Box::new(both)) });
        }
        if self.word("in") {
            let items = self.symbol("(").then(|| self.list(")"))??;
            return Some(Expr::Member { of: Box::new(left), items, within });
        }
        if self.word("like") {
            return self.matched(left, "~~", within);
        }
        if !within {
            return None;
        }
        self.operator(left)
    }

    fn operator(&mut self, left: Expr) -> Option<Expr> {
        let Some(Token::Symbol(symbol)) = self.tokens.get(self.at).cloned() else { return Some(left) };
        if matches!(symbol.as_str(), "~~" | "~" | "~~*" | "~*") {
            self.at += 1;
            return self.matched(left, &symbol, true);
        }
        let Some(op) = Op::of(&symbol) else {
            if matches!(symbol.as_str(), ")" | "]" | ",") {
                return Some(left);
            }
            // An operator that is not known: both sides are read past.
            self.at += 1;
            self.operand()?;
            return self.operator(Expr::Other);
        };
        self.at += 1;
        for (word, wanted, within) in [("any", Op::Equal, true), ("all", Op::Differs, false)] {
            if self.word(word) {
                let items = self.symbol("(").then(|| self.array())??;
                self.symbol(")").then_some(())?;
                return Some(match items {
                    Expr::List(items) if op == wanted => Expr::Member { of: Box::new(left), items, within },
                    _ => Expr::Other,
                });
            }
        }
        let right = self.operand()?;
        let compared = Expr::Compare(op, Box::new(left), Box::new(right));
        // `a < b + 1`: what follows belongs to the right side, which is not understood then.
        match self.tokens.get(self.at) {
            Some(Token::Symbol(symbol)) if !matches!(symbol.as_str(), ")" | "]" | ",") => {
                self.operator(Expr::Other)
            }
            _ => Some(compared),
        }
    }

    fn matched(&mut self, left: Expr, operator: &str, within: bool) -> Option<Expr> {
        let right = self.operand()?;
        let Expr::Literal(pattern) = right else { return Some(Expr::Other) };
        let regex = if operator.starts_with("~~") { like(&pattern) } else { pattern };
        let matched = Expr::Match { of: Box::new(left), regex };
        Some(if within { matched } else { Expr::Not(Box::new(matched)) })
    }

    /// Items up to a closing bracket.
    fn list(&mut self, end: &str) -> Option<Vec<Expr>> {
        let mut items = Vec::new();
        if self.symbol(end) {
            return Some(items);
        }
        loop {
            items.push(self.any()?);
            if self.symbol(end) {
                return Some(items);
            }
            self.symbol(",").then_some(())?;
        }
    }

    /// `ARRAY[…]`, in brackets and casts, as [`Expr::List`]; another expression as [`Expr::Other`].
    fn array(&mut self) -> Option<Expr> {
        let found = if self.symbol("(") {
            let found = self.array()?;
            self.symbol(")").then_some(found)?
        } else if self.word("array") {
            Expr::List(self.symbol("[").then(|| self.list("]"))??)
        } else if let Expr::Literal(text) = self.operand()? {
            // A constant array: '{a,b}'.
            let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let item = |item: &str| Expr::Literal(item.trim_matches('"').to_owned());
            inside.map_or(Expr::Other, |inside| Expr::List(inside.split(',').map(item).collect()))
        } else {
            Expr::Other
        };
        while self.symbol("::") {
            self.type_name()?;
        }
        Some(found)
    }

    fn operand(&mut self) -> Option<Expr> {
        let mut expr = self.primary()?;
        while self.symbol("::") {
            let kind = self.type_name()?;
            expr = cast(expr, &kind);
        }
        Some(expr)
    }

    fn primary(&mut self) -> Option<Expr> {
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        match token {
            Token::Number(number) => Some(Expr::Literal(number)),
            Token::Text(text) => Some(Expr::Literal(text)),
            Token::Quoted(name) => Some(Expr::Column(name)),
            Token::Symbol(symbol) if symbol == "(" => {
                let inside = self.any()?;
                self.symbol(")").then_some(inside)
            }
            Token::Symbol(symbol) if symbol == "-" => match self.operand()? {
                Expr::Literal(number) => Some(Expr::Literal(format!("-{number}"))),
                _ => Some(Expr::Other),
            },
            Token::Symbol(_) => None,
            Token::Word(word) => self.named(&word),
        }
    }

    fn named(&mut self, word: &str) -> Option<Expr> {
        let lower = word.to_ascii_lowercase();
        if self.symbol("(") {
            // `TRIM(BOTH FROM a)`
            if lower == "trim" {
                let _ = self.word("both") || self.word("leading") || self.word("trailing");
                self.word("from");
            }
            let arguments = self.list(")")?;
            return Some(call(&lower, arguments));
        }
        Some(match lower.as_str() {
            "null" => Expr::Null,
            "true" | "false" => Expr::Literal(lower),
            "current_date" | "current_timestamp" | "localtimestamp" => Expr::Now,
            // MySQL's `_utf8mb4'text'` names the text's character set.
            _ if word.starts_with("_utf8") || word == "_latin1" => self.primary()?,
            "case" | "array" | "row" | "interval" | "exists" | "select" => return None,
            _ => Expr::Column(word.to_owned()),
        })
    }

    /// `character varying(20)[]`, `timestamp(3) without time zone`, `public.mood`.
    fn type_name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.tokens.get(self.at)? {
                Token::Word(word) | Token::Quoted(word) => name.push_str(word),
                _ => return None,
            }
            self.at += 1;
            if self.symbol(".") {
                name.clear();
                continue;
            }
            if self.symbol("(") {
                self.list(")")?;
            }
            let more = ["varying", "precision", "without", "with", "time", "zone"];
            let goes_on =
                matches!(self.tokens.get(self.at), Some(Token::Word(word)) if more.contains(&word.as_str()));
            if !goes_on {
                break;
            }
            name.push(' ');
        }
        while self.symbol("[") {
            self.symbol("]").then_some(())?;
        }
        Some(name)
    }
}

/// A cast that keeps what is compared keeps the expression.
fn cast(expr: Expr, kind: &str) -> Expr {
    const KEEPING: [&str; 10] = [
        "text",
        "character varying",
        "bpchar",
        "character",
        "citext",
        "numeric",
        "bigint",
        "double precision",
        "varchar",
        "name",
    ];
    match expr {
        Expr::Literal(_) if kind == "interval" => Expr::Other,
        Expr::Literal(_) | Expr::Null | Expr::Now => expr,
        Expr::Column(_) | Expr::Folded { .. } | Expr::Length(_) if KEEPING.contains(&kind) => expr,
        _ => Expr::Other,
    }
}

fn call(name: &str, mut arguments: Vec<Expr>) -> Expr {
    let only = if arguments.len() == 1 { arguments.pop() } else { None };
    match (name, only) {
        ("now" | "current_timestamp" | "curdate", None) if arguments.is_empty() => Expr::Now,
        ("length" | "char_length" | "character_length", Some(Expr::Column(column))) => Expr::Length(column),
        // Texts are made without spaces at their ends.
        ("btrim" | "trim" | "rtrim" | "ltrim", Some(Expr::Column(column))) => Expr::Column(column),
        ("lower" | "upper" | "lcase" | "ucase", Some(Expr::Column(column))) => {
            Expr::Folded { column, lower: name.starts_with('l') }
        }
        ("regexp_like", None) => match arguments.as_slice() {
            [of, Expr::Literal(regex)] => Expr::Match { of: Box::new(of.clone()), regex: regex.clone() },
            _ => Expr::Other,
        },
        _ => Expr::Other,
    }
}

/// The regular expression of a LIKE pattern.
fn like(pattern: &str) -> String {
    let mut regex = String::from("^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regex.push_str("[a-z0-9]*"),
            '_' => regex.push_str("[a-z0-9]"),
            '\\' => regex.extend(characters.next().map(|next| regex_syntax::escape(&next.to_string()))),
            other => regex.push_str(&regex_syntax::escape(&other.to_string())),
        }
    }
    regex + "$"
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
