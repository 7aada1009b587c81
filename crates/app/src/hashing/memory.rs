//! The block memory of one worker, kept from one evaluation to the next.

use argon2::Block;
use zeroize::Zeroize;

/// Blocks that are allocated (and touched, which is what costs) once for a burst of work.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// At least `count` blocks with anything in them: Argon2 writes each before it reads it. `None`: out of memory.
    pub(super) fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        if self.0.len() / 4 > count {
            // One stored hash that was much dearer than the rest must not keep its memory through a busy day.
            self.release();
        }
        if self.0.len() < count {
            self.0.try_reserve_exact(count - self.0.len()).ok()?;
            self.0.resize(count, Block::new());
        }
        Some(&mut self.0[..count])
    }

    /// Gives all of it back, overwritten: it was derived from passwords.
    pub(super) fn release(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
        self.0 = Vec::new();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.release();
    }
}
