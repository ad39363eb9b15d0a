//! How the processes of one run exchange words. Training asks this trait only, so all of its logic is tested without MPI.
//!
//! Every method is a collective call: all processes make the same calls in the same order, and a call returns when the
//! words of the others have arrived.

#[cfg(feature = "mpi")]
pub mod mpi;

use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::base::hash::sha256;
use std::ops::Range;
use std::time::Duration;

/// The processes of a run.
pub trait Exchange {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn size(&self) -> usize;

    /// Sends `words` to the other processes, a part of `sent[k]` words to process k, in order. Returns the parts for this
    /// process, of `received[k]` words from process k, in order.
    fn all_to_all(&mut self, words: &[u32], sent: &[usize], received: &[usize]) -> Vec<u32>;

    /// Sends `words` to all processes. Returns the words of all processes in order, `lengths[k]` of process k.
    fn all_gather(&mut self, words: &[u32], lengths: &[usize]) -> Vec<u32>;

    /// Adds the words of all processes, place by place, modulo 2³².
    fn sum(&mut self, words: &mut [u32]);
}

/// A run of one process.
pub struct Alone;

impl Exchange for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_to_all(&mut self, words: &[u32], _: &[usize], _: &[usize]) -> Vec<u32> {
        words.to_vec()
    }

    fn all_gather(&mut self, words: &[u32], _: &[usize]) -> Vec<u32> {
        words.to_vec()
    }

    fn sum(&mut self, _: &mut [u32]) {}
}

/// An exchange that counts what it sends.
pub(super) struct Metered {
    exchange: Box<dyn Exchange>,
    /// Words that this process sent to others. For [`Exchange::sum`] the least that any algorithm sends.
    pub sent: u64,
    /// Time in calls, which includes waiting for slower processes.
    pub time: Duration,
}

impl Metered {
    pub fn new(exchange: Box<dyn Exchange>) -> Metered {
        Metered { exchange, sent: 0, time: Duration::ZERO }
    }

    fn call<T>(&mut self, sent: usize, call: impl FnOnce(&mut dyn Exchange) -> T) -> T {
        let begin = Instant::now();
        let result = call(self.exchange.as_mut());
        self.time += begin.elapsed();
        self.sent += sent as u64;
        result
    }
}

impl Exchange for Metered {
    fn rank(&self) -> usize {
        self.exchange.rank()
    }

    fn size(&self) -> usize {
        self.exchange.size()
    }

    fn all_to_all(&mut self, words: &[u32], sent: &[usize], received: &[usize]) -> Vec<u32> {
        let others = words.len() - sent.get(self.rank()).copied().unwrap_or(words.len());
        self.call(others, |exchange| exchange.all_to_all(words, sent, received))
    }

    fn all_gather(&mut self, words: &[u32], lengths: &[usize]) -> Vec<u32> {
        let others = self.size() - 1;
        self.call(words.len() * others, |exchange| exchange.all_gather(words, lengths))
    }

    fn sum(&mut self, words: &mut [u32]) {
        let size = self.size();
        self.call(2 * words.len() * (size - 1) / size, |exchange| exchange.sum(words));
    }
}

/// The share of process `rank` of `size` in a list of `count` things: neighbours, as evenly as possible.
pub fn share(count: usize, rank: usize, size: usize) -> Range<usize> {
    count * rank / size..count * (rank + 1) / size
}

/// The same number of words from each process, in order.
pub(crate) fn gather_equal(exchange: &mut dyn Exchange, words: &[u32]) -> Vec<Vec<u32>> {
    let lengths = vec![words.len(); exchange.size()];
    let all = exchange.all_gather(words, &lengths);
    all.chunks_exact(words.len().max(1)).map(<[u32]>::to_vec).collect()
}

/// The text of the first process, in all processes.
///
/// # Errors
/// [`Error::Setting`] if it is not text: a fault of the connection.
pub fn from_first(exchange: &mut dyn Exchange, text: &str) -> Result<String, Error> {
    let first = exchange.rank() == 0;
    let mut words = vec![text.len() as u32];
    words.extend(text.as_bytes().chunks(4).map(|four| {
        let mut bytes = [0; 4];
        bytes[..four.len()].copy_from_slice(four);
        u32::from_le_bytes(bytes)
    }));
    let mine = if first { words } else { Vec::new() };
    let count = gather_equal(exchange, &[mine.len() as u32])[0][0] as usize;
    let mut lengths = vec![0; exchange.size()];
    lengths[0] = count;
    let words = exchange.all_gather(&mine, &lengths);
    let mut bytes: Vec<u8> = words[1..].iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(words[0] as usize);
    String::from_utf8(bytes).map_err(|_| Error::Setting("process 0 sent no text: the connection is faulty".into()))
}

/// The first process whose `bytes` differ from those of process 0, if any. All processes get the same answer.
pub fn odd_one(exchange: &mut dyn Exchange, bytes: &[u8]) -> Option<usize> {
    if exchange.size() == 1 {
        return None;
    }
    let hash = sha256(bytes);
    let words: Vec<u32> = hash.as_bytes().as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
    let all = gather_equal(exchange, &words);
    all.iter().position(|other| *other != all[0])
}
