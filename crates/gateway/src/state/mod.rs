//! What limits and cooldowns stand at, as values under names: what a store that several gateways
//! share can hold. The memory tier is the only store today.

#[cfg(not(target_family = "wasm"))]
mod conformance;
mod ledger;
mod memory;
mod value;

use std::fmt;
use std::sync::Arc;

use crate::platform::{MaybeSend, MaybeSync};

#[cfg(not(target_family = "wasm"))]
pub use conformance::conforms;
pub(crate) use ledger::{Handle, Ledger};
pub use memory::MemoryStates;
pub use value::{Allowance, Bucket, Budget, Ejection, Moment, Rest, Rests, State};

/// What kind of value a name stands for. Names of two kinds are never the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What an API key has left: an [`Allowance`].
    Key,
    /// What a tenant has left: an [`Allowance`].
    Tenant,
    /// Until when a replica rests: [`Rests`].
    Rests,
    /// Until when a replica is ejected: an [`Ejection`].
    Ejection,
    /// How many repeats are left: a [`Budget`].
    Retries,
}

/// The name of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// What kind it is.
    pub kind: Kind,
    /// Whose it is: a key's identifier, a tenant, an upstream and its replica.
    pub whose: Arc<str>,
}

/// As a key of a store: `key/ID`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Key => "key",
            Kind::Tenant => "tenant",
            Kind::Rests => "rests",
            Kind::Ejection => "ejection",
            Kind::Retries => "retries",
        };
        write!(f, "{kind}/{}", self.whose)
    }
}

/// What rests under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The value; none where nothing was put there, or what was has expired.
    pub state: Option<State>,
    /// From then on it is as if nothing was there.
    pub expires: Moment,
}

/// Where states rest. [`conforms`] is the test that every store has to pass.
pub trait States: MaybeSend + MaybeSync + fmt::Debug {
    /// The cell of a name. All cells of one name hold the same value, for as long as any is held or
    /// the value has not expired. A store is bounded: of names that nobody asks for it forgets the
    /// oldest, which then begin anew.
    fn cell(&self, name: &Name) -> Arc<dyn Cell>;
}

/// One value that several may change at once. It is asked on the way of every request, so it answers at
/// once: a store behind a network answers by what it knows, and exchanges it aside.
pub trait Cell: MaybeSend + MaybeSync + fmt::Debug {
    /// Shows what is there at this moment.
    fn look(&self, now: Moment, look: &mut dyn FnMut(Option<&State>));

    /// Changes what is there, in one step that nobody else's comes between. A store that compares and
    /// sets may call `change` again, with the newer value, where somebody else was first: only what its last
    /// call leaves counts.
    fn change(&self, now: Moment, change: &mut dyn FnMut(&mut Held));
}
