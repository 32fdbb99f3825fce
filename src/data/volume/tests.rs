//! Archives by hand and at random: what is written is read again as it was, and what is hostile is refused.

use std::collections::BTreeMap;
use std::io::Write as _;

use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::archive;
use super::blocks::{BLOCK, Blocks};
use super::check::Check;
use super::entry::{Entry, FilePath, Kind};
use super::error::ArchiveFault;
use super::time::Moment;
use super::write::write;

fn entry(path: &[u8], kind: Kind) -> Entry {
    Entry {
        path: FilePath(path.to_vec()),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: Moment::default(),
        size: 0,
        holes: Vec::new(),
        link: FilePath::default(),
        attributes: BTreeMap::new(),
    }
}

fn cut(bytes: &[u8], step: usize) -> (Vec<u8>, Vec<(u64, u64)>) {
    let (mut kept, mut blocks) = (Vec::new(), Blocks::default());
    let mut keep = |bytes: &[u8]| {
        kept.extend_from_slice(bytes);
        Ok::<(), ()>(())
    };
    for piece in bytes.chunks(step) {
        if piece.iter().all(|byte| *byte == 0) {
            blocks.zeros(piece.len() as u64, &mut keep).unwrap();
        } else {
            blocks.push(piece, &mut keep).unwrap();
        }
    }
    let holes = blocks.finish(&mut keep).unwrap();
    (kept, holes)
}

/// Files of a few blocks, each of zeros or not.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let block =
        prop_oneof![Just(vec![0; BLOCK]), Just(vec![7; BLOCK]), Just([vec![0; BLOCK - 1], vec![1]].concat())];
    (proptest::collection::vec(block, 0..5), proptest::collection::vec(any::<u8>(), 0..100))
        .prop_map(|(blocks, rest)| [blocks.concat(), rest].concat())
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'-'), Just(b'%'), Just(b'\n'), Just(0xff), Just(b' '), b'a'..=b'c'];
    proptest::collection::vec(byte, 1..4)
}

/// Entries with contents, as a volume may have them.
fn tree() -> impl Strategy<Value = Vec<(Entry, Vec<u8>)>> {
    let moment = (any::<i32>(), 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanoseconds)| Moment { seconds: seconds.into(), nanoseconds });
    let attribute = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20));
    let one = (name(), proptest::option::of(name()), 0..3_u8, contents(), moment, any::<u16>(), attribute);
    proptest::collection::vec(one, 0..8).prop_map(|files| {
        let mut all: BTreeMap<Vec<Vec<u8>>, (Entry, Vec<u8>)> = BTreeMap::new();
        all.insert(Vec::new(), (entry(b"", Kind::Directory), Vec::new()));
        for (name, below, kind, bytes, mtime, owner, attribute) in files {
            let path = match &below {
                None => name.clone(),
                Some(below) => [name.as_slice(), b"/", below].concat(),
            };
            let kind = [Kind::File, Kind::Symlink, Kind::Directory][usize::from(kind)];
            let mut made = entry(&path, kind);
            (made.mtime, made.uid, made.gid) = (mtime, owner.into(), u32::from(owner) << 12);
            let bytes = if kind == Kind::File { bytes } else { Vec::new() };
            let (kept, holes) = cut(&bytes, BLOCK);
            (made.size, made.holes) = (bytes.len() as u64, holes);
            if kind == Kind::Symlink {
                (made.mode, made.link) = (0o777, FilePath(b"../any\xffwhere".to_vec()));
            } else if let Some(value) = attribute {
                use base64::Engine as _;
                let value = base64::engine::general_purpose::STANDARD.encode(value);
                made.attributes.insert("SCHILY.xattr.user.x".into(), value);
            }
            if below.is_some() {
                let above = all
                    .entry(vec![name.clone()])
                    .or_insert_with(|| (entry(&name, Kind::Directory), Vec::new()));
                if above.0.kind != Kind::Directory {
                    continue;
                }
            }
            let parts: Vec<Vec<u8>> = made.path.parts().map(<[u8]>::to_vec).collect();
            all.entry(parts).or_insert((made, kept));
        }
        all.into_values().collect()
    })
}

fn lines(entries: &[(Entry, Vec<u8>)]) -> String {
    entries.iter().map(|(entry, _)| serde_json::to_string(entry).unwrap() + "\n").collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(tree in tree()) {
        let contents: Vec<u8> = tree.iter().flat_map(|(_, kept)| kept.clone()).collect();
        let mut check = Check::default();
        for (entry, _) in &tree {
            check.next(entry).unwrap();
        }
        prop_assert_eq!(check.kept, contents.len() as u64);
        let mut archive = Builder::new(Vec::new());
        let mut from = contents.as_slice();
        for (entry, _) in &tree {
            write(&mut archive, entry, &mut from).unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        let (mut entries, mut read) = (Vec::new(), Vec::new());
        let found = archive::read(bytes.as_slice(), &mut entries, &mut read, &|_| ()).unwrap();
        prop_assert_eq!(String::from_utf8(entries).unwrap(), lines(&tree));
        prop_assert_eq!(read, contents);
        prop_assert_eq!(found.entries, tree.len() as u64);
        for line in lines(&tree).lines() {
            prop_assert_eq!(serde_json::to_string(&serde_json::from_str::<Entry>(line).unwrap()).unwrap(), line);
        }
    }

    #[test]
    fn holes_depend_on_the_bytes_alone(bytes in contents(), step in 1..200_000_usize) {
        let whole = cut(&bytes, usize::MAX);
        prop_assert_eq!(&cut(&bytes, step), &whole);
        let (kept, holes) = whole;
        let mut back = Vec::new();
        let mut kept = kept.as_slice();
        for (start, length) in holes {
            let (now, later) = kept.split_at(usize::try_from(start).unwrap() - back.len());
            back.extend_from_slice(now);
            back.resize(back.len() + usize::try_from(length).unwrap(), 0);
            kept = later;
        }
        back.extend_from_slice(kept);
        prop_assert_eq!(back, bytes);
    }

    #[test]
    fn an_archive_of_any_bytes_ends_in_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(archive::read(bytes.as_slice(), &mut Vec::new(), &mut Vec::new(), &|_| ()).is_err());
    }

    #[test]
    fn times_are_read_as_they_are_told(seconds in -1_000_000..1_000_000_i64, nanoseconds in 0..1_000_000_000_u32) {
        let moment = Moment { seconds, nanoseconds };
        prop_assert_eq!(Moment::read(&moment.to_string()), Some(moment));
    }
}

/// An archive of one header with its data, after another for the volume's directory.
fn archive_of(kind: EntryType, size: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = Builder::new(&mut bytes);
    write(&mut archive, &entry(b"", Kind::Directory), &mut std::io::empty()).unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_path("x").unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    archive.get_mut().write_all(header.as_bytes()).unwrap();
    archive.get_mut().write_all(data).unwrap();
    archive.finish().unwrap();
    drop(archive);
    bytes
}

fn read(bytes: &[u8]) -> Result<(String, Vec<String>), ArchiveFault> {
    let mut entries = Vec::new();
    let found = archive::read(bytes, &mut entries, &mut Vec::new(), &|_| ())?;
    Ok((String::from_utf8(entries).unwrap(), found.left))
}

#[test]
fn hostile_archives_are_refused() {
    let text = |error: ArchiveFault| error.to_string();
    let large = archive_of(EntryType::XHeader, 1 << 40, b"");
    assert_eq!(
        text(read(&large).unwrap_err()),
        "a header of 1099511627776 bytes is larger than any file has"
    );
    let cut = archive_of(EntryType::XHeader, 512, &[b'9'; 512]);
    assert_eq!(text(read(&cut).unwrap_err()), "an extended header is cut wrongly");
    let unknown = archive_of(EntryType::new(b'Z'), 0, b"");
    assert_eq!(text(read(&unknown).unwrap_err()), "a file is of an unknown kind");
    let mut short = archive_of(EntryType::Regular, 4, b"data");
    short.truncate(1024 + 512 + 516);
    assert!(matches!(read(&short), Err(ArchiveFault::Read(_))));
    let mut wrong = archive_of(EntryType::Regular, 0, b"");
    wrong[1024 + 512] ^= 1;
    assert_eq!(text(read(&wrong).unwrap_err()), "a header's checksum is wrong");
    // A map that tells of more than there is, and one of a hole beyond the end.
    for map in ["2\n0\n512\n512\n99999999999999\n", "1\n1024\n512\n", "99999999999\n", "1\n-1\n0\n"] {
        let mut records = Vec::new();
        for (key, value) in [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "1024")] {
            records.push(format!("{} {key}={value}\n", key.len() + value.len() + 5));
        }
        let mut data = records.concat().into_bytes();
        let length = data.len() as u64;
        data.resize(512, 0);
        let mut bytes = archive_of(EntryType::XHeader, length, &data);
        bytes.truncate(bytes.len() - 1024);
        let mut map = map.as_bytes().to_vec();
        map.resize(512, 0);
        bytes.extend_from_slice(&archive_of(EntryType::Regular, 1024, &[map, vec![1; 512]].concat())[1536..]);
        assert!(matches!(read(&bytes), Err(ArchiveFault::Malformed(_))), "{:?}", read(&bytes));
    }
}

#[test]
fn what_is_no_file_is_left_out_and_said() {
    for (kind, reason) in
        [(EntryType::Fifo, "x: a named pipe, left out"), (EntryType::Char, "x: a device, left out")]
    {
        let (entries, left) = read(&archive_of(kind, 0, b"")).unwrap();
        assert_eq!(entries.lines().count(), 1);
        assert_eq!(left, [reason]);
    }
}

#[test]
fn a_path_has_one_spelling() {
    for bytes in [&b"a/b"[..], b"100%", b"\xff\xfe", "\u{e9}\n".as_bytes()] {
        let text = String::from(FilePath(bytes.to_vec()));
        assert_eq!(FilePath::try_from(text), Ok(FilePath(bytes.to_vec())));
    }
    for text in ["%", "%4", "%zz", "%41", "%ff", "a%2Fb"] {
        assert!(FilePath::try_from(text.to_owned()).is_err(), "{text}");
    }
    assert_eq!(Moment::read("1.5x"), None);
    assert_eq!(Moment::read(""), None);
    assert!(serde_json::from_str::<Moment>("\"01\"").is_err());
}
