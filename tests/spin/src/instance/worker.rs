//! How instances are made, used again, and ended.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, Result, Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

use super::{Blueprint, End, Guest, Life, Ticket};

/// How long instances live and how much they do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reuse {
    /// Requests that an instance serves before it is dropped.
    pub(crate) requests: usize,
    /// Requests that it serves at the same time.
    pub(crate) concurrent: usize,
    /// How long it is kept without a request.
    pub(crate) idle: Duration,
    /// From a request to the head of its response, and from there to the end of the guest's work on it.
    pub(crate) request_timeout: Duration,
}

/// Makes the instances of one component.
pub(crate) struct Workers {
    pub(crate) engine: Engine,
    pub(crate) pre: ProxyPre<Guest>,
    pub(crate) blueprint: Blueprint,
    pub(crate) reuse: Reuse,
}

impl HandlerState for Workers {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> Result<Instance<Guest, Expiration, Worker>> {
        let guest = self.blueprint.guest();
        let life = guest.life.clone();
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.limits);
        // At each tick others get their turn, and the timeout is looked at.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instantiating = self.pre.instantiate_async(&mut store);
        let proxy = tokio::time::timeout(self.reuse.request_timeout, instantiating).await??;
        let reuse = match self.pre {
            // A handler of WASI 0.2 may rely on being alone, and on being the first.
            ProxyPre::P2(_) => Reuse {
                requests: 1,
                concurrent: 1,
                ..self.reuse
            },
            ProxyPre::P3(_) => self.reuse,
        };
        Ok(Instance {
            store,
            proxy,
            view: Guest::http,
            expiration: Expiration {
                reuse,
                life: life.clone(),
                sleep: tokio::time::sleep(reuse.idle),
            },
            state: Worker {
                component: self.blueprint.id.clone(),
                reuse,
                life,
            },
        })
    }
}

pin_project! {
    /// When an instance has to go. Looked at from outside the guest, so that a busy loop can't hinder it.
    pub(crate) struct Expiration {
        reuse: Reuse,
        life: Arc<Life>,
        #[pin]
        sleep: Sleep,
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let mut this = self.project();
        let limit = match status {
            WorkerStatus::Idle => this.reuse.idle,
            WorkerStatus::Requests | WorkerStatus::PostReturn => this.reuse.request_timeout,
        };
        let Some(deadline) = start.checked_add(limit) else {
            return Poll::Pending;
        };
        if this.sleep.deadline() != deadline.into() {
            this.sleep.as_mut().reset(deadline.into());
        }
        let expired = this.sleep.poll(cx);
        if expired.is_ready() && status != WorkerStatus::Idle {
            this.life.ended(End::TimedOut);
        }
        expired
    }
}

/// What an instance does with its requests.
pub(crate) struct Worker {
    component: Arc<str>,
    reuse: Reuse,
    life: Arc<Life>,
}

impl WorkerState for Worker {
    type StoreData = Guest;
    type RequestData = Arc<Ticket>;

    fn should_accept_request(&self, concurrent_count: usize, total_count: usize) -> ShouldAccept {
        if total_count >= self.reuse.requests {
            ShouldAccept::Never
        } else if concurrent_count >= self.reuse.concurrent {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, Guest>,
        ticket: Arc<Ticket>,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        ticket.taken_by(&self.life);
        Box::pin(tokio::time::sleep(self.reuse.request_timeout))
    }

    fn drop(&self, store: Store<Guest>, result: Result<()>) {
        if let Err(error) = result {
            // Before the store goes, so that whoever reads what it leaves knows that it is not whole.
            self.life.ended(End::Trap);
            tracing::error!(
                component = &*self.component,
                end = ?self.life.end(),
                error = %error.root_cause(),
                "an instance ended badly and is not used again"
            );
        }
        drop(store);
    }
}
