//! The speaker's clock, which is that of the runtime: with a paused clock, time is virtual. And optional timers.

use std::pin::Pin;
use std::time::Instant;

use tokio::time::Sleep;

/// Sleeps until an instant; forever if there is none.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A timer for deadlines that mostly move later. A later deadline does not reset it: when it fires too early, it sleeps on.
#[derive(Debug, Default)]
pub(crate) struct LazyTimer(Option<Pin<Box<Sleep>>>);

impl LazyTimer {
    /// Sleeps until an instant; forever if there is none.
    pub(crate) async fn sleep_until(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline.map(Into::into) else {
            return std::future::pending().await;
        };
        let new = || Box::pin(tokio::time::sleep_until(deadline));
        let sleep = self.0.get_or_insert_with(new);
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            sleep.as_mut().await;
            if sleep.deadline() >= deadline {
                return;
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// The time by the clock of the runtime.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lazy_timer_fires_at_its_last_deadline() {
        let (mut timer, begin) = (LazyTimer::default(), now());
        let second = |count| Some(begin + Duration::from_secs(count));
        // Each wait is cancelled by something else, and repeated.
        for (deadline, later) in [(second(5), second(9)), (second(20), second(15))] {
            tokio::select! {
                biased;
                () = timer.sleep_until(deadline) => panic!("too early"),
                () = std::future::ready(()) => {}
            }
            timer.sleep_until(later).await;
            assert_eq!(Some(now()), later);
        }
        timer.sleep_until(second(15)).await;
        assert_eq!(Some(now()), second(15));
        let forever = timer.sleep_until(None);
        let waited = tokio::time::timeout(Duration::from_secs(60), forever).await;
        waited.expect_err("there is no deadline");
    }
}
