//! What a command is doing, on a terminal's stderr, while it takes longer than a moment. Nothing elsewhere.

use std::io::{IsTerminal as _, Write as _};
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
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let what = what.into();
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
                let _ = write!(out, "\r{frame} {what} ({seconds} s)\x1b[K");
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
