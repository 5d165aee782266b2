//! Programs that run beside this one: read until they are ready, watched, and ended with it.

use std::io::{BufRead, BufReader, Write, stdout};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often a wait looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// A child that is asked to end, and then made to, when its owner is done with it.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    /// Until the announcement is found; then lines are only passed on.
    lines: Option<Receiver<String>>,
    /// How long an orderly end may take: streams in flight are allowed to finish.
    grace: Duration,
}

impl Running {
    /// Starts a program whose standard output is passed on line by line and searched for announcements.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        grace: Duration,
    ) -> Result<Self> {
        // A process group of its own: Ctrl-C then reaches this program alone, which ends its children in order.
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let output = child.stdout.take().context("the output was piped")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                writeln!(stdout(), "{line}").ok();
                sender.send(line).ok();
            }
        });
        Ok(Self {
            name,
            child,
            lines: Some(lines),
            grace,
        })
    }

    /// Waits for a line that begins with `announcement` and returns what follows it.
    pub(crate) fn announced(
        &mut self,
        announcement: &str,
        limit: Duration,
        stop: &Stop,
    ) -> Result<String> {
        let lines = self
            .lines
            .take()
            .context("one announcement is waited for")?;
        let end = Instant::now() + limit;
        while Instant::now() < end {
            match lines.recv_timeout(LOOK) {
                Ok(line) => {
                    if let Some(at) = line.find(announcement) {
                        return Ok(line[at + announcement.len()..].trim().to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) if stop.asked() => bail!("stopped"),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    bail!("{} ended before it was ready ({status})", self.name);
                }
            }
        }
        bail!("{} was not ready after {} s", self.name, limit.as_secs())
    }

    /// Waits until the program ends by itself or a stop is asked for. An end that nobody asked for is a failure.
    pub(crate) fn watch(&mut self, stop: &Stop) -> Result<()> {
        while !stop.asked() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended by itself ({status})", self.name);
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let end = Instant::now() + self.grace;
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(LOOK);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether the person at the terminal, or a supervisor, asked for the end.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes over SIGINT and SIGTERM. A second one ends the program at once.
    pub(crate) fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Registered first, so that it sees the flag as the earlier signal left it.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use super::{Running, Stop};

    fn shell(script: &str) -> Running {
        Running::start(
            "a script",
            Command::new("sh").args(["-c", script]),
            Duration::from_secs(5),
        )
        .unwrap()
    }

    fn nobody_stops() -> Stop {
        Stop(Arc::new(AtomicBool::new(false)))
    }

    #[test]
    fn an_announcement_gives_what_follows_it() {
        let mut server = shell("echo starting; echo it is listening on http://here; exec sleep 60");
        let place = server.announced("listening on ", Duration::from_secs(10), &nobody_stops());
        assert_eq!(place.unwrap(), "http://here");
    }

    #[test]
    fn a_program_that_ends_before_it_is_ready_is_reported_at_once() {
        let mut server = shell("echo no port; exit 7");
        let error = server
            .announced("listening on ", Duration::from_secs(60), &nobody_stops())
            .unwrap_err();
        assert!(error.to_string().contains("exit status: 7"), "{error}");
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let mut server = shell("exec sleep 60");
        let stop = Stop(Arc::new(AtomicBool::new(true)));
        assert!(
            server
                .announced("listening on ", Duration::from_secs(60), &stop)
                .is_err()
        );
        server.watch(&stop).unwrap();
    }

    #[test]
    fn an_end_that_nobody_asked_for_is_a_failure() {
        let mut server = shell("exit 3");
        let error = server.watch(&nobody_stops()).unwrap_err();
        assert!(error.to_string().contains("ended by itself"), "{error}");
    }

    #[test]
    fn a_child_is_asked_to_end_when_its_owner_is_done() {
        let file = std::env::temp_dir().join(format!("xtask-{}-orderly", std::process::id()));
        let script = format!(
            "trap 'echo orderly > {}; exit' TERM; echo ready; while :; do sleep 0.05; done",
            file.display()
        );
        let mut server = shell(&script);
        server
            .announced("ready", Duration::from_secs(10), &nobody_stops())
            .unwrap();
        let started = Instant::now();
        drop(server);
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "orderly\n");
        std::fs::remove_file(&file).unwrap();
    }
}
