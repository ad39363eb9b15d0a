//! Downloads from a local server that misbehaves as real servers do.

use crate::common::{not_run, shelf};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use crate::common::shelf::server::{Reply, Server};
use crate::common::shelf::{good, gzip, images, open};
use gpu_mlp::data::fetch::{Pinned, Tried, fetch};
use gpu_mlp::data::{Event, Places};

/// A file, gzipped, and the hash of its raw form.
fn sample() -> (Vec<u8>, String) {
    let idx = images(&[100, 28, 28]);
    (gzip(&good(&idx)), idx.raw_sha256())
}

fn pinned(sha256: &str) -> Pinned<'_> {
    Pinned { name: "train-images-idx3-ubyte", raw_bytes: 78_416, raw_sha256: sha256 }
}

fn html() -> Reply {
    Reply::Whole(200, b"<html>please log in to this network</html>".to_vec())
}

/// Fetches the sample from one server, which must fail; returns the reason.
#[track_caller]
fn refused(reply: Reply, attempts: usize) -> String {
    let dir = tempfile::tempdir().expect("temporary folder");
    let server = Server::start(vec![reply]);
    let (_, sha256) = sample();
    let result = fetch(&pinned(&sha256), &server.mirrors(), dir.path(), &mut |_| {});
    let failed = result.expect_err("a bad answer");
    let [Tried { place, reason }] = &failed[..] else { panic!("one address: {failed:?}") };
    assert_eq!(place, &format!("{}train-images-idx3-ubyte.gz", server.address));
    assert_eq!(server.count(), attempts, "{reason}");
    assert_eq!(files(dir.path()), [""; 0], "no file may remain");
    reason.clone()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("temporary folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[track_caller]
fn assert_contains(text: &str, words: &str) {
    assert!(text.contains(words), "{text}\ndoes not contain {words:?}");
}

#[test]
fn the_second_mirror_is_used_when_the_first_fails() {
    if !cfg!(feature = "download") {
        return not_run("downloads: built without the feature `download`");
    }
    let dir = tempfile::tempdir().expect("temporary folder");
    let (body, sha256) = sample();
    let first = Server::start(vec![Reply::Whole(503, b"<html>later</html>".to_vec())]);
    let second = Server::start(vec![Reply::Whole(200, body.clone())]);
    let mirrors = [first.address.clone(), second.address.clone()];
    let folder = dir.path().join("made/on/the/way");
    let mut events = Vec::new();
    let path = fetch(&pinned(&sha256), &mirrors, &folder, &mut |event| events.push(event));
    assert_eq!(path, Ok(folder.join("train-images-idx3-ubyte.gz")));
    assert_eq!(fs::read(folder.join("train-images-idx3-ubyte.gz")).expect("it is there"), body);
    assert_eq!(files(&folder).len(), 1);
    assert_eq!((first.count(), second.count()), (2, 1));
    let request = second.requests.lock().expect("no test panics in here")[0].to_lowercase();
    assert_contains(&request, "get /train-images-idx3-ubyte.gz ");
    assert_contains(&request, "user-agent: gpu-mlp/");
    let length = body.len() as u64;
    let file = "train-images-idx3-ubyte.gz".to_owned();
    assert_eq!(events.last(), Some(&Event::Fetch { file, done: length, total: Some(length) }));
}

#[test]
fn a_broken_connection_is_tried_again() {
    if cfg!(feature = "download") {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (body, sha256) = sample();
        let half = body[..body.len() / 2].to_vec();
        let server = Server::start(vec![Reply::Short(half, body.len()), Reply::Whole(200, body)]);
        let path = fetch(&pinned(&sha256), &server.mirrors(), dir.path(), &mut |_| {});
        assert!(path.is_ok(), "{path:?}");
        assert_eq!(server.count(), 2);
    }
}

#[test]
fn bad_answers_have_different_errors_and_leave_no_file() {
    if cfg!(feature = "download") {
        let (body, sha256) = sample();
        let page = b"<html>gone</html>".to_vec();
        assert_contains(&refused(Reply::Whole(503, page.clone()), 2), "status 503");
        assert_contains(&refused(Reply::Whole(404, page), 1), "status 404");
        assert_contains(&refused(html(), 2), "web page");
        let half = body[..body.len() / 2].to_vec();
        assert_contains(&refused(Reply::Short(half.clone(), body.len()), 2), "the connection broke after");
        assert_contains(&refused(Reply::Unmeasured(half), 2), "truncated");
        assert_contains(&refused(Reply::Short(vec![0; 10], 1 << 40), 1), "longer than");
        assert_contains(&refused(Reply::Unmeasured(vec![0; 4 << 20]), 1), "longer than");
        // A small file that would inflate to a large one.
        let reason = refused(Reply::Whole(200, gzip(&good(&images(&[1000, 28, 28])))), 2);
        assert_contains(&reason, "more than the 78416 expected");
        let other = images(&[100, 28, 27]);
        let reason = refused(Reply::Whole(200, gzip(&good(&other))), 1);
        assert_contains(&reason, &sha256);
        assert_contains(&reason, &other.raw_sha256());
    }
}

#[test]
fn a_closed_port_is_an_error() {
    if cfg!(feature = "download") {
        let dir = tempfile::tempdir().expect("temporary folder");
        let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", closed.local_addr().expect("bound"));
        drop(closed);
        let failed = fetch(&pinned(""), &[url], dir.path(), &mut |_| {}).expect_err("no server");
        assert_contains(&failed[0].reason, "refused");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = shelf::put(&dir.path().join("file"), b"in the way");
    let failed = fetch(&pinned(""), &[], &file.join("below"), &mut |_| {});
    let failed = failed.expect_err("a file in place of the folder");
    assert_eq!(failed[0].place, file.join("below").display().to_string());
}

#[test]
fn two_concurrent_downloads_do_not_disturb_each_other() {
    if cfg!(feature = "download") {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (body, sha256) = sample();
        let server = Server::start(vec![Reply::Whole(200, body.clone())]);
        let mirrors = server.mirrors();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let path = fetch(&pinned(&sha256), &mirrors, dir.path(), &mut |_| {});
                    let path = path.expect("a good server");
                    assert_eq!(fs::read(path).expect("it is there"), body);
                });
            }
        });
        assert_eq!(files(dir.path()), ["train-images-idx3-ubyte.gz"]);
    }
}

#[test]
fn a_failed_fetch_falls_back_for_auto_only_and_offline_opens_no_connection() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let server = Server::start(vec![html()]);
    let mirrors = server.mirrors();
    let places = Places { cache: Some(dir.path().into()), mirrors, ..Places::default() };
    for choice in ["auto", "mnist"] {
        let _ = open(&places, choice, true);
    }
    assert_eq!(server.count(), 0, "offline");

    let reason = if cfg!(feature = "download") { "web page" } else { "without the feature" };
    let (set, notes) = open(&places, "auto", false);
    assert_eq!(set.expect("digits").name, "digits");
    assert!(notes.len() == 1 && notes[0].contains(reason), "{notes:?}");
    let store = dir.path().join("datasets/mnist").display().to_string();
    let mut words = vec!["could not be fetched", reason, &store];
    if cfg!(feature = "download") {
        words.push(&server.address);
    }
    let Err(error) = open(&places, "mnist", false).0 else { panic!("there is no MNIST") };
    words.iter().for_each(|word| assert!(error.to_string().contains(word), "{error}\ndoes not contain {word:?}"));
}
