//! Bad data files of every known kind, and the error for each.

use std::io::{self, Read};
use std::path::Path;

use crate::common::shelf::{NAMES, assert_says, good, gzip, images, labels, open_dir, put, put_set, raw, small};
use gpu_mlp::data::idx::Idx;

const IMAGES: [u8; 4] = [0, 0, 8, 3];

/// Reads the bytes from a file, raw and gzipped, and from a stream, and checks the error.
#[track_caller]
fn both(bytes: &[u8], words: &[&str]) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = put(&dir.path().join("some-idx3-ubyte"), bytes);
    assert_says(Idx::read(&path), &path, words);
    let path = put(&dir.path().join("some-idx3-ubyte.gz"), &gzip(bytes));
    assert_says(Idx::read(&path), &path, words);
    // A stream has no known length.
    assert_says(Idx::parse(&path, bytes), &path, words);
}

#[test]
fn a_good_file_is_read_raw_and_gzipped_whatever_its_name() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for idx in [labels(&[3, 1, 2]), images(&[2, 3, 4]), images(&[2, 3, 4, 3]), images(&[7, 1])] {
        let (bytes, zipped) = (good(&idx), gzip(&good(&idx)));
        // Two consecutive gzip members form one file (RFC 1952).
        let halves = [gzip(&bytes[..5]), gzip(&bytes[5..])].concat();
        for (name, bytes) in [("raw.gz", &bytes), ("zipped", &zipped), ("halves", &halves)] {
            let read = Idx::read(&put(&dir.path().join(name), bytes)).expect(name);
            assert_eq!(read, idx, "{name}");
            assert_eq!(read.raw_sha256(), idx.raw_sha256(), "{name}");
        }
    }
}

#[test]
fn the_hash_is_that_of_the_raw_file() {
    // printf '\0\0\10\1\0\0\0\2\7\11' | sha256sum
    let known = "6b413bc4e4b437a09780b06c8c43c748d2546f2be2f36913c8dfdb95fac3a083";
    assert_eq!(labels(&[7, 9]).raw_sha256(), known);
}

#[test]
fn truncated() {
    both(&raw(IMAGES, &[2, 3, 4], &[0; 23]), &["truncated", "[2, 3, 4] = 24 values", "23 follow"]);
    both(&raw(IMAGES, &[2, 3], &[]), &["truncated", "inside its header"]);
    both(&[0, 0, 8], &["truncated", "inside its header"]);
}

#[test]
fn a_torn_gzip_file_is_truncated_and_a_changed_one_damaged() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let whole = gzip(&good(&images(&[50, 28, 28])));
    for length in [5, 20, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let path = put(&dir.path().join("torn.gz"), &whole[..length]);
        assert_says(Idx::read(&path), &path, &["truncated"]);
    }
    let mut changed = whole.clone();
    let checksum = whole.len() - 6;
    changed[checksum] ^= 1;
    let path = put(&dir.path().join("changed.gz"), &changed);
    assert_says(Idx::read(&path), &path, &["damaged gzip"]);
    let followed = [&whole[..], b"and then some other bytes"].concat();
    let path = put(&dir.path().join("followed.gz"), &followed);
    assert_says(Idx::read(&path), &path, &["damaged gzip"]);
}

#[test]
fn trailing_bytes() {
    both(&raw(IMAGES, &[2, 3, 4], &[0; 25]), &["trailing bytes", "[2, 3, 4] = 24 values"]);
}

#[test]
fn wrong_magic_and_wrong_type() {
    both(&raw([1, 0, 8, 3], &[1, 1, 1], &[0]), &["not IDX", "[01, 00, 08, 03]"]);
    both(&raw([0, 0, 8, 0], &[], &[0]), &["no dimensions"]);
    both(&raw([0, 0, 0x0d, 1], &[1], &0.5_f32.to_be_bytes()), &["32-bit floats", "0.5", "whole number from 0 to 255"]);
    both(&raw([0, 0, 0x0c, 2], &[1, 1], &256_i32.to_be_bytes()), &["32-bit integers", "256"]);
    both(&raw([0, 0, 0x09, 1], &[1], &[0xff]), &["signed bytes", "-1"]);
    both(&raw([0, 0, 0x77, 1], &[1], &[0; 4]), &["unknown type", "0x77"]);
}

#[test]
fn zero_and_impossible_dimensions() {
    both(&raw(IMAGES, &[2, 0, 4], &[]), &["[2, 0, 4]", "no values"]);
    both(&raw(IMAGES, &[0, 28, 28], &[]), &["no samples", "[0, 28, 28]"]);
    both(&raw(IMAGES, &[u32::MAX; 3], &[0; 9]), &["more values than any file can hold"]);
    both(&raw([0, 0, 8, 255], &[2; 255], &[0; 9]), &["more values than any file can hold"]);
}

#[test]
fn a_header_that_declares_petabytes_allocates_no_memory() {
    // 2⁵⁰ values: if they were allocated, the message would be about memory.
    let bytes = raw(IMAGES, &[1 << 20, 1 << 15, 1 << 15], &[0; 100]);
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = put(&dir.path().join("huge"), &bytes);
    assert_says(Idx::read(&path), &path, &["truncated", "100 follow"]);
    assert_says(Idx::parse(&path, &gzip(&bytes)[..]), &path, &["truncated", "100 follow"]);
    let path = put(&dir.path().join("huge.gz"), &gzip(&bytes));
    assert_says(Idx::read(&path), &path, &["declares", "bytes of gzip can hold"]);
}

#[test]
fn a_gzip_bomb_is_not_inflated() {
    struct Counted<'a>(&'a [u8], &'a mut usize);
    impl Read for Counted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            *self.1 += count;
            Ok(count)
        }
    }
    let mut bomb = raw(IMAGES, &[1, 2, 5], &[0; 10]);
    bomb.resize(1 << 28, 0);
    let bomb = gzip(&bomb);
    let mut eaten = 0;
    let path = Path::new("bomb.gz");
    assert_says(Idx::parse(path, Counted(&bomb, &mut eaten)), path, &["trailing bytes"]);
    assert!(eaten * 4 < bomb.len(), "{eaten} of {} bytes were read", bomb.len());
}

#[test]
fn another_kind_of_file_under_the_name_of_a_data_file() {
    both(b"<!DOCTYPE html><html><body>503 Service Unavailable", &["web page"]);
    both(b"\n  <html>", &["web page"]);
    both(b"\xef\xbb\xbf<?xml version=\"1.0\"?><Error/>", &["web page"]);
    both(br#"{"error": "quota exceeded"}"#, &["JSON"]);
    both(b"Too many requests\n", &["text"]);
    both(b"version https://git-lfs.github.com/spec/v1\noid", &["Git LFS"]);
    both(b"PK\x03\x04....", &["zip archive"]);
    both(b"", &["is empty"]);
    let twice = gzip(&gzip(&good(&images(&[2, 3, 4]))));
    assert_says(Idx::parse(Path::new("x.gz"), &twice[..]), Path::new("x.gz"), &["gzipped twice"]);
}

#[test]
fn a_missing_file_and_a_folder_in_its_place() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("absent");
    assert_says(Idx::read(&path), &path, &["cannot be read"]);
    assert_says(Idx::read(dir.path()), dir.path(), &["folder"]);
}

#[test]
fn writing_refuses_a_shape_that_does_not_match_the_bytes() {
    for (shape, bytes) in [(vec![2, 3], 5), (vec![], 1), (vec![1; 256], 1)] {
        let idx = Idx { shape, bytes: vec![0; bytes] };
        let error = idx.write(&mut Vec::new()).expect_err("a bad shape");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

/// Opens a small set with one file replaced; the error must name that file.
#[track_caller]
fn replaced(role: usize, idx: Idx, words: &[&str]) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut set = small();
    set[role] = idx;
    put_set(dir.path(), NAMES, &set);
    assert_says(open_dir(dir.path()), &dir.path().join(NAMES[role]), words);
}

#[test]
fn files_that_do_not_belong_together() {
    replaced(1, labels(&[0; 5]), &["5 labels", NAMES[0], "6 images"]);
    replaced(3, labels(&[0; 4]), &["4 labels", NAMES[2], "3 images"]);
    replaced(3, labels(&[0, 1, 3]), &["sample 2", "label 3", NAMES[1], "0 to 2"]);
    replaced(2, images(&[3, 4, 3]), &["[4, 3]", NAMES[0], "[3, 4]"]);
    replaced(0, images(&[6]), &["[6]", "two dimensions"]);
    replaced(1, images(&[6, 2]), &["[6, 2]", "row 1 is not one-hot"]);
    replaced(1, images(&[6, 1, 2]), &["[6, 1, 2]", "one number per sample"]);
}

#[test]
fn exchanged_names_are_recognised() {
    let open = |order: [usize; 4]| {
        let dir = tempfile::tempdir().expect("temporary folder");
        put_set(dir.path(), NAMES, &order.map(|role| small()[role].clone()));
        let path = dir.path().to_owned();
        (open_dir(&path), path)
    };
    let (set, path) = open([0, 3, 2, 1]);
    assert_says(set, &path.join(NAMES[1]), &["the labels of", NAMES[2]]);
    let (set, path) = open([1, 0, 2, 3]);
    assert_says(set, &path.join(NAMES[0]), &["[6]", "[6, 3, 4]"]);
}

#[test]
fn a_bad_file_in_a_folder_is_named() {
    for name in NAMES {
        let dir = tempfile::tempdir().expect("temporary folder");
        put_set(dir.path(), NAMES, &small());
        let path = put(&dir.path().join(name), b"<html>");
        assert_says(open_dir(dir.path()), &path, &["web page"]);
    }
}

#[test]
fn missing_folders_and_files() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let absent = dir.path().join("absent");
    assert_says(open_dir(&absent), &absent, &["does not exist"]);
    assert_says(open_dir(dir.path()), dir.path(), &["no IDX files", "MNIST/raw"]);
    put_set(dir.path(), NAMES, &small());
    let file = dir.path().join(NAMES[0]);
    assert_says(open_dir(&file), &file, &["not a folder", "one of the four IDX files"]);
    std::fs::remove_file(dir.path().join(NAMES[3])).expect("it is there");
    assert_says(open_dir(dir.path()), dir.path(), &["lacks the test labels", NAMES[0]]);
}
