//! A disk in memory that injects faults and records what would remain after a crash or a power cut.

use gpu_mlp::base::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How the k-th call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and reports an error.
    Refused,
    /// A write stops halfway; any other call takes effect. Both report an error.
    Half,
    /// The disk is full: the first write stops halfway, and later writes fail.
    Full,
    /// The program ends in the middle of the call: no later call does anything.
    Crash,
}

pub const FAULTS: [Fault; 4] = [Fault::Refused, Fault::Half, Fault::Full, Fault::Crash];

/// What remains of unsynced data after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Everything: only the program died.
    All,
    /// Nothing: bytes and names are as last synced.
    Nothing,
    /// All names, but only the synced bytes.
    Names,
    /// All bytes, but names as last synced.
    Bytes,
    /// All names, and half of the unsynced bytes.
    TornTail,
    /// All names, and files of the right length with wrong bytes.
    Garbage,
}

pub const LEFT: [Left; 6] = [Left::All, Left::Nothing, Left::Names, Left::Bytes, Left::TornTail, Left::Garbage];

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    calls: usize,
    /// The number of the call that fails, from 1, and how.
    fault: Option<(usize, Fault)>,
    struck: bool,
}

/// A disk in memory that injects a fault.
#[derive(Default)]
pub struct Faulty(Mutex<State>);

/// How much a call does.
enum Do {
    All,
    Half(io::Error),
}

impl Faulty {
    /// Makes call `k` (counted from 1 as of now) fail.
    pub fn arm(&self, k: usize, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        (state.calls, state.fault, state.struck) = (0, Some((k, fault)), false);
    }

    /// Whether the fault has happened.
    pub fn struck(&self) -> bool {
        self.0.lock().unwrap().struck
    }

    /// Calls since the disk was made or armed.
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// The disk as found after a crash; it injects no more faults.
    pub fn after(&self, left: Left) -> Faulty {
        let state = self.0.lock().unwrap();
        let names = match left {
            Left::Nothing | Left::Bytes => &state.synced_names,
            _ => &state.names,
        };
        let found = |file: &File| match left {
            Left::All | Left::Bytes => file.bytes.clone(),
            Left::Nothing | Left::Names => file.synced.clone(),
            Left::TornTail if file.bytes.starts_with(&file.synced) => {
                file.bytes[..file.synced.len().midpoint(file.bytes.len())].to_vec()
            }
            Left::TornTail => file.synced.clone(),
            Left::Garbage => {
                let synced = |at| file.synced.get(at).filter(|_| file.bytes.starts_with(&file.synced)).copied();
                (0..file.bytes.len()).map(|at| synced(at).unwrap_or(0)).collect()
            }
        };
        let mut new = State { folders: state.folders.clone(), ..State::default() };
        for (name, &file) in names {
            let bytes = found(&state.files[file]);
            new.names.insert(name.clone(), new.files.len());
            new.files.push(File { synced: bytes.clone(), bytes });
        }
        new.synced_names = new.names.clone();
        Faulty(Mutex::new(new))
    }

    /// Counts a call and decides how much it does.
    fn call(&self, writes: bool) -> io::Result<(std::sync::MutexGuard<'_, State>, Do)> {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let Some((k, fault)) = state.fault else { return Ok((state, Do::All)) };
        let (now, later) = (state.calls == k, state.calls > k);
        state.struck |= now;
        let error = || io::Error::other(format!("injected: {fault:?}"));
        let full = || io::Error::new(ErrorKind::StorageFull, "injected: the disk is full");
        match fault {
            Fault::Refused if now => Err(error()),
            Fault::Half if now => Ok((state, Do::Half(error()))),
            Fault::Full if now && writes => Ok((state, Do::Half(full()))),
            Fault::Full if later && writes => Err(full()),
            Fault::Crash if now => Ok((state, Do::Half(error()))),
            Fault::Crash if later => Err(error()),
            _ => Ok((state, Do::All)),
        }
    }
}

impl State {
    fn file(&mut self, path: &Path) -> io::Result<&mut File> {
        let at = self.names.get(path).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        Ok(&mut self.files[*at])
    }
}

impl Do {
    /// The part of `bytes` that is written.
    fn part<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Do::All => bytes,
            Do::Half(_) => &bytes[..bytes.len() / 2],
        }
    }

    fn result(self) -> io::Result<()> {
        match self {
            Do::All => Ok(()),
            Do::Half(error) => Err(error),
        }
    }
}

impl Disk for Faulty {
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let (state, what) = self.call(false)?;
        what.result()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (mut state, what) = self.call(false)?;
        what.result()?;
        state.file(path).map(|file| file.bytes.clone())
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let (mut state, what) = self.call(false)?;
        state.folders.insert(folder.to_owned());
        what.result()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (mut state, what) = self.call(true)?;
        assert!(path.parent().is_some_and(|folder| state.folders.contains(folder)), "{} has no folder", path.display());
        // As an operating system does: the existing file is emptied, even if it was synced.
        let at = match state.names.get(path) {
            Some(&at) => at,
            None => {
                let at = state.files.len();
                state.files.push(File::default());
                state.names.insert(path.to_owned(), at);
                at
            }
        };
        state.files[at].bytes = what.part(bytes).to_vec();
        what.result()
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (mut state, what) = self.call(true)?;
        state.file(path)?.bytes.extend_from_slice(what.part(bytes));
        what.result()
    }

    fn cut(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let (mut state, what) = self.call(false)?;
        state.file(path)?.bytes.truncate(bytes as usize);
        what.result()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let (mut state, what) = self.call(false)?;
        let file = state.file(path)?;
        match what {
            Do::All => file.synced = file.bytes.clone(),
            // A failed sync guarantees nothing.
            Do::Half(error) => return Err(error),
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let (mut state, what) = self.call(false)?;
        what.result()?;
        let inside = state.names.clone().into_iter().filter(|(path, _)| path.parent() == Some(folder));
        let others = state.synced_names.clone().into_iter().filter(|(path, _)| path.parent() != Some(folder));
        state.synced_names = others.chain(inside).collect();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, what) = self.call(false)?;
        let at = state.names.remove(from).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), at);
        what.result()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut state, what) = self.call(false)?;
        state.names.remove(path).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        what.result()
    }
}
