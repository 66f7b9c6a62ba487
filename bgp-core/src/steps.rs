//! In tests, counts the items that policies and the RIB visit, so that a test can assert that twice the input costs about twice
//! the work on any machine. Compiled to nothing otherwise.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
    static EVALUATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts visited items.
#[inline(always)]
pub(crate) fn count(_steps: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + _steps);
}

/// Counts the evaluation of a whole policy.
#[inline(always)]
pub(crate) fn count_evaluation() {
    #[cfg(test)]
    EVALUATIONS.set(EVALUATIONS.get() + 1);
}

/// The items visited by `work` on this thread.
#[cfg(test)]
pub(crate) fn of(work: impl FnOnce()) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}

/// The policy evaluations during `work`.
#[cfg(test)]
pub(crate) fn evaluations_of(work: impl FnOnce()) -> usize {
    let before = EVALUATIONS.get();
    work();
    EVALUATIONS.get() - before
}
