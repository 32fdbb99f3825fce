//! Just enough of gRPC's framing and protobuf's wire format to read two answers of containerd and to ask for names.

/// The messages in a gRPC body: each has a flag byte and a big-endian length before it. `None` where it breaks off or is
/// compressed.
pub(super) fn messages(mut body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let (head, rest) = body.split_at_checked(5)?;
        let size = usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]])).ok()?;
        let (message, after) = rest.split_at_checked(size)?;
        if head[0] != 0 {
            return None;
        }
        all.push(message);
        body = after;
    }
    Some(all)
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message in order, with their numbers; fixed-width ones are left out. `None` where it is malformed.
pub(super) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut all = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => all.push((key >> 3, Value::Number(varint(&mut message)?))),
            2 => {
                let size = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(size)?;
                message = rest;
                all.push((key >> 3, Value::Bytes(value)));
            }
            1 => message = message.get(8..)?,
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(all)
}

/// The text of the first field numbered `number`; empty where there is none.
pub(super) fn text(fields: &[(u64, Value<'_>)], number: u64) -> String {
    bytes(fields, number).next().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// Every value of the field numbered `number`.
pub(super) fn bytes<'a>(fields: &[(u64, Value<'a>)], number: u64) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |(is, _)| *is == number).filter_map(|(_, value)| match value {
        Value::Bytes(bytes) => Some(*bytes),
        Value::Number(_) => None,
    })
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A field that holds a string, bytes or a message.
pub(super) fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut size = bytes.len();
    while size > 0x7f {
        out.push(u8::try_from(size & 0x7f).unwrap_or_default() | 0x80);
        size >>= 7;
    }
    out.push(u8::try_from(size).unwrap_or_default());
    out.extend_from_slice(bytes);
    out
}

/// A message with gRPC's flag and length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let size = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &size.to_be_bytes()[..], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for size in [0, 1, 0x7f, 0x80, 0x4000] {
            let value = vec![7; size];
            let message = framed(&[field(1, &value), field(15, b"x")].concat());
            let read = messages(&message).unwrap();
            let read = fields(read[0]).unwrap();
            assert_eq!(read, [(1, Value::Bytes(&value)), (15, Value::Bytes(b"x"))]);
        }
    }

    #[test]
    fn frames_and_fields_are_read() {
        let body = [0, 0, 0, 0, 7, 0x0a, 2, b'h', b'i', 0x18, 0xac, 0x02];
        let frames = messages(&body).unwrap();
        let read = fields(frames[0]).unwrap();
        assert_eq!(read, [(1, Value::Bytes(b"hi")), (3, Value::Number(300))]);
        assert_eq!(text(&read, 1), "hi");
        assert_eq!(text(&read, 9), "");
        assert_eq!(messages(&body[..9]), None, "broken off");
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_panics(bytes: Vec<u8>) {
            let _ = messages(&bytes);
            let _ = fields(&bytes);
        }
    }
}
