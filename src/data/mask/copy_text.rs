//! Rows as PostgreSQL's `COPY ... (FORMAT text)` writes them: fields between tabs, `\N` for null, backslashes before
//! what would be mistaken.

/// A row's fields, still escaped.
#[derive(Debug, Clone)]
pub struct Fields<'l> {
    rest: Option<&'l [u8]>,
}

impl<'l> Fields<'l> {
    /// The fields of a line without its line end.
    pub fn new(line: &'l [u8]) -> Self {
        Self { rest: Some(line) }
    }
}

impl<'l> Iterator for Fields<'l> {
    type Item = &'l [u8];

    fn next(&mut self) -> Option<&'l [u8]> {
        let rest = self.rest?;
        // A tab within a value is written `\t`: every tab that stands here ends a field.
        let end = rest.iter().position(|byte| *byte == b'\t');
        self.rest = end.and_then(|end| rest.get(end + 1..));
        end.map_or(Some(rest), |end| rest.get(..end))
    }
}

/// Appends a field's value; false, and nothing, where it is null.
pub fn unescape(field: &[u8], value: &mut Vec<u8>) -> bool {
    if field == b"\\N" {
        return false;
    }
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        value.extend_from_slice(&rest[..at]);
        rest = escaped(&rest[at + 1..], value);
    }
    value.extend_from_slice(rest);
    true
}

/// Reads what follows a backslash and gives what follows that.
fn escaped<'f>(rest: &'f [u8], value: &mut Vec<u8>) -> &'f [u8] {
    let Some((byte, after)) = rest.split_first() else {
        value.push(b'\\');
        return rest;
    };
    let coded = |digits: &'f [u8], radix: u32, most: usize| {
        let count = digits.iter().take(most).take_while(|digit| (**digit as char).is_digit(radix)).count();
        let number = digits[..count]
            .iter()
            .fold(0, |sum, digit| sum * radix + (*digit as char).to_digit(radix).unwrap_or(0));
        (count, number.to_le_bytes()[0])
    };
    let plain = match byte {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'0'..=b'7' => {
            let (count, number) = coded(rest, 8, 3);
            value.push(number);
            return &rest[count..];
        }
        b'x' if coded(after, 16, 2).0 > 0 => {
            let (count, number) = coded(after, 16, 2);
            value.push(number);
            return &after[count..];
        }
        other => *other,
    };
    value.push(plain);
    after
}

/// Appends a value as a field.
pub fn escape(value: &[u8], out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, byte) in value.iter().enumerate() {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            _ => continue,
        };
        out.extend_from_slice(&value[plain..at]);
        out.extend([b'\\', letter]);
        plain = at + 1;
    }
    out.extend_from_slice(&value[plain..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_that_copy_reads_is_read() {
        for (field, value) in [
            (&br"a\tb\\c\nd"[..], &b"a\tb\\c\nd"[..]),
            (br"\101\x41\x4\1012", b"AA\x04A2"),
            (br"\q\", b"q\\"),
            (br"\xg", b"xg"),
            (b"", b""),
            (br"\\N", b"\\N"),
        ] {
            let mut read = Vec::new();
            assert!(unescape(field, &mut read));
            assert_eq!(read, value);
        }
        assert!(!unescape(br"\N", &mut Vec::new()));
        assert_eq!(Fields::new(b"a\t\tb").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(Fields::new(b"").count(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5)) {
            let mut line = Vec::new();
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    line.push(b'\t');
                }
                escape(value, &mut line);
            }
            prop_assert!(!line.contains(&b'\n'));
            let mut read = Vec::new();
            for field in Fields::new(&line) {
                let mut value = Vec::new();
                prop_assert!(unescape(field, &mut value));
                read.push(value);
            }
            prop_assert_eq!(read, values);
        }
    }
}
