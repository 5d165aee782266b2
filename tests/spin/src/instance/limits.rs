//! What one instance may take: its linear memories together, not each.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, Result};

use super::Life;

/// Counts the memory of all parts of an instance.
#[derive(Debug)]
pub(crate) struct Limits {
    limit: usize,
    used: usize,
    last: usize,
    life: Arc<Life>,
}

/// Elements that a table may have: what wasmtime allows by default.
const TABLE_ELEMENTS: usize = 20_000;

impl Limits {
    /// `limit` in bytes.
    pub(crate) fn new(limit: usize, life: Arc<Life>) -> Self {
        Self {
            limit,
            used: 0,
            last: 0,
            life,
        }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let more = desired.saturating_sub(current);
        if self.used.saturating_add(more) > self.limit {
            self.life.memory_was_refused();
            return Ok(false);
        }
        self.used += more;
        self.last = more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.used = self.used.saturating_sub(self.last);
        self.last = 0;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memories_of_an_instance_count_together() {
        let mut limits = Limits::new(100, Arc::default());
        assert!(limits.memory_growing(0, 60, None).unwrap());
        assert!(!limits.memory_growing(0, 50, None).unwrap());
        assert!(limits.life.lacked_memory());
        assert!(limits.memory_growing(0, 40, None).unwrap());
    }

    #[test]
    fn what_could_not_be_grown_is_not_counted() {
        let mut limits = Limits::new(100, Arc::default());
        assert!(limits.memory_growing(0, 60, None).unwrap());
        limits
            .memory_grow_failed(wasmtime::format_err!("no address space"))
            .unwrap();
        assert!(limits.memory_growing(0, 100, None).unwrap());
    }
}
