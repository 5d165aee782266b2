//! What each client address holds: connections that have not shown an API key, requests, bytes of
//! bodies. A share for each keeps one address from taking what all others need.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;

/// What all addresses hold. An address that holds nothing is forgotten, so there are never more
/// addresses than connections and requests.
#[derive(Debug, Default)]
pub struct Peers(Mutex<HashMap<IpAddr, [usize; 3]>>);

/// What an address may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Connections on which no API key was accepted yet.
    Strangers = 0,
    /// Requests at once.
    Requests = 1,
    /// Bytes of request bodies.
    Bytes = 2,
}

/// Something that an address holds, until this is dropped.
#[derive(Debug)]
pub(super) struct Holding {
    peers: Arc<Peers>,
    address: IpAddr,
    kind: Kind,
    amount: usize,
}

impl Peers {
    /// Takes one, if the address stays within its share.
    pub(super) fn hold(
        self: &Arc<Self>,
        peer: IpAddr,
        kind: Kind,
        share: usize,
    ) -> Option<Holding> {
        let mut holding = self.none(peer, kind);
        holding.grow(1, share).then_some(holding)
    }

    /// Holds nothing yet.
    pub(super) fn none(self: &Arc<Self>, peer: IpAddr, kind: Kind) -> Holding {
        Holding {
            peers: self.clone(),
            address: network(peer),
            kind,
            amount: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, [usize; 3]>> {
        // A panic while holding it leaves plain numbers: still usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Takes more, if the address stays within its share.
    pub(super) fn grow(&mut self, amount: usize, share: usize) -> bool {
        let mut all = self.peers.lock();
        let held = all.entry(self.address).or_default();
        let now = &mut held[self.kind as usize];
        let fits = now.saturating_add(amount) <= share;
        if fits {
            *now += amount;
            self.amount += amount;
        } else if *held == [0; 3] {
            all.remove(&self.address);
        }
        fits
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.amount == 0 {
            return;
        }
        let mut all = self.peers.lock();
        if let Some(held) = all.get_mut(&self.address) {
            let now = &mut held[self.kind as usize];
            *now = now.saturating_sub(self.amount);
            if *held == [0; 3] {
                all.remove(&self.address);
            }
        }
    }
}

/// How much of a kind one address may hold. On a gateway without keys all clients are one user's, and
/// may hold all there is.
pub(super) fn share(limits: &Limits, kind: Kind, open: bool) -> usize {
    if open {
        return usize::MAX;
    }
    // Three quarters at most, so that something is left for others.
    let most = |all: usize| (all - all / 4).min(all.saturating_sub(1)).max(1);
    match kind {
        Kind::Strangers => limits.connections_per_address.unwrap_or_else(|| {
            // A quarter: whoever has a key shows it with the first request.
            (limits.connections / 4)
                .max(4)
                .min(most(limits.connections))
        }),
        Kind::Requests => limits
            .requests_per_address
            .map_or_else(|| most(limits.requests as usize), |share| share as usize),
        Kind::Bytes => match limits.memory_per_address {
            Some(share) => share.bytes(),
            // One body must fit, whatever the rest.
            None => most(limits.memory.bytes()).max(limits.body.bytes()),
        },
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, which one client may use all of.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_share_and_leaves_nothing_behind() {
        let peers = Arc::new(Peers::default());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (a, b) = (address("2001:db8::1"), address("2001:db8:0:0:9::"));
        let held: Vec<_> = (0..3)
            .filter_map(|_| peers.hold(a, Kind::Requests, 2))
            .collect();
        assert_eq!(held.len(), 2);
        assert!(
            peers.hold(b, Kind::Requests, 2).is_none(),
            "the same network"
        );
        assert!(peers.hold(address("10.0.0.1"), Kind::Requests, 2).is_some());
        assert!(peers.hold(a, Kind::Strangers, 2).is_some(), "another kind");
        drop(held);
        assert!(peers.lock().is_empty());
    }

    #[test]
    fn a_share_always_leaves_something_to_others() {
        for connections in [2, 3, 5, 20, 10_000] {
            let limits = Limits {
                connections,
                requests: connections as u32,
                ..Limits::default()
            };
            for kind in [Kind::Strangers, Kind::Requests] {
                let share = share(&limits, kind, false);
                assert!((1..connections).contains(&share), "{connections} {kind:?}");
            }
        }
    }
}
