//! Matrix products of 8-bit integers on the CPU, summed in 32 bits. The result is exact, so it is the same with any
//! instructions of the processor and any number of threads.

use super::parts::{Shared, for_each_part};
use super::team;
use std::cell::RefCell;

/// A factor: a matrix of i8, four to a word, each row padded with zeros to whole words.
#[derive(Clone, Copy)]
pub struct Bytes<'a> {
    /// The words.
    pub words: &'a [u32],
    /// Words from one stored row to the next.
    pub stride: usize,
    /// Whether a stored row holds the K terms of one sum. Otherwise a stored row holds one term of every sum: the factor is
    /// transposed.
    pub along: bool,
}

/// A product c (M, N): c\[m, n\] is the sum over k of a\[m, k\]·b\[n, k\].
#[derive(Clone, Copy)]
pub struct Gemm8<'a> {
    /// Rows of c.
    pub m: usize,
    /// Terms of each sum. |a|·|b|·K must stay below 2³¹.
    pub k: usize,
    /// Columns of c.
    pub n: usize,
    /// Left factor (M, K); stored as (K, M) unless `along`.
    pub a: Bytes<'a>,
    /// Right factor (N, K); stored as (K, N) unless `along`.
    pub b: Bytes<'a>,
}

/// Where the result goes: rows of words.
pub struct Target<'a, const N: usize> {
    /// The words (M, `stride`), and other outputs of the same shape that the result changes.
    pub words: [&'a mut [u32]; N],
    /// Words of a row.
    pub stride: usize,
    /// Values in a word: 1 for i32, 4 for i8.
    pub per_word: usize,
}

/// Columns of a panel: two registers of AVX-512.
pub const PANEL: usize = 32;
/// Rows that are computed together.
const ROWS: usize = 8;
/// Rows of c that a thread computes at a time.
const TASK: usize = 64;
/// Fewest multiply-adds for which a second thread saves time.
const PARALLEL_FROM: usize = 1 << 20;

/// The sums of [`ROWS`] rows and the columns of a panel.
type Block = [[i32; PANEL]; ROWS];

/// The instructions that multiply and add.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "instructions of other processors"))]
enum Unit {
    /// AVX-512 VNNI: four products of a u8 and an i8 per sum.
    Vnni,
    /// AVX2: two products of i16 per sum.
    Pairs,
    /// Any processor.
    Plain,
}

impl Unit {
    /// The fastest of this processor.
    fn best() -> Unit {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f") {
                return Unit::Vnni;
            }
            if is_x86_feature_detected!("avx2") {
                return Unit::Pairs;
            }
        }
        Unit::Plain
    }

    /// Packed words for a word of four terms: two where terms are widened to i16.
    fn words(self) -> usize {
        if self == Unit::Vnni { 1 } else { 2 }
    }
}

thread_local! {
    /// Packed factors; they grow to the largest product and are kept.
    static SCRATCH: RefCell<[Vec<u32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

impl Gemm8<'_> {
    /// Computes the product. Calls `finish(first column, rows)` for some rows of a panel at a time. It must write the sums of
    /// each row into the words of the first target, and zeros into its padding.
    ///
    /// # Panics
    /// If M, K or N is zero, or a factor or the target is too short: a bug in a twin.
    pub fn run<const N: usize>(self, target: Target<'_, N>, finish: impl Fn(usize, Rows<'_, N>) + Sync) {
        self.run_on(Unit::best(), target, finish);
    }

    fn run_on<const N: usize>(self, unit: Unit, target: Target<'_, N>, finish: impl Fn(usize, Rows<'_, N>) + Sync) {
        let Gemm8 { m, k, n, a, b } = self;
        assert!(m > 0 && k > 0 && n > 0, "product: {m}×{k} by {k}×{n}");
        a.check(m, k);
        b.check(n, k);
        let Target { words, stride, per_word } = target;
        let long = words.iter().all(|words| words.len() >= m * stride);
        assert!(long && n.div_ceil(per_word) <= stride, "product: the target is too short");
        let groups = k.div_ceil(4) * unit.words();
        // A packed panel starts with a line of offsets.
        let lines = (groups + 1) * PANEL;
        let panels = n.div_ceil(PANEL);
        let alone = m * k * n < PARALLEL_FROM;
        let mut scratch = SCRATCH.take();
        let [left, right] = &mut scratch;
        left.resize(left.len().max(m * groups), 0);
        right.resize(right.len().max(panels * lines), 0);
        let (left, right) = (&mut left[..m * groups], &mut right[..panels * lines]);
        spread(alone, right, lines, &|panel, words| {
            let (offsets, words) = words.split_at_mut(PANEL);
            pack_panel(words, b, panel * PANEL..n.min((panel + 1) * PANEL), k, unit);
            offsets.copy_from_slice(bytemuck::cast_slice(&unit.offsets(words)));
        });
        spread(alone, left, 16 * groups, &|part, words| pack_rows(words, a, part * 16, k, groups, unit));
        let (left, right) = (&*left, &*right);
        let out = words.map(Shared::of);
        let chunks = m.div_ceil(TASK);
        let task = |number: usize| {
            let (panel, chunk) = (number / chunks, number % chunks);
            let (offsets, b) = right[panel * lines..][..lines].split_first_chunk::<PANEL>().expect("a line of offsets");
            let first = panel * PANEL;
            let begin = first / per_word;
            let end = if first + PANEL >= n { stride } else { (first + PANEL) / per_word };
            let mut sums = [[0; PANEL]; ROWS];
            let last = m.min((chunk + 1) * TASK);
            for row in (chunk * TASK..last).step_by(ROWS) {
                // Rows past the end repeat the last one.
                let rows = std::array::from_fn(|r| &left[(row + r).min(last - 1) * groups..][..groups]);
                for (row, out) in (row..last.min(row + ROWS)).flat_map(|row| out.map(|out| (row, out))) {
                    out.prefetch(row * stride + begin, end - begin);
                }
                unit.multiply(rows, b, bytemuck::cast_ref(offsets), &mut sums);
                let part = Rows {
                    sums: &sums,
                    columns: PANEL.min(n - first),
                    out,
                    first: row,
                    words: begin..end,
                    stride,
                    next: 0,
                    count: ROWS.min(last - row),
                };
                finish(first, part);
            }
        };
        if alone {
            (0..panels * chunks).for_each(task)
        } else {
            team::for_each(panels * chunks, &task)
        }
        SCRATCH.set(scratch);
    }
}

/// Some rows of a panel: of each row, its number, its sums, and the words of each target that belong to them. Sums from
/// `columns` on are zero and belong to no word.
pub struct Rows<'a, const N: usize> {
    /// Columns of the panel.
    pub columns: usize,
    sums: &'a Block,
    out: [Shared<'a, u32>; N],
    first: usize,
    words: std::ops::Range<usize>,
    stride: usize,
    next: usize,
    count: usize,
}

impl<'a, const N: usize> Iterator for Rows<'a, N> {
    type Item = (usize, &'a [i32; PANEL], [&'a mut [u32]; N]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let row = self.first + self.next;
        let sums = &self.sums[self.next];
        self.next += 1;
        let begin = row * self.stride + self.words.start;
        // SAFETY: `run_on` gives each pair of a row and a panel to one `Rows`, which gives each row once.
        #[expect(unsafe_code, reason = "parts of rows cannot be borrowed apart otherwise")]
        let words = self.out.map(|out| unsafe { out.part(begin, self.words.len()) });
        Some((row, sums, words))
    }
}

/// Calls `work` with each part of `words` and its number, on this thread alone or on several.
fn spread(alone: bool, words: &mut [u32], part: usize, work: &(dyn Fn(usize, &mut [u32]) + Sync)) {
    if alone {
        words.chunks_mut(part).enumerate().for_each(|(number, part)| work(number, part));
    } else {
        for_each_part([(words, part)], |number, [part]| work(number, part));
    }
}

impl Bytes<'_> {
    /// Checks the length.
    ///
    /// # Panics
    /// If the factor is too short for this many sums of `k` terms.
    fn check(self, sums: usize, k: usize) {
        let (rows, cols) = if self.along { (sums, k) } else { (k, sums) };
        let need = (rows - 1) * self.stride + cols.div_ceil(4);
        assert!(
            cols.div_ceil(4) <= self.stride && need <= self.words.len(),
            "product: a factor of {rows}×{cols} is too short"
        );
    }

    /// The stored row of a term, as bytes; `None` past the end. Only for factors that are not `along`.
    fn term(&self, term: usize, k: usize) -> Option<&[u8]> {
        (term < k).then(|| bytemuck::cast_slice(&self.words[term * self.stride..][..self.stride]))
    }
}

/// Widens a word of four i8 to two words of two i16.
#[inline(always)]
fn widen(word: u32) -> [u32; 2] {
    let [a, b, c, d] = word.to_le_bytes().map(|byte| u32::from(i16::from(byte.cast_signed()).cast_unsigned()));
    [a | b << 16, c | d << 16]
}

/// Packs the columns of a panel, a group of terms after the other. A group holds its terms of all columns. Columns past the
/// end are zero.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn pack_panel(words: &mut [u32], b: Bytes<'_>, columns: std::ops::Range<usize>, k: usize, unit: Unit) {
    let lines = words.as_chunks_mut::<PANEL>().0;
    let mut four = [0; PANEL];
    let mut terms = [[0u8; PANEL]; 4];
    for (term4, lines) in lines.chunks_exact_mut(unit.words()).enumerate() {
        if b.along {
            for (word, column) in four.iter_mut().zip(columns.clone()) {
                *word = b.words[column * b.stride + term4];
            }
        } else {
            for (at, bytes) in terms.iter_mut().enumerate() {
                match b.term(4 * term4 + at, k) {
                    Some(row) => bytes[..columns.len()].copy_from_slice(&row[columns.clone()]),
                    None => *bytes = [0; PANEL],
                }
            }
            let [t0, t1, t2, t3] = &terms;
            for column in 0..PANEL {
                four[column] = u32::from_le_bytes([t0[column], t1[column], t2[column], t3[column]]);
            }
        }
        match lines {
            [line] => *line = four,
            [first, second] => {
                for column in 0..PANEL {
                    [first[column], second[column]] = widen(four[column]);
                }
            }
            _ => unreachable!("a group has one or two lines"),
        }
    }
}

/// Packs rows, each as `groups` words. `words` are whole packed rows, from row `first` on.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn pack_rows(words: &mut [u32], a: Bytes<'_>, first: usize, k: usize, groups: usize, unit: Unit) {
    // VNNI needs an unsigned left factor, so 128 is added to its terms. `Unit::offsets` corrects the sums.
    let flip = if unit == Unit::Vnni { 0x8080_8080 } else { 0 };
    let store = |line: &mut [u32], term4: usize, word: u32| match unit {
        Unit::Vnni => line[term4] = word ^ flip,
        _ => [line[2 * term4], line[2 * term4 + 1]] = widen(word),
    };
    if a.along {
        for (row, line) in (first..).zip(words.chunks_exact_mut(groups)) {
            let terms = &a.words[row * a.stride..][..k.div_ceil(4)];
            terms.iter().enumerate().for_each(|(term4, &word)| store(line, term4, word));
        }
        return;
    }
    for term4 in 0..k.div_ceil(4) {
        let terms: [Option<&[u8]>; 4] = std::array::from_fn(|at| a.term(4 * term4 + at, k));
        for (row, line) in (first..).zip(words.chunks_exact_mut(groups)) {
            let bytes = terms.map(|term| term.map_or(0, |term| term[row]));
            store(line, term4, u32::from_le_bytes(bytes));
        }
    }
}

impl Unit {
    /// The initial values of the sums of a panel. For VNNI, whose left factor is 128 too large, −128 times the sum of the
    /// column.
    fn offsets(self, b: &[u32]) -> [i32; PANEL] {
        if self != Unit::Vnni {
            return [0; PANEL];
        }
        const LEN: usize = 64;
        let ones = [0x0101_0101; LEN];
        let mut sums = [[0; PANEL]; ROWS];
        let mut offsets = [0; PANEL];
        for part in b.chunks(LEN * PANEL) {
            let row = &ones[..part.len() / PANEL];
            self.multiply([row; ROWS], part, &[0; PANEL], &mut sums);
            offsets.iter_mut().zip(sums[0]).for_each(|(offset, sum)| *offset -= 128 * sum);
        }
        offsets
    }

    /// Computes the sums of [`ROWS`] rows and a panel.
    fn multiply(self, rows: [&[u32]; ROWS], b: &[u32], offsets: &[i32; PANEL], sums: &mut Block) {
        assert!(rows.iter().all(|row| row.len() * PANEL == b.len()), "rows do not fit the panel");
        match self {
            // SAFETY: `best` has checked that the processor has the instructions; the lengths are checked above.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "see above")]
            Unit::Vnni => unsafe { vnni(rows, b, offsets, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "see above")]
            Unit::Pairs => unsafe {
                pairs([rows[0], rows[1], rows[2], rows[3]], b, &mut sums[..4]);
                pairs([rows[4], rows[5], rows[6], rows[7]], b, &mut sums[4..]);
            },
            _ => plain(rows, b, offsets, sums),
        }
    }
}

/// Sums of products of i16, for any processor.
fn plain(rows: [&[u32]; ROWS], b: &[u32], offsets: &[i32; PANEL], sums: &mut Block) {
    let halves = |word: u32| [word as u16, (word >> 16) as u16].map(|half| i32::from(half.cast_signed()));
    for (row, sums) in rows.iter().zip(sums) {
        *sums = *offsets;
        for (&a, line) in row.iter().zip(b.as_chunks::<PANEL>().0) {
            let [a0, a1] = halves(a);
            for (sum, &word) in sums.iter_mut().zip(line) {
                let [b0, b1] = halves(word);
                *sum += a0 * b0 + a1 * b1;
            }
        }
    }
}

/// # Safety
/// The processor must have AVX-512 VNNI, and `b` a line of [`PANEL`] words for each word of a row.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instructions for which 8-bit training is fast")]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn vnni(rows: [&[u32]; ROWS], b: &[u32], offsets: &[i32; PANEL], out: &mut Block) {
    use std::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_storeu_si512};
    // SAFETY: both halves of `offsets`, of each line of `b` and of each row of `out` have 16 words.
    unsafe {
        let begin = [0, 16].map(|half| _mm512_loadu_si512(offsets.as_ptr().add(half).cast()));
        let mut sums = [begin; ROWS];
        for (group, line) in b.as_chunks::<PANEL>().0.iter().enumerate() {
            let [first, second] = [0, 16].map(|half| _mm512_loadu_si512(line.as_ptr().add(half).cast()));
            for (sums, row) in sums.iter_mut().zip(rows) {
                let a = _mm512_set1_epi32(row.get_unchecked(group).cast_signed());
                sums[0] = _mm512_dpbusd_epi32(sums[0], a, first);
                sums[1] = _mm512_dpbusd_epi32(sums[1], a, second);
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            _mm512_storeu_si512(out.as_mut_ptr().cast(), sums[0]);
            _mm512_storeu_si512(out.as_mut_ptr().add(16).cast(), sums[1]);
        }
    }
}

/// # Safety
/// The processor must have AVX2, and `b` a line of [`PANEL`] words for each word of a row.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instructions for which 8-bit training is fast")]
#[target_feature(enable = "avx2")]
unsafe fn pairs(rows: [&[u32]; 4], b: &[u32], out: &mut [[i32; PANEL]]) {
    use std::arch::x86_64::{
        _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_storeu_si256,
    };
    for half in [0, 16] {
        // SAFETY: each half of a line of `b` and of a row of `out` has 16 words: two registers of 8.
        unsafe {
            let mut sums = [[_mm256_setzero_si256(); 2]; 4];
            for (group, line) in b.as_chunks::<PANEL>().0.iter().enumerate() {
                let [first, second] = [0, 8].map(|at| _mm256_loadu_si256(line.as_ptr().add(half + at).cast()));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let a = _mm256_set1_epi32(row.get_unchecked(group).cast_signed());
                    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(a, first));
                    sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(a, second));
                }
            }
            for (out, sums) in out.iter_mut().zip(sums) {
                _mm256_storeu_si256(out.as_mut_ptr().add(half).cast(), sums[0]);
                _mm256_storeu_si256(out.as_mut_ptr().add(half + 8).cast(), sums[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores rows of i8 with words of padding.
    fn stored(rows: &[Vec<i8>], stride: usize) -> Vec<u32> {
        let mut words = vec![0; rows.len() * stride];
        for (line, row) in words.chunks_exact_mut(stride).zip(rows) {
            for (at, &value) in row.iter().enumerate() {
                line[at / 4] |= u32::from(value.cast_unsigned()) << (8 * (at % 4));
            }
        }
        words
    }

    #[test]
    fn every_unit_gives_the_exact_sums() {
        let mut random = 1u64;
        let mut draw = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((random >> 40) % 255) as u8 as i16 - 127
        };
        let units: Vec<Unit> = match Unit::best() {
            Unit::Vnni => vec![Unit::Vnni, Unit::Pairs, Unit::Plain],
            Unit::Pairs => vec![Unit::Pairs, Unit::Plain],
            Unit::Plain => vec![Unit::Plain],
        };
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (8, 16, 32), (9, 17, 33), (70, 129, 65), (64, 784, 128), (65, 3, 200)] {
            let mut matrix = |rows: usize, cols: usize| -> Vec<Vec<i8>> {
                (0..rows).map(|_| (0..cols).map(|_| draw() as i8).collect()).collect()
            };
            let (a, b) = (matrix(m, k), matrix(n, k));
            let turned = |matrix: &[Vec<i8>]| -> Vec<Vec<i8>> {
                (0..k).map(|term| matrix.iter().map(|row| row[term]).collect()).collect()
            };
            let want: Vec<i32> = a
                .iter()
                .flat_map(|a| b.iter().map(|b| a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()))
                .collect();
            for (a_along, b_along) in [(true, true), (true, false), (false, true), (false, false)] {
                let stride = |along: bool, sums: usize| if along { k } else { sums }.div_ceil(16) * 4;
                let words = |matrix: &[Vec<i8>], along: bool, sums: usize| match along {
                    true => stored(matrix, stride(true, sums)),
                    false => stored(&turned(matrix), stride(false, sums)),
                };
                let (left, right) = (words(&a, a_along, m), words(&b, b_along, n));
                let shape = Gemm8 {
                    m,
                    k,
                    n,
                    a: Bytes { words: &left, stride: stride(a_along, m), along: a_along },
                    b: Bytes { words: &right, stride: stride(b_along, n), along: b_along },
                };
                for &unit in &units {
                    let mut out = vec![0; m * n];
                    let target = Target { words: [&mut out], stride: n, per_word: 1 };
                    shape.run_on(unit, target, |_, rows| {
                        let columns = rows.columns;
                        for (_, sums, [words]) in rows {
                            words.copy_from_slice(bytemuck::cast_slice(&sums[..columns]));
                        }
                    });
                    let out: &[i32] = bytemuck::cast_slice(&out);
                    assert!(out == want, "{m}×{k}×{n}, along {a_along} and {b_along}");
                }
            }
        }
    }
}
