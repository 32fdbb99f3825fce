//! The dictionaries: embedded lists of names, places and words, the same on every version.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The language that names and words are of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Locale {
    /// All of them, by the names they are written as.
    pub const ALL: [(&'static str, Self); 2] = [("en", Self::En), ("de", Self::De)];

    /// As it is written: `en`.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }
}

macro_rules! embedded {
    ($($locale:ident $name:literal $path:literal),* $(,)?) => {
        [$((Locale::$locale, $name, include_str!(concat!("dictionaries/", $path)))),*]
    };
}

type Entries = &'static [&'static str];

static ALL: LazyLock<BTreeMap<(Locale, &'static str), Entries>> = LazyLock::new(|| {
    embedded![
        En "first_name" "en/first_name.txt",
        En "last_name" "en/last_name.txt",
        En "city" "en/city.txt",
        En "street" "en/street.txt",
        En "state" "en/state.txt",
        En "country" "en/country.txt",
        En "country_code" "en/country_code.txt",
        En "currency_code" "en/currency_code.txt",
        En "time_zone" "en/time_zone.txt",
        En "company" "en/company.txt",
        En "industry" "en/industry.txt",
        En "profession" "en/profession.txt",
        En "product" "en/product.txt",
        En "color" "en/color.txt",
        En "word" "en/word.txt",
        En "domain" "en/domain.txt",
        En "user_agent" "en/user_agent.txt",
        De "first_name" "de/first_name.txt",
        De "last_name" "de/last_name.txt",
        De "city" "de/city.txt",
        De "street" "de/street.txt",
        De "state" "de/state.txt",
        De "country" "de/country.txt",
        De "company" "de/company.txt",
        De "product" "de/product.txt",
        De "color" "de/color.txt",
        De "word" "de/word.txt",
    ]
    .into_iter()
    .map(|(locale, name, text)| ((locale, name), &*text.lines().collect::<Vec<_>>().leak()))
    .collect()
});

/// A dictionary's entries: the locale's, or the English ones where it has no own.
pub(in crate::data) fn entries(locale: Locale, name: &str) -> Option<Entries> {
    ALL.get(&(locale, name)).or_else(|| ALL.get(&(Locale::En, name))).copied()
}

/// The dictionaries there are.
pub(in crate::data) fn names() -> impl Iterator<Item = &'static str> + Clone {
    ALL.keys().filter(|(locale, _)| *locale == Locale::En).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that changes changes what seeds mean: only new dictionaries may change this table, by new lines.
    #[test]
    fn dictionaries_are_the_same_on_every_version() {
        let golden: Vec<String> = ALL
            .iter()
            .map(|((locale, name), entries)| {
                let hash = blake3::hash(entries.join("\n").as_bytes()).to_hex();
                format!("{} {name} {} {}", locale.name(), entries.len(), &hash[..16])
            })
            .collect();
        assert_eq!(golden.join("\n"), include_str!("dictionaries/golden.txt").trim_end());
    }

    #[test]
    fn entries_differ_and_are_clean() {
        for ((_, name), entries) in ALL.iter() {
            let mut sorted: Vec<_> = entries.iter().map(|entry| entry.to_lowercase()).collect();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), entries.len(), "{name}");
            assert!(entries.iter().all(|entry| entry.trim() == *entry && !entry.is_empty()), "{name}");
        }
    }

    #[test]
    fn a_locale_without_a_list_takes_the_english_one() {
        assert_eq!(entries(Locale::De, "domain"), entries(Locale::En, "domain"));
        assert_ne!(entries(Locale::De, "city"), entries(Locale::En, "city"));
        assert_eq!(entries(Locale::En, "planet"), None);
    }
}
