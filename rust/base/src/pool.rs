//! Threads of our own, and stopping on request.
//!
//! Why not rayon's global pool: a forked child inherits it without its threads and waits for ever. Here a pool belongs to the
//! process that made it; a child finds another process id and makes its own. Entries are never freed (a pool may be in use), so
//! the list only grows, by one for each process and each larger size asked for.
//!
//! Work is cut into tasks before it comes here, in the same way for any number of threads: results never depend on them.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::raw::List;

/// How often the caller's thread asks whether to stop.
const POLL: Duration = Duration::from_millis(40);
/// More threads than this help nobody.
const MOST_THREADS: usize = 256;

/// How a computation runs: on how many threads, and whom to ask whether to go on.
pub struct Context<'a> {
    /// At most this many threads work at once; 1 stays on the caller's thread.
    pub threads: usize,
    /// Asked on the caller's thread every few hundredths of a second; true means stop.
    pub poll: &'a dyn Fn() -> bool,
}

impl Context<'_> {
    /// The caller's thread, never stopped: for tests and small work.
    #[must_use]
    pub fn serial() -> Context<'static> {
        Context { threads: 1, poll: &|| false }
    }
}

/// Handed to every task, which asks [`Stop::now`] once for each block of work.
pub struct Stop<'a> {
    flag: &'a AtomicBool,
    poll: Option<(&'a dyn Fn() -> bool, Cell<Instant>)>,
}

impl Stop<'_> {
    /// Whether to give up: the result will be thrown away.
    #[must_use]
    pub fn now(&self) -> bool {
        if let Some((poll, last)) = &self.poll
            && last.get().elapsed() >= POLL
        {
            last.set(Instant::now());
            if poll() {
                self.flag.store(true, Ordering::Relaxed);
            }
        }
        self.flag.load(Ordering::Relaxed)
    }
}

struct Entry {
    process: u32,
    threads: usize,
    pool: rayon::ThreadPool,
}

static POOLS: List<Entry> = List::new();

fn pool(threads: usize) -> Result<&'static rayon::ThreadPool> {
    let process = std::process::id();
    if let Some(found) = POOLS.find(|entry| entry.process == process && entry.threads >= threads) {
        return Ok(&found.pool);
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|k| format!("rsnn-{k}"))
        .build()
        .map_err(|e| Error::value(format!("threads={threads}: the system gave no threads ({e}); ask for fewer")))?;
    Ok(&POOLS.push(Entry { process, threads, pool }).pool)
}

/// Run `work` on every task; tasks must not depend on each other's order.
pub fn for_each<T: Send>(context: &Context<'_>, tasks: Vec<T>, work: impl Fn(T, &Stop<'_>) + Sync) -> Result<()> {
    let flag = AtomicBool::new(false);
    let threads = context.threads.min(tasks.len()).min(MOST_THREADS);
    if threads <= 1 {
        let stop = Stop { flag: &flag, poll: Some((context.poll, Cell::new(Instant::now()))) };
        for task in tasks {
            if stop.now() {
                break;
            }
            work(task, &stop);
        }
    } else {
        let queue = Mutex::new(tasks.into_iter());
        let (done, finished) = channel::<()>();
        let (queue, flag, work) = (&queue, &flag, &work);
        pool(threads)?.in_place_scope(|scope| {
            for _ in 0..threads {
                let done = done.clone();
                scope.spawn(move |_| {
                    let _done = done; // dropped at the end, also of a panic
                    let stop = Stop { flag, poll: None };
                    while !stop.now() {
                        let Some(task) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() else { break };
                        work(task, &stop);
                    }
                });
            }
            drop(done);
            while finished.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                if (context.poll)() {
                    flag.store(true, Ordering::Relaxed);
                }
            }
        });
    }
    if flag.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_task_runs_once_for_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let seen: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
            let context = Context { threads, poll: &|| false };
            for_each(&context, (0..50).collect(), |k: usize, _| {
                seen[k].fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
            assert!(seen.iter().all(|s| s.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn a_request_to_stop_ends_long_work_soon() {
        for threads in [1, 2] {
            let context = Context { threads, poll: &|| true };
            let start = Instant::now();
            let result = for_each(&context, vec![(); 4], |(), stop| {
                while !stop.now() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            assert_eq!(result, Err(Error::Interrupted));
            assert!(start.elapsed() < Duration::from_secs(2));
        }
    }
}
