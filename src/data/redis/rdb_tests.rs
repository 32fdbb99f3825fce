//! RDB streams written by hand: every type, every refusal, and what hostile ones do.

use proptest::prelude::*;

use super::entry::Entry;
use super::error::RdbError;
use super::rdb::{CHECKSUM, Item, Rdb};
use super::value;

/// A stream of version 11 with these parts, and a right checksum.
fn stream(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [b"REDIS0011".as_slice(), &parts.concat(), b"\xff"].concat();
    bytes.extend_from_slice(&CHECKSUM.checksum(&bytes).to_le_bytes());
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Item>, RdbError> {
    let mut rdb = Rdb::begin(bytes)?;
    std::iter::from_fn(|| rdb.next().transpose()).collect()
}

fn entry(bytes: &[u8]) -> (u32, Entry) {
    match read(bytes).unwrap().pop() {
        Some(Item::Entry(database, entry)) => (database, entry),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_type_is_cut_where_it_ends() {
    let id = [7; 16];
    let pending = [&b"\x01"[..], &id, &[8; 8], b"\x02"].concat();
    let tail_of_1 = [
        &b"\x01\x02pk\x04list\x01\x05\x00\x01\x01g\x05\x00"[..],
        &pending,
        b"\x01\x01c",
        &[9; 8],
        b"\x01",
        &id,
    ]
    .concat();
    let head_of_2 = b"\x00\x00\x05\x00\x05\x00\x00\x00\x09\x01\x01g\x05\x00\x07";
    let tail_of_2 = [&head_of_2[..], &pending, b"\x01\x01c", &[9; 8], b"\x01", &id].concat();
    let tail_of_3 = [&head_of_2[..], &pending, b"\x01\x01c", &[9; 16], b"\x00"].concat();
    let long = [&b"\x41\x00"[..], &[b'x'; 256]].concat();
    let far = [&b"\x80\x00\x00\x00\x03abc"[..]].concat();
    let farther = [&b"\x81\x00\x00\x00\x00\x00\x00\x00\x03abc"[..]].concat();
    for (kind, value) in [
        (0, &b"\x03abc"[..]),
        (0, &long),
        (0, &far),
        (0, &farther),
        (0, b"\xc0\x01"),
        (0, b"\xc1\x01\x02"),
        (0, b"\xc2\x01\x02\x03\x04"),
        (0, b"\xc3\x03\x14\x00a\xe0"),
        (1, b"\x02\x01a\x01b"),
        (2, b"\x02\x01a\x01b"),
        (3, b"\x03\x01a\x031.5\x01b\xff\x01c\xfd"),
        (4, b"\x01\x01a\x01b"),
        (5, b"\x01\x01a12345678"),
        (9, b"\x01z"),
        (10, b"\x01z"),
        (11, b"\x01z"),
        (12, b"\x01z"),
        (13, b"\x01z"),
        (14, b"\x02\x01a\x01b"),
        (15, &tail_of_1),
        (16, b"\x01z"),
        (17, b"\x01z"),
        (18, b"\x02\x01\x01a\x02\x01b"),
        (19, &tail_of_2),
        (20, b"\x01z"),
        (21, &tail_of_3),
        (24, b"12345678\x01\x00\x01a\x01b"),
        (25, b"12345678\x01z"),
    ] {
        let bytes = stream(&[b"\xfe\x02\xfb\x01\x00", &[kind], b"\x01k", value]);
        let expected = Entry { key: b"k".to_vec(), expires: None, value: [&[kind], value].concat() };
        assert_eq!(entry(&bytes), (2, expected), "type {kind}");
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "type {kind} broken off at {end}");
        }
    }
}

#[test]
fn sets_and_hashes_are_put_in_order() {
    for (kind, value, expected) in [
        (2, &b"\x03\x01c\xc0\x05\x01a"[..], &b"\x03\x01a\x01c\xc0\x05"[..]),
        (4, b"\x02\x01b\x011\x01a\x012", b"\x02\x01a\x012\x01b\x011"),
        (1, b"\x02\x01b\x01a", b"\x02\x01b\x01a"),
    ] {
        let (_, found) = entry(&stream(&[&[kind], b"\x01k", value]));
        assert_eq!(found.value, [&[kind], expected].concat());
    }
}

#[test]
fn what_a_server_says_of_itself_is_passed_over() {
    let bytes = stream(&[
        b"\xfa\x05ctime\xc2\x01\x02\x03\x04",
        b"\xf5\x0a#!x\n12345\n",
        b"\xfe\x00\xfb\x02\x01\xf4\x01\x02\x03",
        b"\xfc\x10\x00\x00\x00\x00\x00\x00\x00\xf8\x05\xf9\x07\x00\xc0\x0c\x01v",
        b"\xfd\x02\x00\x00\x00\x00\x01b\x01v",
        b"\x00\x01c\x01v",
    ]);
    let items = read(&bytes).unwrap();
    let shown: Vec<String> = items
        .iter()
        .map(|item| match item {
            Item::Function(entry) => format!("function {}", entry.key.escape_ascii()),
            Item::Entry(_, entry) => format!("{} {:?}", entry.key.escape_ascii(), entry.expires),
        })
        .collect();
    assert_eq!(shown, ["function #!x", "12 Some(16)", "b Some(2000)", "c None"]);
}

#[test]
fn what_is_not_known_is_refused() {
    let of = |parts: &[&[u8]]| read(&stream(parts)).unwrap_err().to_string();
    assert_eq!(of(&[b"\x07\x01k\x00"]), "key `k` is of type 7, a module's own; it was not guessed");
    assert_eq!(of(&[b"\x1a\x01k\x00"]), "key `k` is of type 26, which is not known; it was not guessed");
    assert!(of(&[b"\x08\x02\n\xff\x00"]).starts_with("key `\\n\\xff` is of type 8"));
    assert!(of(&[b"\xf7\x00"]).contains("a module"));
    assert!(of(&[b"\xf6\x00"]).contains("opcode 246"));
    assert!(of(&[b"\x00\x01k\xc4\x00"]).contains("no known form"));
    assert!(of(&[b"\x00\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff"]).contains("512 MiB"));
    for (head, said) in
        [(&b"REDIS0008"[..], "version 8"), (b"REDIS0080", "version 80"), (b"VALKEY080", "begin as an RDB")]
    {
        assert!(read(head).unwrap_err().to_string().contains(said));
    }
    let mut flipped = stream(&[b"\x00\x01k\x01v"]);
    flipped[11] ^= 1;
    assert!(matches!(read(&flipped), Err(RdbError::Checksum { .. })));
    let mut unsummed = stream(&[b"\x00\x01k\x01v"]);
    let end = unsummed.len() - 8;
    unsummed[end..].fill(0);
    assert_eq!(read(&unsummed).unwrap().len(), 1);
}

#[test]
fn strings_are_read_in_every_encoding() {
    for (encoded, expected) in [
        (&b"\x00"[..], Some(&b""[..])),
        (b"\xc0\xf9", Some(b"-7")),
        (b"\xc1\x30\x75", Some(b"30000")),
        (b"\xc2\x00\x94\x35\x77", Some(b"2000000000")),
        (b"\xc3\x05\x0a\x00a\xe0\x00\x00", Some(b"aaaaaaaaaa")),
        (b"\xc3\x05\x0b\x00a\xe0\x00\x00", None),
        (b"\xc3\x05\x80\x1f\xff\xff\xff\x00a\xe0\x00\x00", None),
        (b"\x02a", None),
        (b"\xc1\x30", None),
    ] {
        assert_eq!(value::plain(encoded).ok().as_deref(), expected, "{}", encoded.escape_ascii());
    }
}

proptest! {
    #[test]
    fn hostile_bytes_end_in_an_error_or_entries(kind in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&stream(&[&[kind], b"\x01k", &bytes])));
        drop(value::plain(&bytes));
        drop(value::plain(&[&[0xc3, 0x40, u8::try_from(bytes.len()).unwrap(), 0x41, 0x00], &bytes[..]].concat()));
        drop(value::cut(kind % 26, &mut bytes.as_slice(), &mut Vec::new()));
    }
}
