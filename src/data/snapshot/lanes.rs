//! Work done ahead on threads, whose results come out in order.

use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Results that wait in each lane.
const AHEAD: usize = 2;

/// Results of work on a list of items, in the list's order. Lane `n` of `k` works on the items `n`, `n + k`,
/// `n + 2k`, … Dropped early, all stop.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: Vec<Receiver<T>>,
    next: usize,
}

impl<T: Send + 'static> Lanes<T> {
    /// Starts so many lanes, or fewer where there are fewer items, each with a worker of its own.
    pub fn start<I, W>(items: &[I], lanes: usize, worker: impl Fn() -> W) -> Self
    where
        I: Copy + Send + 'static,
        W: FnMut(I) -> T + Send + 'static,
    {
        let count = items.len().min(lanes.max(1));
        let lane = |lane| {
            let items: Vec<I> = items.iter().skip(lane).step_by(count).copied().collect();
            let mut work = worker();
            let (send, receive) = mpsc::sync_channel(AHEAD);
            thread::spawn(move || items.into_iter().all(|item| send.send(work(item)).is_ok()));
            receive
        };
        Self { lanes: (0..count).map(lane).collect(), next: 0 }
    }

    /// The next item's result; none when there are no more, or when its worker has died.
    pub fn next(&mut self) -> Option<T> {
        let lane = self.next.checked_rem(self.lanes.len())?;
        self.next += 1;
        self.lanes.get(lane)?.recv().ok()
    }

    /// Ends all work.
    pub fn stop(&mut self) {
        self.lanes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_items_order() {
        for (count, lanes) in [(0, 3), (1, 3), (2, 3), (100, 1), (100, 3), (100, 0)] {
            let items: Vec<usize> = (0..count).collect();
            let mut lanes = Lanes::start(&items, lanes, || |item| item * 2);
            let results: Vec<usize> = std::iter::from_fn(|| lanes.next()).collect();
            assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
