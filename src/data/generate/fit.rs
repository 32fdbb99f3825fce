//! Texts brought into the form that a column allows.

use super::column::Fit;

/// Cuts, pads and folds the text from `start` on; what stands from `ending` on is not cut.
pub(super) fn fit(fit: Fit, start: usize, ending: usize, out: &mut Vec<u8>) {
    let characters = |bytes: &[u8]| bytes.iter().filter(|byte| *byte & 0xc0 != 0x80).count() as u64;
    if let Some(longest) = fit.longest {
        let over = characters(&out[start..]).saturating_sub(longest);
        if over > 0 {
            let keep = characters(&out[start..ending]).saturating_sub(over);
            let at = position(&out[start..ending], keep) + start;
            out.drain(at..ending);
            if at == out.len() {
                while out.len() > start && out.last() == Some(&b' ') {
                    out.pop();
                }
            }
        }
    }
    let missing = fit.shortest.saturating_sub(characters(&out[start..]));
    if missing > 0 {
        let at = ending.min(out.len());
        out.splice(at..at, std::iter::repeat_n(b'x', usize::try_from(missing).unwrap_or(0)));
    }
    if let Some(lower) = fit.lower {
        let text = String::from_utf8_lossy(&out[start..]);
        let folded = if lower { text.to_lowercase() } else { text.to_uppercase() };
        out.truncate(start);
        out.extend_from_slice(folded.as_bytes());
    }
}

/// Where the character after the first `keep` begins.
fn position(text: &[u8], keep: u64) -> usize {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let starts = text.iter().enumerate().filter(|(_, byte)| *byte & 0xc0 != 0x80);
    starts.map(|(at, _)| at).nth(keep).unwrap_or(text.len())
}

/// Lower ASCII letters, digits and hyphens: what addresses are made of.
pub(super) fn write_slug(text: &str, out: &mut Vec<u8>) {
    for character in text.chars().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' | '0'..='9' | '.' => out.push(u8::try_from(character).unwrap_or(b'x')),
            'ä' => out.extend_from_slice(b"ae"),
            'ö' => out.extend_from_slice(b"oe"),
            'ü' => out.extend_from_slice(b"ue"),
            'ß' => out.extend_from_slice(b"ss"),
            'é' | 'è' | 'ê' => out.push(b'e'),
            ' ' | '-' | '_' => out.push(b'-'),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str, ending: usize, shortest: u64, longest: Option<u64>, lower: Option<bool>) -> String {
        let mut out = b"before".to_vec();
        out.extend_from_slice(text.as_bytes());
        fit(Fit { shortest, longest, lower }, 6, 6 + ending, &mut out);
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn texts_are_cut_padded_and_folded() {
        assert_eq!(fitted("grün und blau", 14, 0, Some(5), None), "grün");
        assert_eq!(fitted("grün", 5, 0, Some(3), None), "grü");
        assert_eq!(fitted("ab", 2, 4, None, None), "abxx");
        assert_eq!(fitted("long text-17", 9, 0, Some(6), None), "lon-17");
        assert_eq!(fitted("ab-7", 2, 6, Some(6), None), "abxx-7");
        assert_eq!(fitted("Über", 5, 0, None, Some(true)), "über");
        assert_eq!(fitted("Über", 5, 0, None, Some(false)), "ÜBER");
    }

    #[test]
    fn slugs_are_fit_for_addresses() {
        let mut out = Vec::new();
        write_slug("Jürgen Weiß-O'Neil", &mut out);
        assert_eq!(out, b"juergen-weiss-oneil");
    }
}
