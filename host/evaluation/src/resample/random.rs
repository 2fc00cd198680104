//! How often a resample draws a row: numbers that depend on the data, the resample and the row alone.
//!
//! A bootstrap of n rows draws each about as often as a Poisson variable of mean 1 says (Oza and Russell, 2001;
//! Chamandy et al., 2012), and such counts need no memory and no order. They come from Philox4x32-10 (Salmon et al., 2011),
//! a generator that is a function of a counter: here of the row and the number of the resample, with a key from the
//! data's digest.

use hydra_base::Sha256;

/// How many resamples are computed at a time: the random bytes of one counter.
pub(crate) const LANES: usize = 16;

/// How many rows' counts are computed at a time.
const AT_A_TIME: usize = 16;

/// For each count from 1, how many of 256 equally probable bytes give at least that count.
///
/// They are the Poisson distribution's numbers rounded so that the mean and the variance are exactly 1, on which the width of
/// intervals depends; its probabilities differ from Poisson's by at most 0.01.
const AT_LEAST: [u8; 5] = [161, 69, 20, 5, 1];

/// The counts of all resamples of a dataset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    key: [u32; 2],
}

impl Counts {
    /// The counts for the data with this digest.
    pub(crate) fn of(digest: Sha256) -> Self {
        let word = |first: usize| {
            digest.as_bytes()[first..first + 4].iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))
        };
        Self { key: [word(0), word(4)] }
    }

    /// How often the resamples from `lanes` × [`LANES`] on draw each of `units`.
    pub(crate) fn fill(self, units: &[u32], lanes: u32, counts: &mut [[f64; LANES]]) {
        for (units, counts) in units.chunks(AT_A_TIME).zip(counts.chunks_mut(AT_A_TIME)) {
            let mut padded = [0; AT_A_TIME];
            padded[..units.len()].copy_from_slice(units);
            let random = philox([padded, [lanes; AT_A_TIME], [0; AT_A_TIME], [0; AT_A_TIME]], self.key);
            for (index, counts) in counts.iter_mut().enumerate() {
                *counts = counts_of(std::array::from_fn(|word| random[word][index]));
            }
        }
    }
}

/// The counts of [`LANES`] resamples, each from a random byte.
fn counts_of(random: [u32; 4]) -> [f64; LANES] {
    let mut bytes = [0; LANES];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(random) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut counts = [0_u8; LANES];
    for below in AT_LEAST {
        for (count, byte) in counts.iter_mut().zip(bytes) {
            *count += u8::from(byte < below);
        }
    }
    counts.map(f64::from)
}

/// Philox4x32-10 of several counters with one key. The counters' words come first, so that compilers use vectors.
fn philox<const N: usize>(mut counters: [[u32; N]; 4], mut key: [u32; 2]) -> [[u32; N]; 4] {
    const MULTIPLIERS: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
    const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
    for _ in 0..10 {
        let mut next = [[0; N]; 4];
        for index in 0..N {
            let products = [
                u64::from(counters[0][index]) * MULTIPLIERS[0],
                u64::from(counters[2][index]) * MULTIPLIERS[1],
            ];
            next[0][index] = (products[1] >> 32) as u32 ^ counters[1][index] ^ key[0];
            next[1][index] = products[1] as u32;
            next[2][index] = (products[0] >> 32) as u32 ^ counters[3][index] ^ key[1];
            next[3][index] = products[0] as u32;
        }
        counters = next;
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_its_authors_answers() {
        // From `kat_vectors` of Random123.
        for (counter, key, answer) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter.map(|word| [word]), key), answer.map(|word| [word]));
        }
    }

    #[test]
    fn counts_have_a_mean_and_a_variance_of_one() {
        let (mut sum, mut squares, mut cubes, mut poisson) = (0, 0, 0, (-1.0_f64).exp());
        let mut share = [0_u32; 6];
        for byte in 0..=u8::MAX {
            let [count, ..] = counts_of([u32::from(byte), 0, 0, 0]);
            let off = count as i32 - 1;
            sum += off;
            squares += off * off;
            cubes += off * off * off;
            share[count as usize] += 1;
        }
        // The third central moment is that of Poisson, 1, but for 4 %.
        assert_eq!((sum, squares, cubes), (0, 256, 246));
        for (count, share) in (0..).zip(share) {
            poisson /= f64::from(count.max(1));
            assert!((f64::from(share) / 256.0 - poisson).abs() < 0.01, "{count}: {share}");
        }
    }

    #[test]
    fn counts_differ_by_row_resample_and_data() {
        let all = |text: &str, unit: u32, lanes: u32| {
            let mut counts = [[0.0; LANES]; 4];
            Counts::of(Sha256::of(text.as_bytes())).fill(&[unit, unit + 1, 0, 7], lanes, &mut counts);
            counts
        };
        assert_eq!(all("a", 5, 1), all("a", 5, 1));
        assert_eq!(all("a", 5, 1)[2..], all("a", 6, 1)[2..]);
        for other in [all("b", 5, 1), all("a", 6, 1), all("a", 5, 2)] {
            assert_ne!(all("a", 5, 1)[0], other[0]);
        }
    }

    /// Counts of neighbouring rows and resamples are independent: their correlations vanish.
    #[test]
    fn counts_are_uncorrelated() {
        const ROWS: usize = 40_000;
        let counts = Counts::of(Sha256::of(b"data"));
        let units: Vec<u32> = (0..ROWS as u32).collect();
        let mut drawn = vec![[0.0; LANES]; ROWS];
        counts.fill(&units, 3, &mut drawn);
        let covariance = |other: &dyn Fn(usize) -> [f64; LANES], a: usize, b: usize| {
            let products = (0..ROWS).map(|row| (drawn[row][a] - 1.0) * (other(row)[b] - 1.0));
            products.sum::<f64>() / ROWS as f64
        };
        // Five standard errors.
        let bound = 5.0 / (ROWS as f64).sqrt();
        for a in 0..LANES {
            for b in 0..LANES {
                let expected = if a == b { 1.0 } else { 0.0 };
                let within = covariance(&|row| drawn[row], a, b);
                assert!((within - expected).abs() < 2.0 * bound, "lanes {a}, {b}: {within}");
                let neighbour = covariance(&|row| drawn[(row + 1) % ROWS], a, b);
                assert!(neighbour.abs() < bound, "rows {a}, {b}: {neighbour}");
            }
        }
    }
}
