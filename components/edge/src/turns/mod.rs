//! One request on a platform whose calls can't be awaited: what the request wants is handed out as
//! effects, what came of them comes back as happenings, and between the two it runs as far as it can.

mod waits;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use forebay_gateway::platform::TransportError;
use futures_core::Stream as _;
use futures_util::stream::FuturesUnordered;

pub use waits::{Answer, Body, Sleep};

/// What an effect and its happening have in common. A body has the id of the request that it answers.
pub type Id = u32;

/// The client's own body.
pub const REQUEST: Id = 0;

/// The most pieces of a body that are kept before they are asked for: the whole of a small one, and
/// its end.
const MAX_EARLY: usize = 2;

/// What the platform is to do.
#[derive(Debug)]
pub enum Effect {
    /// Send this to an upstream.
    Fetch(Id, http::Request<Bytes>, Duration),
    /// Read the next piece of a body.
    Read(Id),
    /// Nobody waits for it any longer.
    Cancel(Id),
    /// Read a key of the store.
    Get(Id, String),
    /// Write a key of the store; the duration is how long it is of use.
    Put(Id, String, Vec<u8>, Duration),
    /// The client's answer begins.
    Head(http::response::Parts),
    /// A piece of the answer.
    Chunk(Bytes),
    /// The answer is whole.
    End,
    /// The answer broke off.
    Abort,
    /// The answer is this head with an upstream's body as it is.
    Pass(Id, http::response::Parts),
}

/// What came of effects.
#[derive(Debug)]
pub enum Happening {
    /// An upstream's head came, or none.
    Fetched(Id, Result<http::Response<()>, TransportError>),
    /// A piece of a body; none is its end.
    Piece(Id, Result<Option<Bytes>, String>),
    /// A key's value.
    Got(Id, Result<Option<Vec<u8>>, String>),
    /// A key was written.
    Written(Id, Result<(), String>),
    /// The client has room for the next piece.
    Taken,
    /// The client has left.
    Gone,
}

/// What a turn came to.
#[derive(Debug)]
pub struct Turn {
    /// In order.
    pub effects: Vec<Effect>,
    /// When the next turn is due if nothing happens before.
    pub wake: Option<Duration>,
    /// Nothing is left to do.
    pub done: bool,
}

/// The monotonic clock and the wall clock.
pub type Clocks = (Instant, SystemTime);

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The side of an exchange that its futures hold.
#[derive(Default)]
pub struct Wires {
    effects: RefCell<Vec<Effect>>,
    waits: RefCell<HashMap<Id, Wait>>,
    /// Pieces of bodies that came before they were asked for, in order.
    early: RefCell<Vec<(Id, Happening)>>,
    alarms: RefCell<HashMap<Id, (Instant, Waker)>>,
    spawned: RefCell<Vec<Task>>,
    last: Cell<Id>,
    clocks: Cell<Option<Clocks>>,
    taken: Cell<bool>,
    gone: Cell<bool>,
    client: RefCell<Option<Waker>>,
}

#[derive(Default)]
struct Wait {
    happened: Option<Happening>,
    waker: Option<Waker>,
}

impl Wires {
    fn next_id(&self) -> Id {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// The monotonic clock: the turn's, where it was told.
    pub fn now(&self) -> Instant {
        self.clocks.get().map_or_else(Instant::now, |told| told.0)
    }

    /// The wall clock: the turn's, where it was told.
    pub fn wall(&self) -> SystemTime {
        self.clocks
            .get()
            .map_or_else(SystemTime::now, |told| told.1)
    }

    /// A task beside the main one.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Box::pin(task));
    }

    /// Hands out an effect that nothing answers.
    pub fn emit(&self, effect: Effect) {
        self.effects.borrow_mut().push(effect);
    }

    /// Hands out an effect that is answered; dropping the wait cancels it.
    pub fn ask(self: &Rc<Self>, effect: impl FnOnce(Id) -> Effect) -> Answer {
        let id = self.next_id();
        self.wait_for(id, effect(id))
    }

    fn wait_for(self: &Rc<Self>, id: Id, effect: Effect) -> Answer {
        let mut early = self.early.borrow_mut();
        let first = early.iter().position(|(of, _)| *of == id);
        let happened = first.map(|first| early.remove(first).1);
        drop(early);
        if happened.is_none() {
            self.emit(effect);
        }
        let wait = Wait {
            happened,
            waker: None,
        };
        self.waits.borrow_mut().insert(id, wait);
        Answer {
            id,
            wires: self.clone(),
            over: false,
        }
    }

    /// The body of an upstream's answer, or the client's.
    pub fn body(self: &Rc<Self>, id: Id) -> Body {
        Body {
            id,
            wires: self.clone(),
            reading: None,
            over: false,
        }
    }

    /// Resolves once `duration` has passed.
    pub fn sleep(self: &Rc<Self>, duration: Duration) -> Sleep {
        Sleep {
            id: self.next_id(),
            due: self.now() + duration,
            wires: self.clone(),
        }
    }

    /// Wakes the sleepers whose time has come; when the next one's comes, where none was woken.
    fn ring(&self) -> Result<(), Option<Duration>> {
        let now = self.now();
        let due: Vec<Waker> = {
            let mut alarms = self.alarms.borrow_mut();
            let due = alarms.extract_if(|_, (at, _)| *at <= now);
            due.map(|(_, (_, waker))| waker).collect()
        };
        if due.is_empty() {
            let alarms = self.alarms.borrow();
            return Err(alarms.values().map(|(at, _)| *at - now).min());
        }
        due.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Writes a piece of the answer and resolves once the client has room for another.
    pub async fn write(&self, piece: Bytes) {
        self.taken.set(false);
        self.emit(Effect::Chunk(piece));
        std::future::poll_fn(|cx| match self.taken.get() {
            true => Poll::Ready(()),
            false => {
                *self.client.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }

    /// The future's output, or none once the client has left.
    pub async fn while_wanted<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if self.gone.get() {
                return Poll::Ready(None);
            }
            let output = future.as_mut().poll(cx).map(Some);
            if output.is_pending() {
                *self.client.borrow_mut() = Some(cx.waker().clone());
            }
            output
        })
        .await
    }

    /// Keeps a piece that nobody has asked for yet: a host may tell a body and its end at once.
    fn keep_early(&self, id: Id, piece: Happening) {
        let mut early = self.early.borrow_mut();
        if early.iter().filter(|(of, _)| *of == id).count() < MAX_EARLY {
            early.push((id, piece));
        }
    }

    fn happen(&self, happening: Happening) {
        let id = match &happening {
            Happening::Fetched(id, _)
            | Happening::Piece(id, _)
            | Happening::Got(id, _)
            | Happening::Written(id, _) => *id,
            Happening::Taken | Happening::Gone => {
                match happening {
                    Happening::Gone => self.gone.set(true),
                    _ => self.taken.set(true),
                }
                if let Some(waker) = self.client.borrow_mut().take() {
                    waker.wake();
                }
                return;
            }
        };
        match self.waits.borrow_mut().get_mut(&id) {
            Some(wait) if wait.happened.is_none() => {
                wait.happened = Some(happening);
                if let Some(waker) = wait.waker.take() {
                    waker.wake();
                }
            }
            _ if matches!(happening, Happening::Piece(..)) => self.keep_early(id, happening),
            // What nobody waits for any longer is dropped.
            _ => {}
        }
    }
}

/// An exchange: its futures, and their wires.
pub struct Turns {
    wires: Rc<Wires>,
    tasks: FuturesUnordered<Task>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Wires>>> = const { RefCell::new(None) };
}

/// The wires of the exchange whose turn it is.
///
/// # Panics
///
/// Outside of a turn.
#[allow(
    clippy::expect_used,
    reason = "a platform is asked by its exchange's futures alone"
)]
pub fn current() -> Rc<Wires> {
    CURRENT
        .with_borrow(Clone::clone)
        .expect("a platform is used within a turn only")
}

impl Turns {
    /// An exchange of this task and what it spawns.
    pub fn new<F: Future<Output = ()> + 'static>(main: impl FnOnce(Rc<Wires>) -> F) -> Self {
        let wires = Rc::new(Wires::default());
        wires.spawn(main(wires.clone()));
        Self {
            wires,
            tasks: FuturesUnordered::new(),
            woken: Arc::new(Woken(AtomicBool::new(false))),
        }
    }

    /// As [`Self::step`], on a host whose clocks stand still within a turn: it tells them.
    pub fn step_at(
        &mut self,
        clocks: Clocks,
        happened: impl IntoIterator<Item = Happening>,
    ) -> Turn {
        self.wires.clocks.set(Some(clocks));
        self.step(happened)
    }

    /// Takes what happened and goes on as far as it can.
    pub fn step(&mut self, happened: impl IntoIterator<Item = Happening>) -> Turn {
        let before = CURRENT.replace(Some(self.wires.clone()));
        for happening in happened {
            self.wires.happen(happening);
        }
        let waker = Waker::from(self.woken.clone());
        let mut cx = Context::from_waker(&waker);
        let wake = loop {
            self.run(&mut cx);
            if let Err(next) = self.wires.ring() {
                break next;
            }
        };
        CURRENT.set(before);
        Turn {
            effects: self.wires.effects.take(),
            wake,
            done: self.tasks.is_empty(),
        }
    }

    fn run(&mut self, cx: &mut Context<'_>) {
        loop {
            self.tasks.extend(self.wires.spawned.take());
            self.woken.0.store(false, Relaxed);
            match Pin::new(&mut self.tasks).poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if self.wires.spawned.borrow().is_empty() => return,
                Poll::Pending
                    if !self.woken.0.load(Relaxed) && self.wires.spawned.borrow().is_empty() =>
                {
                    return;
                }
                _ => {}
            }
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        // What the futures hold may ask for the platform when it goes.
        let before = CURRENT.replace(Some(self.wires.clone()));
        self.tasks = FuturesUnordered::new();
        self.wires.spawned.take();
        CURRENT.set(before);
    }
}
