//! A progress bar on a terminal's stderr; nothing elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Cells of the bar.
const WIDTH: usize = 40;

/// Draws until the other end of `ended` is gone.
pub(crate) fn draw(done: &AtomicUsize, of: usize, ended: &Receiver<()>) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    while ended.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
        let done = done.load(Relaxed).min(of);
        let cells = done * WIDTH / of.max(1);
        let bar = format!("{}{}", "#".repeat(cells), "-".repeat(WIDTH - cells));
        let _ = write!(out, "\r[{bar}] {:3} %", 100 * done / of.max(1));
    }
    let _ = write!(out, "\r\x1b[K");
}
