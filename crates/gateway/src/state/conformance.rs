//! What every store of states has to do, as a test that any of them can be put to. It takes some milliseconds.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Allowance, Bucket, Budget, Cell, Ejection, Held, Kind, Moment, Name, Rests, State, States,
};

/// Threads that change one value at once, and how often each does.
const THREADS: usize = 4;
const CHANGES: usize = 250;

/// Whether a store does what the gateway needs of it. It must be empty.
///
/// # Errors
///
/// What it does wrong.
pub fn conforms(states: &dyn States) -> Result<(), String> {
    keeps_values_apart(states)?;
    forgets_what_has_expired(states)?;
    loses_no_change(states)?;
    lets_one_win(states)?;
    keeps_every_value(states)
}

fn name(kind: Kind, whose: &str) -> Name {
    Name {
        kind,
        whose: whose.into(),
    }
}

fn budget(left: f64) -> State {
    State::Budget(Budget { left })
}

fn put(cell: &dyn Cell, now: Moment, state: State, expires: Moment) {
    cell.change(now, &mut |held| {
        *held = Held {
            state: Some(state.clone()),
            expires,
        };
    });
}

fn at(cell: &dyn Cell, now: Moment) -> Option<State> {
    let mut seen = None;
    cell.look(now, &mut |state| seen = state.cloned());
    seen
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, right: T) -> Result<(), String> {
    match found == right {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} instead of {right:?}")),
    }
}

fn keeps_values_apart(states: &dyn States) -> Result<(), String> {
    let now = Moment(1_000);
    let names = [
        name(Kind::Key, "a"),
        name(Kind::Key, "b"),
        name(Kind::Tenant, "a"),
        name(Kind::Rests, "a/b"),
    ];
    for name in &names {
        let empty = at(&*states.cell(name), now);
        expect("a new name", empty, None)?;
    }
    for (left, name) in (0_u8..).zip(&names) {
        put(&*states.cell(name), now, budget(left.into()), Moment::NEVER);
    }
    for (left, name) in (0_u8..).zip(&names) {
        let what = format!("{name}, asked for anew");
        expect(
            &what,
            at(&*states.cell(name), now),
            Some(budget(left.into())),
        )?;
    }
    Ok(())
}

fn forgets_what_has_expired(states: &dyn States) -> Result<(), String> {
    let cell = states.cell(&name(Kind::Key, "expires"));
    let (now, end) = (Moment(5_000), Moment(9_000));
    put(&*cell, now, budget(1.0), end);
    expect(
        "before its end",
        at(&*cell, Moment(8_999)),
        Some(budget(1.0)),
    )?;
    expect("at its end", at(&*cell, end), None)?;
    let mut found = None;
    cell.change(end, &mut |held| {
        found = Some(held.state.clone());
        held.state = Some(budget(2.0));
        held.expires = Moment::NEVER;
    });
    expect("a change at its end", found, Some(None))?;
    expect(
        "after a change",
        at(&*cell, Moment(99_999)),
        Some(budget(2.0)),
    )?;
    cell.change(end, &mut |held| *held = Held::NOTHING);
    expect("after it was taken away", at(&*cell, now), None)
}

/// Runs `work` in several threads at once.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    })
}

fn loses_no_change(states: &dyn States) -> Result<(), String> {
    let now = Moment(1_000);
    let cells: Vec<Arc<dyn Cell>> = (0..THREADS)
        .map(|_| states.cell(&name(Kind::Retries, "sum")))
        .collect();
    at_once(|thread| {
        for _ in 0..CHANGES {
            cells[thread].change(now, &mut |held| {
                let left = match &held.state {
                    Some(State::Budget(budget)) => budget.left,
                    _ => 0.0,
                };
                held.state = Some(budget(left + 1.0));
            });
        }
    });
    let sum = u32::try_from(THREADS * CHANGES).map_or(0.0, f64::from);
    let found = at(&*cells[0], now);
    expect("the sum of all changes", found, Some(budget(sum)))
}

/// Of several who would put something where nothing is, one does, and each learns who.
fn lets_one_win(states: &dyn States) -> Result<(), String> {
    let now = Moment(1_000);
    for round in 0..CHANGES {
        let name = name(Kind::Ejection, &format!("round {round}"));
        let won = at_once(|thread| {
            let mut won = false;
            states.cell(&name).change(now, &mut |held| {
                won = held.state.is_none();
                if won {
                    held.state = Some(budget(u32::try_from(thread).map_or(0.0, f64::from)));
                }
            });
            won
        });
        let winners = won.iter().filter(|won| **won).count();
        expect("who found nothing there", winners, 1)?;
    }
    Ok(())
}

fn keeps_every_value(states: &dyn States) -> Result<(), String> {
    let now = Moment(1_700_000_000_000_000_000);
    let mut rests = Rests::default();
    let until = now.after(Duration::from_secs(30));
    rests.add("m", (until, until), true, now);
    let bucket = Bucket {
        limit: 60.0,
        level: -12.5,
        at: now,
    };
    let allowance = Allowance {
        requests: None,
        tokens: Some(bucket),
    };
    let mut ejection = Ejection::after(None, Duration::ZERO, now);
    ejection.begin_trial(now);
    let all = [
        State::Allowance(allowance),
        State::Rests(rests),
        State::Ejection(ejection),
        budget(0.25),
    ];
    for (n, state) in all.into_iter().enumerate() {
        let cell = states.cell(&name(Kind::Key, &format!("value {n}")));
        put(&*cell, now, state.clone(), Moment::NEVER);
        expect("a value", at(&*cell, now), Some(state.clone()))?;
        let held = Held {
            state: Some(state),
            expires: now,
        };
        let stored = held.encode().unwrap_or_default();
        expect("its stored form", Held::decode(&stored), held)?;
        let newer = String::from_utf8_lossy(&stored).replacen("\"v\":1", "\"v\":2", 1);
        let newer = Held::decode(newer.as_bytes());
        expect("the form of another version", newer, Held::NOTHING)?;
    }
    Ok(())
}
