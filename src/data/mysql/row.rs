//! A row's text: fields between tabs, `\N` for null, backslashes before what would be mistaken. What is written is what both
//! LOAD DATA and PostgreSQL's COPY read, so that rows are masked as those of PostgreSQL are.

use mysql_async::Value;

use super::columns::Way;

/// Appends a field.
pub(super) fn field(value: &Value, way: Way, out: &mut Vec<u8>) {
    match (value, way) {
        (Value::NULL, _) => out.extend_from_slice(b"\\N"),
        (Value::Bytes(bytes), Way::Bytes | Way::FewBytes(_)) => {
            out.extend_from_slice(b"\\\\x");
            hex(bytes, out);
        }
        (Value::Bytes(bytes), Way::Uuid) => {
            for (at, byte) in bytes.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    out.push(b'-');
                }
                hex(std::slice::from_ref(byte), out);
            }
        }
        (Value::Bytes(bytes), _) => escape(bytes, out),
        // Rows come as text: there are no others.
        (other, _) => escape(other.as_sql(true).trim_matches('\'').as_bytes(), out),
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, byte) in text.iter().enumerate() {
        let letter = match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            b'\\' => b'\\',
            _ => continue,
        };
        out.extend_from_slice(&text[plain..at]);
        out.extend([b'\\', letter]);
        plain = at + 1;
    }
    out.extend_from_slice(&text[plain..]);
}

/// Rewrites the two escapes that COPY has and LOAD DATA does not.
pub(super) fn without_copy_escapes(lines: Vec<u8>) -> Vec<u8> {
    let Some(first) = lines.windows(2).position(|pair| pair == b"\\v" || pair == b"\\f") else {
        return lines;
    };
    // Escapes are read from their start: a backslash may be the second of a pair.
    let start = lines[..first].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut out = lines[..start].to_vec();
    let mut rest = lines[start..].iter();
    while let Some(byte) = rest.next() {
        match (byte, (*byte == b'\\').then(|| rest.next()).flatten()) {
            (_, Some(b'v')) => out.push(0x0b),
            (_, Some(b'f')) => out.push(0x0c),
            (_, Some(other)) => out.extend([b'\\', *other]),
            (byte, None) => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8], way: Way) -> String {
        let mut out = Vec::new();
        field(&Value::Bytes(bytes.to_vec()), way, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_told_apart() {
        assert_eq!(written(b"a\tb\\c\nd\r", Way::Text), r"a\tb\\c\nd\r");
        assert_eq!(written(b"\x00\xff", Way::Bytes), r"\\x00ff");
        assert_eq!(written(&[0x12; 16], Way::Uuid), "12121212-1212-1212-1212-121212121212");
        let mut out = Vec::new();
        field(&Value::NULL, Way::Bytes, &mut out);
        assert_eq!(out, b"\\N");
    }

    #[test]
    fn escapes_that_only_copy_has_become_bytes() {
        let lines = without_copy_escapes(b"a\\\\v\t\\v\\f\\n\nb\\\\\\v".to_vec());
        assert_eq!(lines, b"a\\\\v\t\x0b\x0c\\n\nb\\\\\x0b");
    }
}
