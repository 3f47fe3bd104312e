//! Philox4x32-10: random words that are a function of a counter and a key, so that every one of them is known without the others.
//!
//! J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC11, 2011),
//! <https://doi.org/10.1145/2063384.2063405>. A round multiplies two words of the counter, and mixes the halves of the products
//! with the other two words and the key; the key grows by a constant from round to round.

/// Words that are made together: those of one [`group`].
pub const GROUP: usize = 64;
/// Counters that a group takes, four words from each.
const BLOCKS: usize = GROUP / 4;
const ROUNDS: usize = 10;
const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The two words of a key or of half a counter, the low one first.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "the halves of a word")]
pub fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// `L` counters at once: word `w` of counter `l` is `[w][l]`.
#[inline(always)]
fn rounds<const L: usize>(mut counter: [[u32; L]; 4], mut key: [u32; 2]) -> [[u32; L]; 4] {
    for _ in 0..ROUNDS {
        let mut next = [[0_u32; L]; 4];
        for l in 0..L {
            let [low_0, high_0] = halves(u64::from(counter[0][l]) * u64::from(MULTIPLIER[0]));
            let [low_2, high_2] = halves(u64::from(counter[2][l]) * u64::from(MULTIPLIER[1]));
            next[0][l] = high_2 ^ counter[1][l] ^ key[0];
            next[1][l] = low_2;
            next[2][l] = high_0 ^ counter[3][l] ^ key[1];
            next[3][l] = low_0;
        }
        counter = next;
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The words of neurons `64 group ..` in a step: neuron i has word `(i % 64) / 16` of the counter `(16 (i / 64) + i % 16, step)`,
/// each of the two in 64 bits, the low word first.
///
/// So a word depends on the key, the step and the neuron alone; and no vector must be shuffled to bring the words in order.
#[inline(always)]
pub fn group(key: [u32; 2], step: u64, group: u64, words: &mut [u32; GROUP]) {
    let [step_low, step_high] = halves(step);
    let mut counter = [[0_u32; BLOCKS], [0; BLOCKS], [step_low; BLOCKS], [step_high; BLOCKS]];
    for (l, block) in (group * BLOCKS as u64..).take(BLOCKS).enumerate() {
        [counter[0][l], counter[1][l]] = halves(block);
    }
    let made = rounds(counter, key);
    for (to, from) in words.chunks_exact_mut(BLOCKS).zip(&made) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answers_of_random123_come_out() {
        let known = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, wanted) in known {
            assert_eq!(rounds(counter.map(|word: u32| [word]), key).map(|[word]| word), wanted);
        }
    }

    #[test]
    fn a_group_holds_the_words_that_its_text_says() {
        let key = [7, 11];
        let mut words = [0; GROUP];
        for (step, at) in [(0_u64, 0_u64), (3, 2), (5 << 40, 9 << 33)] {
            group(key, step, at, &mut words);
            for (i, word) in words.iter().enumerate() {
                let [a, b] = halves(16 * at + i as u64 % 16);
                let [c, d] = halves(step);
                assert_eq!([*word], rounds([[a], [b], [c], [d]], key)[i / 16]);
            }
        }
    }
}
