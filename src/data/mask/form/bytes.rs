//! Bytes, as PostgreSQL writes them (`\x` and hexadecimal digits): random bytes, as many.

use super::super::key::Secret;
use super::code::opaque;

/// Up to so many bytes are permuted; longer ones are drawn by a hash of all, and collide with a chance below 2^-128.
const SHORT: usize = 15;

/// Masks bytes. What is not written so is taken as the bytes that it is, and comes out as text without form.
pub(in super::super) fn bytes(secret: &Secret, value: &[u8], out: &mut Vec<u8>) {
    let Some(digits) = value.strip_prefix(b"\\x").filter(|digits| is_hexadecimal(digits)) else {
        return opaque(secret, value, usize::MAX, out);
    };
    out.extend_from_slice(b"\\x");
    let count = digits.len() / 2;
    if count <= SHORT {
        let number = digits.iter().fold(0, |number, digit| number << 4 | u128::from(nibble(*digit)));
        let tweak = secret.tweak(&[b"bytes", &[count.to_le_bytes()[0]]]);
        let masked = secret.permute(&tweak, 1 << (8 * count), number);
        write_hexadecimal(&masked.to_be_bytes()[16 - count..], out);
        return;
    }
    let mut stream = secret.stream(&[b"stream", &digits.to_ascii_lowercase()]);
    let mut buffer = [0; 1024];
    for start in (0..count).step_by(buffer.len()) {
        let part = &mut buffer[..(count - start).min(1024)];
        stream.fill(part);
        write_hexadecimal(part, out);
    }
}

fn is_hexadecimal(digits: &[u8]) -> bool {
    digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn write_hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        bytes(&Key::new([1; 32]).secret("bytes"), value.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lengths_stay() {
        for count in [0, 1, 15, 16, 1023, 1024, 1025, 5000] {
            let value = format!("\\x{}", "a7".repeat(count));
            let text = masked(&value);
            assert_eq!(text.len(), value.len());
            assert_eq!(count == 0, text == value);
            assert!(text.starts_with("\\x") && is_hexadecimal(&text.as_bytes()[2..]));
        }
        assert_eq!(masked("\\xABCD"), masked("\\xabcd"));
        assert_eq!(masked("\\xabc").len(), 26);
    }

    #[test]
    fn short_ones_are_permuted() {
        let all: BTreeSet<String> = (0..=255).map(|byte| masked(&format!("\\x{byte:02x}"))).collect();
        assert_eq!(all.len(), 256);
    }
}
