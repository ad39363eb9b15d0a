//! Several processes as threads: an exchange over shared memory.

use gpu_mlp::train::exchange::Exchange;
use std::sync::{Arc, Barrier, Mutex};

/// The place where all threads put their words.
struct Table {
    words: Vec<Mutex<Vec<u32>>>,
    barrier: Barrier,
}

/// One thread of a team.
pub struct Member {
    rank: usize,
    table: Arc<Table>,
}

/// The members of a team of this size.
pub fn team(size: usize) -> Vec<Member> {
    let words = (0..size).map(|_| Mutex::new(Vec::new())).collect();
    let table = Arc::new(Table { words, barrier: Barrier::new(size) });
    (0..size).map(|rank| Member { rank, table: table.clone() }).collect()
}

/// Runs `work` in a thread for each member of a team. Returns the results, first member first.
pub fn in_threads<T: Send>(size: usize, work: impl Fn(Member) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = team(size).into_iter().map(|member| scope.spawn(|| work(member))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).collect()
    })
}

impl Member {
    /// Puts words on the table, and returns those of all members.
    fn swap(&self, words: &[u32]) -> Vec<Vec<u32>> {
        *self.table.words[self.rank].lock().expect("no panic") = words.to_vec();
        self.table.barrier.wait();
        let all = self.table.words.iter().map(|words| words.lock().expect("no panic").clone()).collect();
        // No member may put new words before all have read these.
        self.table.barrier.wait();
        all
    }
}

impl Exchange for Member {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.table.words.len()
    }

    fn all_to_all(&mut self, words: &[u32], sent: &[usize], received: &[usize]) -> Vec<u32> {
        assert_eq!(words.len(), sent.iter().sum::<usize>());
        // The words, and where the part of each member starts.
        let mut starts = vec![sent.len() as u32 + 1];
        sent.iter().for_each(|length| starts.push(starts[starts.len() - 1] + *length as u32));
        let parts = self.swap(&[starts, words.to_vec()].concat());
        let mut all = Vec::new();
        for (part, length) in parts.iter().zip(received) {
            let mine = &part[part[self.rank] as usize..part[self.rank + 1] as usize];
            assert_eq!(mine.len(), *length, "a member sends other lengths than expected");
            all.extend_from_slice(mine);
        }
        all
    }

    fn all_gather(&mut self, words: &[u32], lengths: &[usize]) -> Vec<u32> {
        let all = self.swap(words);
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        all.concat()
    }

    fn sum(&mut self, words: &mut [u32]) {
        let all = self.swap(words);
        for (at, word) in words.iter_mut().enumerate() {
            *word = all.iter().fold(0, |sum: u32, part| sum.wrapping_add(part[at]));
        }
    }
}
