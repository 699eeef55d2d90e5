//! Asynchronous work of this process: one runtime for all of it, timers, and a way for code that is
//! not asynchronous to wait.
//!
//! Invariants: work on the runtime makes progress whatever executor awaits it, even one whose time
//! is paused for a guest; a wait holds no thread except the one that calls `block_on`. The runtime
//! starts with the first piece of work, so that a command without any has no thread for it. It
//! never runs a guest; many of them run on another one (`block_on_all`).

#![allow(
    clippy::disallowed_methods,
    reason = "this module is the one place that starts a runtime and waits on its timers"
)]

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The work waits for sockets and timers; one thread drives thousands of both.
const WORKERS: usize = 1;
/// Threads for what the system can only do blocking: lookups of host names, and waiting for the lock of
/// a file. A lookup is short, calls to one server share their connections, and one run at a time waits
/// for the lock of a root.
const BLOCKING_MAX: usize = 8;

/// Returns the runtime; starts it if nothing has.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // A second runtime would have to be dropped, which is not allowed everywhere.
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_name("io")
        .enable_io()
        .enable_time()
        .build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// A piece of work on the runtime. Ends with the work's result; dropping it ends the work.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<T>);

/// Starts `work` on the runtime. Fails if the system gives no thread for it.
pub fn start<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<Task<T>> {
    Ok(Task(runtime()?.spawn(work)))
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|ended| match ended {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => unreachable!("only dropping the task ends its work"),
                },
            })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for `time` without holding a thread. On a thread of the runtime only.
pub async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Lets the runtime learn what the system knows already: above all, which connections the other side
/// has closed. On a thread of the runtime only.
pub async fn catch_up() {
    // The first turn asks the system, the others let the tasks run that it woke.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// Returns the result of `work`, or `None` if it takes longer than `limit`. On a thread of the
/// runtime only.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// Starts work that blocks a thread, such as waiting for the lock of a file.
pub fn start_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Task<T>> {
    Ok(Task(runtime()?.spawn_blocking(work)))
}

/// Runs `work`, and what it spawns on as many threads as there are processors. Never called inside of
/// asynchronous work.
pub fn block_on_all<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(Builder::new_multi_thread().build()?.block_on(work))
}

/// Wakes the thread that waits in `block_on`.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks the calling thread until `future` is ready, inside another runtime, too. The future must
/// not need a runtime of its own: `start` gives it this one.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result,
            // A wake-up before this line makes it return at once.
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thousand_waits_share_one_thread() {
        let waits: Vec<_> = (0..1000)
            .map(|n| {
                start(async move {
                    wait(Duration::from_millis(20)).await;
                    n
                })
                .unwrap()
            })
            .collect();
        let sum: u32 = waits.into_iter().map(block_on).sum();
        assert_eq!(sum, 999 * 500);
    }

    #[test]
    fn work_is_done_inside_a_runtime_whose_own_timers_are_off() {
        let other = Builder::new_current_thread().build().unwrap();
        let work = || {
            start(within(
                Duration::from_millis(1),
                std::future::pending::<()>(),
            ))
        };
        assert_eq!(other.block_on(async { work().unwrap().await }), None);
        // A function that is not asynchronous, called by one that is.
        assert_eq!(other.block_on(async { block_on(work().unwrap()) }), None);
    }

    #[test]
    fn dropping_a_task_ends_its_work() {
        let (held, ended) = mpsc::channel::<()>();
        let task = start(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(task.unwrap());
        assert_eq!(
            ended.recv_timeout(Duration::from_secs(10)),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
