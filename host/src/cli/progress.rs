//! What a command is doing, on a terminal's stderr, while it takes longer than a moment. Nothing elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What ends sooner is not worth a line.
const MOMENT: Duration = Duration::from_millis(300);

/// How often the line is drawn again.
const STEP: Duration = Duration::from_millis(100);

/// A line with a running clock. It is removed when this is dropped.
pub(super) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Shows what is being done, such as "compiling the policies".
    pub(super) fn show(what: impl Into<String>) -> Self {
        Self::with_bytes(what, &Moved::default())
    }

    /// The same, with how many bytes have been sent or fetched.
    pub(super) fn with_bytes(what: impl Into<String>, moved: &Moved) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let (what, moved) = (what.into(), moved.clone());
        let (running, ended) = channel::<()>();
        let started = crate::platform::clock::now();
        let draw = move || {
            let mut wait = MOMENT;
            let mut frames = ['|', '/', '-', '\\'].into_iter().cycle();
            let mut out = std::io::stderr();
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = STEP;
                let frame = frames.next().unwrap_or('|');
                let seconds = started.elapsed().as_secs();
                let moved = moved.figures();
                let _ = write!(out, "\r{frame} {what}{moved} ({seconds} s)\x1b[K");
            }
            if wait == STEP {
                let _ = write!(out, "\r\x1b[K");
            }
        };
        let thread = std::thread::Builder::new().spawn(draw).ok();
        Self(thread.map(|thread| (running, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((running, thread)) = self.0.take() {
            drop(running);
            // A line that could not be drawn is no failure of the command.
            let _ = thread.join();
        }
    }
}

/// Bytes that have been sent or fetched, of those that are expected. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Moved(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    all: AtomicU64,
}

impl Moved {
    /// So many bytes more are to be moved.
    pub(super) fn expect(&self, bytes: u64) {
        self.0.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes have been moved.
    pub(super) fn add(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Such as ": 1.5 of 4.0 MiB, 37 %". Nothing as long as nothing is expected.
    fn figures(&self) -> String {
        let all = self.0.all.load(Ordering::Relaxed);
        if all == 0 {
            return String::new();
        }
        // A part that is sent again, after the registry asked who sends it, counts once.
        let done = self.0.done.load(Ordering::Relaxed).min(all);
        let (unit, name) = match all {
            0..0x10_0000 => (1 << 10, "KiB"),
            _ => (1 << 20, "MiB"),
        };
        let tenths = |bytes: u64| {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let percent = done.saturating_mul(100) / all;
        format!(": {} of {} {name}, {percent} %", tenths(done), tenths(all))
    }
}

#[cfg(test)]
mod tests {
    use super::Moved;

    #[test]
    fn bytes_are_shown_in_a_unit_that_fits() {
        let moved = Moved::default();
        moved.add(1);
        assert_eq!(moved.figures(), "", "nothing is expected yet");
        moved.expect(2 << 10);
        moved.add(1023);
        assert_eq!(moved.figures(), ": 1.0 of 2.0 KiB, 50 %");
        moved.expect(62 << 20);
        assert_eq!(moved.figures(), ": 0.0 of 62.0 MiB, 0 %");
        moved.add(usize::MAX / 2);
        assert_eq!(moved.figures(), ": 62.0 of 62.0 MiB, 100 %");
    }
}
