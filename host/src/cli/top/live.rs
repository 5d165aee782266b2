//! `forebay top` on a terminal: a screen that is drawn again whenever something is known or a key is pressed.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::widgets::TableState;

use super::sample::Rates;
use super::{Gateway, Sample, look, view};

/// How many looks the graph remembers: the width of a wide terminal.
const REMEMBERED: usize = 400;

/// How long a key waits for its answer at most.
const TICK: Duration = Duration::from_millis(100);

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub(super) gateway: String,
    pub(super) rates: Option<Rates>,
    /// Why the last look failed.
    pub(super) failure: Option<String>,
    /// Requests per second of the last looks, the newest first.
    pub(super) history: VecDeque<f64>,
    pub(super) selected: TableState,
}

impl Screen {
    /// Takes what a look found.
    pub(super) fn take(&mut self, found: Result<Rates, String>) {
        match found {
            Ok(rates) => {
                self.history.push_front(rates.requests_per_second);
                self.history.truncate(REMEMBERED);
                self.rates = Some(rates);
                self.failure = None;
            }
            Err(why) => self.failure = Some(why),
        }
    }

    /// Takes a key. False when it ends the program.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return true;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => false,
            KeyCode::Char('q') | KeyCode::Esc => false,
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected.select_next();
                true
            }
            KeyCode::Up | KeyCode::Char('k') => {
                self.selected.select_previous();
                true
            }
            _ => true,
        }
    }
}

/// Shows the gateway until `q`, `Esc` or `Ctrl-C` is pressed.
pub(super) fn run(gateway: Gateway, first: Sample, interval: Duration) -> anyhow::Result<()> {
    let mut screen = Screen {
        gateway: gateway.address().to_string(),
        ..Screen::default()
    };
    let found = watch(gateway, first, interval)?;
    let mut terminal = ratatui::try_init().context("the terminal can't be drawn on")?;
    let shown = show(&mut terminal, &mut screen, &found);
    ratatui::try_restore().context("the terminal can't be restored")?;
    shown
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    screen: &mut Screen,
    found: &Receiver<Result<Rates, String>>,
) -> anyhow::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, screen))?;
        // Whatever comes first is drawn at the next turn.
        if event::poll(TICK)?
            && let Event::Key(key) = event::read()?
            && !screen.press(key)
        {
            return Ok(());
        }
        match found.try_recv() {
            Ok(found) => screen.take(found),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                anyhow::bail!("the thread that polls the gateway has stopped")
            }
        }
    }
}

/// Looks at the gateway in a thread of its own, so that keys never wait for an answer. It ends when nobody
/// takes what it finds.
fn watch(
    gateway: Gateway,
    first: Sample,
    interval: Duration,
) -> anyhow::Result<Receiver<Result<Rates, String>>> {
    let (send, found) = sync_channel(1);
    let watch = move || {
        let mut before = first;
        loop {
            std::thread::sleep(interval);
            let rates = look(&gateway).map(|now| {
                let rates = now.since(&before);
                before = now;
                rates
            });
            if send.send(rates.map_err(|e| format!("{e:#}"))).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(watch)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_end_it() {
        let press = |code, modifiers| Screen::default().press(KeyEvent::new(code, modifiers));
        let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        assert!(!press(KeyCode::Char('q'), none) && !press(KeyCode::Esc, none));
        assert!(!press(KeyCode::Char('c'), control));
        assert!(press(KeyCode::Char('c'), none) && press(KeyCode::Down, none));
    }
}
