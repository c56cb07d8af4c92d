//! A metered function in Lambda: what happens between its calls.
//!
//! Lambda lets a process stand still as soon as its answer is out, and may never let it go on. So a
//! function that spends leased credits registers as an extension of itself: Lambda then waits, with
//! the answer already delivered, until what was spent is published, and told to the processes that
//! share limits. It also tells such a process when it is about to end, which is when leases go back.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clock::SharedClock;
use edge::{Body, Problem, Request, Response};
use lambda_extension::{Extension, LambdaEvent, NextEvent, service_fn};
use lambda_http::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::meter::Meter;
use crate::platform::Platform;

/// The extension's name, in Lambda's logs.
const NAME: &str = "credits";

/// How long a call may be followed by what is done here. The next call waits for it.
const AFTER_CALL_MAX: Duration = Duration::from_secs(2);

/// How often leases are looked after at most, in milliseconds.
const BETWEEN_SWEEPS_MS: i64 = 1_000;

/// How long Lambda gives a process that has an extension to end, less some for the network.
const END_MAX: Duration = Duration::from_millis(250);

/// What is done between calls.
#[derive(Debug)]
struct Between {
    meter: Arc<Meter>,
    clock: SharedClock,
    swept_at_ms: AtomicI64,
    answered: watch::Receiver<u64>,
}

impl Between {
    /// Waits for the answer to the call that `event` tells of, and looks after the leases.
    async fn after(&self, event: LambdaEvent, call: u64) {
        let NextEvent::Invoke(event) = event.next else { return };
        let left_ms = i64::try_from(event.deadline_ms).unwrap_or(i64::MAX) - self.clock.now_ms();
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        let mut answered = self.answered.clone();
        // A call that takes all of its time ends the process, and this with it.
        let _ = tokio::time::timeout(left, answered.wait_for(|calls| *calls >= call)).await;
        self.meter.share().await;
        let now_ms = self.clock.now_ms();
        if now_ms - self.swept_at_ms.swap(now_ms, Ordering::Relaxed) < BETWEEN_SWEEPS_MS {
            // A process with so many calls is about to go on.
            return;
        }
        let sweep = self.meter.holder().sweep();
        if tokio::time::timeout(AFTER_CALL_MAX, sweep).await.is_err() {
            tracing::warn!("leases were not looked after in time");
        }
    }
}

/// Answers Lambda's requests as [`edge::serve`] does, and looks after the leases in between.
///
/// Where there are no extensions, leases are looked after while calls are answered.
///
/// # Errors
/// Whatever ends the Lambda runtime.
pub async fn serve<C, F, Fut>(platform: &Platform, context: C, handle: F) -> Result<(), Error>
where
    C: Send + Sync,
    F: Fn(Arc<C>, Request) -> Fut,
    Fut: Future<Output = Result<Response<Body>, Problem>> + Send,
{
    let (answered, watched) = watch::channel(0);
    let between = Between {
        meter: Arc::clone(&platform.meter),
        clock: Arc::clone(&platform.core.clock),
        swept_at_ms: AtomicI64::new(i64::MIN / 2),
        answered: watched,
    };
    register(between).await;
    edge::serve(platform.core.request_ids(), context, move |context, request| {
        let answered = Answered(answered.clone());
        let answer = handle(context, request);
        async move {
            let answer = answer.await;
            drop(answered);
            answer
        }
    })
    .await
}

/// Counts a call as answered when it is dropped, however the call ended.
struct Answered(watch::Sender<u64>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls += 1);
    }
}

async fn register(between: Between) {
    let between = Arc::new(between);
    let events = Arc::clone(&between);
    let mut calls = 0;
    let extension = Extension::new()
        .with_extension_name(NAME)
        .with_events(&["INVOKE"])
        .with_events_processor(service_fn(move |event: LambdaEvent| {
            // Lambda tells of each call once.
            calls += 1;
            let (between, call) = (Arc::clone(&events), calls);
            async move {
                between.after(event, call).await;
                Ok::<_, Error>(())
            }
        }));
    let extension = match extension.register().await {
        Ok(extension) => extension,
        Err(error) => {
            tracing::warn!(%error, "there are no extensions: usage waits for the next call");
            return;
        }
    };
    tokio::spawn(async move {
        if let Err(error) = extension.run().await {
            tracing::error!(%error, "leases are looked after during calls only");
        }
    });
    match signal(SignalKind::terminate()) {
        Ok(mut ends) => {
            tokio::spawn(async move {
                ends.recv().await;
                if tokio::time::timeout(END_MAX, between.meter.holder().drain()).await.is_err() {
                    tracing::warn!("some leases were not given back in time");
                }
                std::process::exit(0);
            });
        }
        Err(error) => tracing::error!(%error, "leases are not given back at the end"),
    }
}
