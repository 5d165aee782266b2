//! Deadlines over a platform's timer: a timer is only made when a future has to wait, and one that
//! runs is used again as long as it does not ring too late: a stream's next piece costs no new one.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::platform::{BoxFuture, Platform};

/// A timer that is set again and again.
#[derive(Default)]
pub(crate) struct Timer {
    /// What runs, and when it rings. The mutex is never locked: it lets holders be shared by reference.
    running: Option<(Mutex<BoxFuture<'static, ()>>, Instant)>,
}

impl Timer {
    /// Ready once `due` has passed.
    pub(crate) fn poll<P: Platform>(
        &mut self,
        platform: &P,
        due: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.running.as_ref().is_none_or(|(_, rings)| *rings > due) {
                let left = due.saturating_duration_since(platform.now());
                self.running = Some((Mutex::new(Box::pin(platform.sleep(left))), due));
            }
            let Some((timer, rings)) = &mut self.running else {
                return Poll::Pending;
            };
            let timer = timer.get_mut().unwrap_or_else(PoisonError::into_inner);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let rang = *rings;
            self.running = None;
            if rang >= due {
                return Poll::Ready(());
            }
        }
    }

    /// The future's output, or none when `limit` passed first.
    pub(crate) async fn within<P: Platform, F: Future>(
        &mut self,
        platform: &P,
        limit: Duration,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        let due = platform.now() + limit;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.poll(platform, due, cx).map(|()| None)
        })
        .await
    }
}

/// The future's output, or none when `limit` passed first.
pub(crate) async fn timeout<P: Platform, F: Future>(
    platform: &P,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    Timer::default().within(platform, limit, future).await
}

/// When a request's time is up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// When.
    pub(crate) at: Instant,
    /// The client chose it: that it passes says nothing about an upstream.
    pub(crate) own: bool,
}

impl Deadline {
    /// What is left.
    pub(crate) fn left(self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }
}

/// Lets every other task that can run go first, once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
