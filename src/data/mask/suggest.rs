//! What a column's name and type suggest. A suggestion decides nothing: where a person may be in the data, a person decides.

use std::fmt::Write as _;

use super::kind::{MaskKind, is_text};
use super::links;
use crate::data::schema::{Column, ColumnType, Made, Schema, Table};
use crate::yaml::reads_as_string;

/// What is suggested for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// The rule as a policy has it, or words about the key that it follows.
    pub(super) text: String,
    /// Whether a person may be in the column.
    pub(super) personal: bool,
    /// Whether it follows another column, so that it needs no rule.
    pub(super) follows: bool,
}

/// Words in names of columns, and the rule they suggest for text. The first that fits counts.
const TEXTS: [(&[&str], &str); 20] = [
    (&["password", "passwd", "secret", "token", "salt", "apikey", "hash", "session", "useragent"], "drop"),
    (&["email", "mail"], "{ mask: email }"),
    (&["phone", "mobile", "fax", "tel", "telephone", "cell", "msisdn"], "{ mask: phone }"),
    (&["iban"], "{ mask: iban }"),
    (&["card", "pan", "creditcard", "cardnumber"], "{ mask: card }"),
    (&["firstname", "givenname", "forename", "first", "given"], "{ mask: first-name }"),
    (&["lastname", "surname", "familyname", "last", "family"], "{ mask: last-name }"),
    (&["ip", "ipaddress", "ipaddr"], "{ mask: ip }"),
    (&["mac"], "{ mask: mac }"),
    (&["zip", "zipcode", "postcode", "postal", "postalcode"], "{ mask: postal-code, keep: 2 }"),
    (&["birth", "birthday", "birthdate", "born", "dob"], "{ mask: date, days: 365 }"),
    (&["ssn", "passport", "tax", "taxid", "license", "licence", "plate", "vat", "account"], "{ mask: code }"),
    (&["user", "username", "login", "nick", "nickname", "handle"], "{ mask: code }"),
    (&["uuid", "guid"], "{ mask: uuid }"),
    (&["fullname", "contact", "recipient", "owner", "author"], "{ mask: name }"),
    (&["street", "address", "city", "town", "location"], "{ mask: free-text }"),
    (&["url", "uri", "link", "path", "file", "filename"], "{ mask: code }"),
    (&["code", "sku", "slug", "ref", "reference", "number"], "{ mask: code }"),
    (&["currency", "country", "language", "locale", "timezone"], "keep"),
    (&["status", "state", "type", "kind"], "keep"),
];

/// Words for days that tell a person.
const BIRTHS: [&str; 5] = ["birth", "birthday", "birthdate", "born", "dob"];
/// Words for whole numbers that tell a person.
const NUMBERS: [&str; 6] = ["phone", "mobile", "ssn", "passport", "card", "account"];
/// Words for amounts that tell about a person.
const AMOUNTS: [&str; 11] =
    ["salary", "income", "wage", "balance", "latitude", "longitude", "lat", "lon", "lng", "weight", "height"];

/// Tables whose `name` is a person's.
const PEOPLE: [&str; 14] = [
    "user", "customer", "person", "people", "employee", "contact", "patient", "author", "member", "staff",
    "actor", "client", "student", "account",
];

/// What a column's name and type suggest.
pub(super) fn rule(schema: &Schema, table: &Table, column: &Column) -> Suggestion {
    for key in &table.foreign_keys {
        let target =
            key.columns.iter().position(|own| *own == column.name).and_then(|at| key.references.get(at));
        if let Some(target) = target {
            let text = format!("follow {}.{target}", key.table);
            return Suggestion { text, personal: false, follows: true };
        }
    }
    let kind = links::element(schema, &column.kind);
    let (text, personal) = if is_text(kind) { by_name(table, column) } else { by_type(kind, column) };
    Suggestion { text: text.to_owned(), personal, follows: false }
}

fn by_name(table: &Table, column: &Column) -> (&'static str, bool) {
    let words = words(&column.name);
    let joined = words.concat();
    let mut rules = TEXTS.iter();
    let named = |known: &&(&[&str], &str)| {
        known.0.iter().any(|word| joined == *word || words.iter().any(|own| own == word))
    };
    if let Some((_, rule)) = rules.find(named) {
        return (rule, *rule != "keep");
    }
    let is_person = PEOPLE.iter().any(|person| table.name.name.to_lowercase().starts_with(person));
    if words.iter().any(|word| word == "name") && is_person {
        return ("{ mask: name }", true);
    }
    ("{ mask: free-text }", true)
}

fn by_type(kind: &ColumnType, column: &Column) -> (&'static str, bool) {
    let words = words(&column.name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    match kind {
        ColumnType::Inet | ColumnType::Cidr => ("{ mask: ip }", true),
        ColumnType::MacAddress => ("{ mask: mac }", true),
        ColumnType::Json
        | ColumnType::Jsonb
        | ColumnType::Xml
        | ColumnType::TextSearchVector
        | ColumnType::Other(_) => ("drop", true),
        ColumnType::Bytes => ("{ mask: bytes }", true),
        ColumnType::Date | ColumnType::Timestamp { .. } if has(&BIRTHS) => {
            ("{ mask: date, days: 365 }", true)
        }
        ColumnType::BigInt | ColumnType::Integer | ColumnType::Numeric { scale: 0, .. } if has(&NUMBERS) => {
            ("{ mask: id }", true)
        }
        kind if has(&AMOUNTS) && (MaskKind::Number { percent: 20 }).fits(kind) => {
            ("{ mask: number, percent: 20 }", true)
        }
        _ => ("keep", false),
    }
}

/// `customerEmail` and `customer_email` as `customer`, `email`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || character.is_uppercase() && was_lower {
            words.push(String::new());
        }
        was_lower = character.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A policy to begin with. What is surely no one's is kept; where a person may be in a column, its rule is a comment, and
/// the policy is refused until someone has decided.
pub fn suggest(schema: &Schema) -> String {
    let mut text = String::from(
        "# What becomes of each column of a snapshot: `keep`, `drop` or `{ mask: KIND }`.\n\
         # Lines that are comments hold a proposal where a person may be in the data: decide, and take the `#` away.\n\
         tables:\n",
    );
    for table in &schema.tables {
        let _ = writeln!(text, "  {}:", quoted(&table.name.to_string()));
        for column in table.columns.iter().filter(|column| column.made != Made::Generated) {
            let suggested = rule(schema, table, column);
            let name = quoted(&column.name);
            let kind = links::type_name(&column.kind).replace(char::is_control, " ");
            let _ = match suggested {
                Suggestion { follows: true, text: rule, .. } => {
                    writeln!(text, "    # {name}: {kind}, it will {}", rule.replace(char::is_control, " "))
                }
                Suggestion { personal: true, text: rule, .. } => {
                    writeln!(text, "    # {name}: {rule}  # {kind}")
                }
                Suggestion { text: rule, .. } => writeln!(text, "    {name}: {rule}  # {kind}"),
            };
        }
    }
    text
}

/// A name as a key: plain where it reads as itself.
fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    if is_plain && !name.is_empty() && reads_as_string(name) {
        return name.to_owned();
    }
    // JSON's strings are YAML's, too.
    serde_json::Value::from(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::shop;
    use super::*;

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("customerEmail"), ["customer", "email"]);
        assert_eq!(words("IP_address-2"), ["ip", "address", "2"]);
    }

    #[test]
    fn a_policy_to_begin_with_leaves_people_open() {
        let text = suggest(&shop());
        for line in [
            "    id: keep  # integer",
            "    # email: { mask: email }  # text",
            "    # name: { mask: name }  # varchar(40)",
            "    # customer_id: integer, it will follow public.customers.id",
            "    placed: keep  # timestamptz",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        let refused =
            super::super::classify(&shop(), &super::super::Policy::parse(&text).unwrap()).unwrap_err();
        assert!(
            refused.faults.is_empty() && refused.open.iter().all(|open| open.column != "id"),
            "{refused}"
        );
        let decide = |line: &str| {
            let is_proposal = line.contains("mask:") || line.contains("drop ");
            line.replacen("    # ", "    ", usize::from(is_proposal))
        };
        let decided = text.lines().map(decide).collect::<Vec<_>>().join("\n");
        super::super::classify(&shop(), &super::super::Policy::parse(&decided).unwrap()).unwrap();
    }

    #[test]
    fn strange_names_are_quoted() {
        assert_eq!(
            [quoted("a"), quoted("yes"), quoted("a: b"), quoted("1"), quoted("a\nb")],
            ["a", "\"yes\"", "\"a: b\"", "\"1\"", "\"a\\nb\""]
        );
    }
}
