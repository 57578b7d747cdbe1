//! The checkpoint is what one write left, whole, or an error that says why not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use setpoint_schemas::{Cut, Topic};
use setpoint_store::{Change, Checkpoint, StoreError};

fn put(table: u8, key: &str, value: &str) -> Change {
    (table, key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))
}

fn gone(table: u8, key: &str) -> Change {
    (table, key.as_bytes().to_vec(), None)
}

fn cut(next: i64) -> Cut {
    [(Topic::Pods, 0, next), (Topic::Requests, 2, 7)].into_iter().collect()
}

/// The rows as `table:key=value`, after `epoch/term`.
fn shown(checkpoint: &Checkpoint) -> String {
    let loaded = checkpoint.load().expect("loads").expect("something was written");
    let mut text = format!("{}/{}", loaded.epoch, loaded.term);
    for row in loaded.rows {
        let (table, key, value) = row.expect("row");
        let (key, value) = (String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
        text.push_str(&format!(" {table}:{key}={value}"));
    }
    text
}

#[test]
fn an_empty_checkpoint_holds_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let checkpoint = Checkpoint::open(folder.path()).expect("opens");
    assert!(checkpoint.load().expect("loads").is_none());
}

#[test]
fn its_folder_is_its_owners_alone_also_behind_one_that_was_set_aside() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("data/checkpoint");
    let mode = || path.metadata().expect("it is there").permissions().mode() & 0o777;
    drop(Checkpoint::open(&path).expect("opens"));
    assert_eq!(mode(), 0o700);
    Checkpoint::set_aside(&path).expect("is set aside");
    drop(Checkpoint::open(&path).expect("opens anew"));
    assert_eq!(mode(), 0o700);
}

#[test]
fn a_folder_that_cannot_be_made_is_the_disks_fault_and_no_damage() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("writes");
    let error = Checkpoint::open(&file.join("checkpoint")).err().expect("is refused");
    assert!(matches!(error, StoreError::Disk { .. }), "{error}");
}

#[test]
fn rows_epoch_term_and_cut_come_back_as_the_last_write_left_them() {
    let folder = tempfile::tempdir().expect("folder");
    let mut checkpoint = Checkpoint::open(folder.path()).expect("opens");
    let first = [put(2, "b", "1"), put(1, "z", "1"), put(2, "a", "1"), put(255, "", "1")];
    checkpoint.write(5, 1, &cut(10), &first).expect("writes");
    assert_eq!(shown(&checkpoint), "5/1 1:z=1 2:a=1 2:b=1 255:=1");
    let second = [put(2, "a", "2"), gone(2, "b"), gone(9, "never"), put(3, "x", "1"), gone(3, "x")];
    checkpoint.write(6, 2, &cut(12), &second).expect("writes");
    drop(checkpoint);
    let checkpoint = Checkpoint::open(folder.path()).expect("opens again");
    assert_eq!(shown(&checkpoint), "6/2 1:z=1 2:a=2 255:=1");
    assert_eq!(checkpoint.load().expect("loads").expect("written").cut, cut(12));
}

#[test]
fn another_format_is_refused_by_number() {
    let folder = tempfile::tempdir().expect("folder");
    drop(Checkpoint::open(folder.path()).expect("opens"));
    tamper(folder.path(), b"mformat", Some(&1u32.to_le_bytes()));
    let error = Checkpoint::open(folder.path()).err().expect("is refused");
    assert!(matches!(error, StoreError::OtherFormat { found: 1, .. }), "{error}");
    Checkpoint::discard(folder.path()).expect("discards");
    assert!(Checkpoint::open(folder.path()).expect("opens").load().expect("loads").is_none());
}

/// What a key gets instead of its bytes; `None` removes it.
type Damage = Option<&'static [u8]>;

#[test]
fn damage_is_told_and_never_loaded() {
    let damage: [(&[u8], Damage, &str); 4] = [
        (b"mmeta", Some(b"\xff\xff"), "its epoch does not read"),
        (b"r\x01a", None, "1 of its 2 rows"),
        (b"r\x01c", Some(b"1"), "a row more than its 2"),
        (b"mformat", None, "it does not say its format"),
    ];
    for (key, value, what) in damage {
        let folder = tempfile::tempdir().expect("folder");
        let mut checkpoint = Checkpoint::open(folder.path()).expect("opens");
        checkpoint.write(1, 1, &cut(1), &[put(1, "a", "1"), put(1, "b", "1")]).expect("writes");
        drop(checkpoint);
        tamper(folder.path(), key, value);
        let error = load_all(folder.path()).expect_err("is refused").to_string();
        assert!(error.contains(what), "{error}");
    }
}

fn load_all(path: &Path) -> Result<(), StoreError> {
    let checkpoint = Checkpoint::open(path)?;
    if let Some(loaded) = checkpoint.load()? {
        for row in loaded.rows {
            row?;
        }
    }
    Ok(())
}

#[test]
fn a_second_opener_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let _open = Checkpoint::open(folder.path()).expect("opens");
    let error = Checkpoint::open(folder.path()).err().expect("is refused");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

/// What a power cut may leave of the write-ahead log: its end is missing, at any byte.
#[test]
fn wherever_a_power_cut_tears_the_last_writes_one_write_is_there_whole() {
    const WRITES: i64 = 6;
    let folder = tempfile::tempdir().expect("folder");
    let whole = folder.path().join("whole");
    let mut checkpoint = Checkpoint::open(&whole).expect("opens");
    for epoch in 1..=WRITES {
        let value = epoch.to_string();
        let rows: Vec<Change> = (0..epoch).map(|row| put(1, &format!("{row}"), &value)).collect();
        checkpoint.write(epoch, 1, &cut(epoch), &rows).expect("writes");
    }
    drop(checkpoint);
    let bytes = std::fs::read(write_ahead_log(&whole)).expect("the log");
    let mut seen = std::collections::BTreeSet::new();
    for length in (0..=bytes.len()).rev().step_by(7) {
        let torn = folder.path().join(format!("torn-{length}"));
        copy(&whole, &torn);
        std::fs::write(write_ahead_log(&torn), &bytes[..length]).expect("is torn");
        let checkpoint = Checkpoint::open(&torn).expect("opens");
        let Some(loaded) = checkpoint.load().expect("loads") else { continue };
        let epoch = loaded.epoch;
        assert_eq!(loaded.cut, cut(epoch), "the cut is of the same write");
        let rows: Vec<_> = loaded.rows.map(|row| row.expect("row")).collect();
        assert_eq!(rows.len() as i64, epoch, "all rows of epoch {epoch} and no other");
        let value = epoch.to_string();
        assert!(rows.iter().all(|(.., v)| **v == *value.as_bytes()), "rows of epoch {epoch}");
        seen.insert(epoch);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), (1..=WRITES).collect::<Vec<_>>());
}

#[test]
fn what_is_set_aside_is_kept_once_and_makes_room() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("checkpoint");
    for round in 0..2 {
        std::fs::create_dir_all(&path).expect("folder");
        std::fs::write(path.join("CURRENT"), format!("noise {round}")).expect("noise");
        let error = Checkpoint::open(&path).err().expect("is refused");
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let aside = Checkpoint::set_aside(&path).expect("is moved");
        let kept = std::fs::read_to_string(aside.join("CURRENT")).expect("is kept");
        assert_eq!(kept, format!("noise {round}"));
        drop(Checkpoint::open(&path).expect("an empty one"));
    }
}

#[test]
fn files_that_are_missing_cut_or_no_folder_at_all_are_damage() {
    let harms: [fn(&Path); 3] = [
        |path| std::fs::remove_file(named(path, "MANIFEST")).expect("removed"),
        |path| std::fs::write(named(path, "MANIFEST"), "noise").expect("written over"),
        |path| {
            std::fs::remove_dir_all(path).expect("removed");
            std::fs::write(path, "a file").expect("written");
        },
    ];
    for harm in harms {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("checkpoint");
        let mut checkpoint = Checkpoint::open(&path).expect("opens");
        checkpoint.write(1, 1, &cut(1), &[put(1, "a", "1")]).expect("writes");
        drop(checkpoint);
        harm(&path);
        let error = load_all(&path).expect_err("is refused");
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

fn write_ahead_log(folder: &Path) -> std::path::PathBuf {
    named(folder, ".log")
}

/// The file of the folder whose name holds this; the largest.
fn named(folder: &Path, part: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).expect("folder").flatten().map(|entry| entry.path());
    let holds = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains(part))
    };
    let size = |path: &std::path::PathBuf| path.metadata().map_or(0, |m| m.len());
    files.filter(holds).max_by_key(size).expect("a file")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

fn tamper(path: &Path, key: &[u8], value: Option<&[u8]>) {
    let db = rocksdb::DB::open_default(path).expect("opens");
    match value {
        Some(value) => db.put(key, value).expect("puts"),
        None => db.delete(key).expect("deletes"),
    }
}
