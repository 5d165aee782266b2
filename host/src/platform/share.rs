//! The share of `limits.memory` that an answer holds while it is gathered, and until its last copy is gone.

use std::sync::Arc;

use bytes::Bytes;
use forebay_gateway::platform::MemoryShare;

use crate::listener::Held;

/// What one answer holds; dropping it gives it back.
pub(super) struct Share {
    held: Arc<Held>,
    bytes: usize,
}

impl Share {
    pub(super) fn of(held: &Arc<Held>) -> Self {
        Self {
            held: held.clone(),
            bytes: 0,
        }
    }
}

impl MemoryShare for Share {
    fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.held.take(bytes)
    }

    fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.held.give(bytes);
    }

    fn is_spare(&self) -> bool {
        self.held.is_spare()
    }

    fn seal(self: Box<Self>, body: Bytes) -> Bytes {
        if self.bytes == 0 {
            return body;
        }
        Bytes::from_owner(Booked {
            body,
            _share: *self,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.give(self.bytes);
    }
}

struct Booked {
    body: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Booked {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
