//! Instances that wait for their tenant's next request (tenant isolation only).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded list of idle instances, each bound to one tenant; the last one put is the first taken.
#[derive(Debug)]
pub(crate) struct Idle<T> {
    list: Mutex<VecDeque<(Arc<str>, T)>>,
    total: usize,
    per_tenant: usize,
}

impl<T> Idle<T> {
    /// Keeps up to `total` in all and up to `per_tenant` for each.
    pub(crate) fn new(total: usize, per_tenant: usize) -> Self {
        Self {
            list: Mutex::new(VecDeque::with_capacity(total)),
            total,
            per_tenant,
        }
    }

    /// Takes one that served this tenant, and only this tenant, before.
    pub(crate) fn take(&self, tenant: &str) -> Option<T> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let at = list.iter().rposition(|(owner, _)| &**owner == tenant)?;
        list.remove(at).map(|(_, instance)| instance)
    }

    /// Keeps one for its tenant. What does not fit, it or the oldest, is dropped.
    pub(crate) fn put(&self, tenant: Arc<str>, instance: T) {
        // Dropping an instance takes microseconds: not under the lock.
        let _surplus = {
            let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
            let held = list.iter().filter(|(owner, _)| *owner == tenant).count();
            if self.total == 0 || held >= self.per_tenant {
                Some((tenant, instance))
            } else {
                let oldest = if list.len() >= self.total {
                    list.pop_front()
                } else {
                    None
                };
                list.push_back((tenant, instance));
                oldest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_gets_only_what_served_it() {
        let idle = Idle::new(4, 2);
        idle.put("a".into(), 1);
        assert_eq!(idle.take("b"), None);
        assert_eq!(idle.take("a"), Some(1));
        assert_eq!(idle.take("a"), None);
    }

    #[test]
    fn a_busy_tenant_keeps_no_more_than_its_share() {
        let idle = Idle::new(4, 2);
        for n in 0..3 {
            idle.put("a".into(), n);
        }
        assert_eq!(
            (idle.take("a"), idle.take("a"), idle.take("a")),
            (Some(1), Some(0), None)
        );
    }

    #[test]
    fn a_new_tenant_pushes_the_oldest_out() {
        let idle = Idle::new(2, 2);
        idle.put("a".into(), 1);
        idle.put("b".into(), 2);
        idle.put("c".into(), 3);
        assert_eq!(
            (idle.take("a"), idle.take("b"), idle.take("c")),
            (None, Some(2), Some(3))
        );
    }
}
