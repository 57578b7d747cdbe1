//! The checkpoint is what one write left, whole, or an error that says why not.

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
    tamper(folder.path(), b"mformat", Some(&2u32.to_le_bytes()));
    let error = Checkpoint::open(folder.path()).err().expect("is refused");
    assert!(matches!(error, StoreError::OtherFormat { found: 2, .. }), "{error}");
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
    let error = Checkpoint::open(folder.path()).err().expect("is refused").to_string();
    assert!(error.starts_with("failed to open the checkpoint at "), "{error}");
}

fn tamper(path: &Path, key: &[u8], value: Option<&[u8]>) {
    let db = rocksdb::DB::open_default(path).expect("opens");
    match value {
        Some(value) => db.put(key, value).expect("puts"),
        None => db.delete(key).expect("deletes"),
    }
}
