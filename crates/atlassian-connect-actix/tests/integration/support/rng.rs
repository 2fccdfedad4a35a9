//! Random numbers that are the same in every run.

/// splitmix64.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Each text has its own generator, so that the draws of one case do not change another case.
    pub(crate) fn of(seed: u64, text: &str) -> Self {
        // FNV-1a
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(hash)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// `text` with one to three changes: a character replaced, inserted, removed, or in the other case.
    pub(crate) fn mutated(&mut self, text: &str) -> String {
        loop {
            let changed = (0..=self.below(3)).fold(text.to_owned(), |text, _| self.changed(&text));
            if changed != text {
                return changed;
            }
        }
    }

    fn changed(&mut self, text: &str) -> String {
        const STRANGE: &[&str] = &[
            "x", "0", " ", "\0", "\n", "é", "e\u{301}", "\u{200b}", "\u{feff}", "/", "%", ".", "'", "\"", "-",
            "\u{ff0d}",
        ];
        let characters: Vec<char> = text.chars().collect();
        let (left, right) = characters.split_at(self.below(characters.len() + 1));
        let left: String = left.iter().collect();
        let (first, rest): (String, String) = (right.iter().take(1).collect(), right.iter().skip(1).collect());
        match self.below(8) {
            0..=2 => left + self.pick(STRANGE) + &rest,
            3..=5 => left + self.pick(STRANGE) + &first + &rest,
            6 => left + &rest,
            _ if first.to_lowercase() == first => left + &first.to_uppercase() + &rest,
            _ => left + &first.to_lowercase() + &rest,
        }
    }
}
