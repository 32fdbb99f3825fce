//! What a text is likely to be, by its column's name and its table's.

use super::guess::{Guess, Known, guess};
use super::pattern::Pattern;
use crate::data::seed::Make;

/// Names that a column has, the maker for them, and what they mean. A maker is a kind and its text, as in seed.yaml.
struct Case {
    names: &'static [&'static str],
    kind: Kind,
    text: &'static str,
    why: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Dictionary,
    Template,
    Pattern,
    Words,
}

const fn case(names: &'static [&'static str], kind: Kind, text: &'static str, why: &'static str) -> Case {
    Case { names, kind, text, why }
}

use Kind::{Dictionary, Pattern as Regex, Template, Words};

/// The first whose names fit is taken. No address, number or domain here can reach anyone: RFC 2606, and 555-01xx.
const CASES: [Case; 26] = [
    case(
        &["email", "e_mail", "mail"],
        Template,
        "{first_name:slug}.{last_name:slug}{unique}@{domain}",
        "an address at a reserved domain",
    ),
    case(&["first_name", "firstname", "given_name", "forename"], Dictionary, "first_name", "a first name"),
    case(&["last_name", "lastname", "surname", "family_name"], Dictionary, "last_name", "a last name"),
    case(
        &["username", "user_name", "login", "nickname", "handle"],
        Template,
        "{first_name:slug}{unique}",
        "a user's name",
    ),
    case(
        &["phone", "mobile", "fax", "telephone"],
        Regex,
        r"\+1 555 01[0-9]{2} [0-9]{4}",
        "a phone number that is no one's",
    ),
    case(&["city", "town"], Dictionary, "city", "a city"),
    case(&["country_code"], Dictionary, "country_code", "a country's code"),
    case(&["country"], Dictionary, "country", "a country"),
    case(&["currency"], Dictionary, "currency_code", "a currency"),
    case(
        &["street", "address", "address1", "address_line"],
        Template,
        "{street} {number}",
        "a street and a number",
    ),
    case(&["zip", "postcode", "postal_code", "zipcode", "plz"], Regex, "[0-9]{5}", "a postal code"),
    case(&["state", "province", "region", "district"], Dictionary, "state", "a state"),
    case(&["company", "organization", "organisation", "employer"], Dictionary, "company", "a company"),
    case(&["industry"], Dictionary, "industry", "an industry"),
    case(&["job", "profession", "occupation", "job_title"], Dictionary, "profession", "a profession"),
    case(&["color", "colour"], Dictionary, "color", "a colour"),
    case(&["timezone", "time_zone", "tz"], Dictionary, "time_zone", "a time zone"),
    case(&["user_agent"], Dictionary, "user_agent", "a browser"),
    case(&["domain", "host", "hostname"], Dictionary, "domain", "a reserved domain"),
    case(
        &["url", "website", "link", "homepage", "uri"],
        Template,
        "https://www.{domain}/{word:slug}/{unique}",
        "an address at a reserved domain",
    ),
    case(&["slug", "permalink"], Template, "{word:slug}-{word:slug}-{unique}", "words for an address"),
    case(
        &["sku", "code", "reference", "ref", "barcode", "serial", "isbn", "number"],
        Regex,
        "[A-Z]{3}-[0-9]{6}",
        "a code",
    ),
    case(
        &["hash", "token", "checksum", "digest", "api_key", "secret", "password", "encrypted_password"],
        Regex,
        "[0-9a-f]{40}",
        "hexadecimal digits",
    ),
    case(&["locale", "language", "lang"], Regex, "en|de|fr|es", "a language"),
    case(&["ip", "ip_address"], Regex, r"10\.1?[0-9]{2}\.1?[0-9]{2}\.1?[0-9]{2}", "a private address"),
    case(
        &["description", "body", "comment", "content", "notes", "note", "text", "message", "bio", "summary"],
        Words,
        "",
        "running text",
    ),
];

/// A text of at most `longest` characters.
pub(super) fn guess_text(known: &Known<'_>, longest: Option<u64>) -> Guess {
    if let Some(pattern) = &known.limits.pattern {
        return guess(Make::Pattern(pattern.clone()), 0.1, "a constraint has this pattern");
    }
    let longest = match (longest, known.limits.longest) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    if let Some(case) = CASES.iter().find(|case| known.named(case.names)) {
        let text = case.text.to_owned();
        let make = match case.kind {
            Dictionary if case.text == "country" && longest.is_some_and(|longest| longest < 4) => {
                Make::Dictionary("country_code".to_owned())
            }
            Dictionary => Make::Dictionary(text),
            Template => Make::Template(text),
            Regex => Make::Pattern(fitting(case.text, known.limits.shortest, longest)),
            Words => Make::Words { min: 5, max: 30 },
        };
        return guess(make, 0.1, case.why);
    }
    if known.named(&["name", "title", "full_name", "customer", "author", "owner", "recipient", "contact"]) {
        return name(known);
    }
    guess(Make::Words { min: 1, max: 4 }, 0.1, "its type: a few words")
}

/// A name, by what the table is of.
fn name(known: &Known<'_>) -> Guess {
    let table = known.table.name.name.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| table.contains(word));
    let dictionary = |name: &str| Make::Dictionary(name.to_owned());
    if is(&[
        "customer", "user", "person", "people", "employee", "author", "actor", "contact", "staff", "member",
    ]) {
        guess(Make::Template("{first_name} {last_name}".to_owned()), 0.05, "a person's name")
    } else if is(&[
        "compan", "supplier", "vendor", "organi", "tenant", "account", "merchant", "brand", "store",
    ]) {
        guess(dictionary("company"), 0.05, "a company's name")
    } else if is(&["product", "item", "part", "article"]) {
        guess(dictionary("product"), 0.05, "a product's name")
    } else {
        guess(Make::Words { min: 1, max: 3 }, 0.05, "a few words")
    }
}

/// The pattern where its texts fit; letters and digits where they do not.
fn fitting(pattern: &str, shortest: u64, longest: Option<u64>) -> String {
    let fits = Pattern::new(pattern).is_ok_and(|pattern| {
        let (least, most) = pattern.lengths();
        least as u64 >= shortest && longest.is_none_or(|longest| most as u64 <= longest)
    });
    if fits {
        return pattern.to_owned();
    }
    let least = shortest.max(1);
    let most = longest.unwrap_or(u64::MAX).min(least + 8).max(least);
    format!("[a-z0-9]{{{most}}}")
}
