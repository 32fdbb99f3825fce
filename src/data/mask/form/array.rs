//! Arrays, as PostgreSQL writes them: `{1,NULL,"a b"}`, nested or with bounds. Each element is masked, nulls stay.

use super::super::apply::Mask;

/// Masks an array. What is not one becomes the empty array.
pub(in super::super) fn array(mask: &Mask, row: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if write(mask, row, value, out).is_none() {
        out.truncate(start);
        out.extend_from_slice(b"{}");
    }
}

fn write(mask: &Mask, row: &[u8], value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    read(value, |part| match part {
        Part::Shape(bytes) => out.extend_from_slice(bytes),
        Part::Element(element) => quote(&masked(mask, row, element), out),
    })
}

/// Gives each element that is not null of an array, as far as it is one.
pub(in super::super) fn elements(value: &[u8], mut each: impl FnMut(&[u8])) {
    let _ = read(value, |part| {
        if let Part::Element(element) = part {
            each(element);
        }
    });
}

/// A part of an array.
enum Part<'v> {
    /// Bounds, braces, commas and nulls.
    Shape(&'v [u8]),
    /// An element, not quoted.
    Element(&'v [u8]),
}

/// Reads an array; none where it is not one.
fn read(value: &[u8], mut each: impl FnMut(Part<'_>)) -> Option<()> {
    let open = value.iter().position(|byte| *byte == b'{')?;
    let (bounds, mut rest) = value.split_at(open);
    if !bounds.iter().all(|byte| byte.is_ascii_digit() || b"[]:=-+".contains(byte)) {
        return None;
    }
    each(Part::Shape(bounds));
    let (mut depth, mut element) = (0_usize, Vec::new());
    while let [byte, after @ ..] = rest {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            b',' => {}
            _ => {
                let quoted = *byte == b'"';
                rest =
                    if quoted { read_quoted(after, &mut element)? } else { read_plain(rest, &mut element)? };
                let is_null = !quoted && element.eq_ignore_ascii_case(b"null");
                each(if is_null { Part::Shape(b"NULL") } else { Part::Element(&element) });
                continue;
            }
        }
        each(Part::Shape(std::slice::from_ref(byte)));
        rest = after;
        if depth == 0 {
            break;
        }
    }
    (depth == 0 && rest.is_empty()).then_some(())
}

fn masked(mask: &Mask, row: &[u8], element: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(element.len() + 16);
    mask.apply_in_row(row, element, &mut masked);
    masked
}

/// Reads up to the closing quote and gives what follows it.
fn read_quoted<'v>(mut rest: &'v [u8], element: &mut Vec<u8>) -> Option<&'v [u8]> {
    element.clear();
    loop {
        match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                element.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// Reads up to the next separator.
fn read_plain<'v>(rest: &'v [u8], element: &mut Vec<u8>) -> Option<&'v [u8]> {
    element.clear();
    let end = rest.iter().position(|byte| b",{}\"\\".contains(byte))?;
    let (plain, after) = rest.split_at(end);
    element.extend_from_slice(plain);
    matches!(after[0], b',' | b'}').then_some(after)
}

fn quote(element: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b || b"{},\"\\".contains(byte);
    if !element.is_empty() && !element.iter().any(special) && !element.eq_ignore_ascii_case(b"null") {
        return out.extend_from_slice(element);
    }
    out.push(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::super::apply::tests::mask_of;
    use super::super::super::key::Key;
    use super::*;

    #[test]
    fn elements_are_masked_and_shape_stays() {
        let mask = mask_of("code", &Key::new([1; 32]));
        let one = |value: &[u8]| {
            let mut out = Vec::new();
            mask.apply(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        let all = |value: &str| {
            let mut out = Vec::new();
            array(&mask, b"", value.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let (ab, spaced, quoted) = (one(b"ab"), one(b"a b"), one(b"c\"d"));
        assert_eq!(all(r"{ab,NULL,ab}"), format!("{{{ab},NULL,{ab}}}"));
        assert_eq!(all(r#"{"a b","c\"d"}"#), format!(r#"{{"{spaced}","{}"}}"#, quoted.replace('"', "\\\"")));
        assert_eq!(all(r"[0:1]={{ab},{ab}}"), format!("[0:1]={{{{{ab}}},{{{ab}}}}}"));
        assert_eq!(all(r#"{"NULL",""}"#).matches('"').count(), if one(b"NULL") == "NULL" { 4 } else { 2 });
        for broken in ["", "{", "{a", "ann", "{a}}", "{\"a}", "{a}x", "ann{a}", "{a\"b\"}"] {
            assert_eq!(all(broken), "{}", "{broken}");
        }
    }
}
