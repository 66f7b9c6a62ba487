//! Counts in tests what policies and the RIB look at, so that a test can say that twice the input costs no more than about twice as much,
//! whatever machine it runs on. Compiled to nothing elsewhere.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
    static EVALUATIONS: Cell<usize> = const { Cell::new(0) };
}

/// So many things are looked at now.
#[inline(always)]
pub(crate) fn count(_steps: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + _steps);
}

/// A policy is asked now, all of it.
#[inline(always)]
pub(crate) fn count_evaluation() {
    #[cfg(test)]
    EVALUATIONS.set(EVALUATIONS.get() + 1);
}

/// The steps that something takes on this thread.
#[cfg(test)]
pub(crate) fn of(work: impl FnOnce()) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}

/// How often policies are asked meanwhile.
#[cfg(test)]
pub(crate) fn evaluations_of(work: impl FnOnce()) -> usize {
    let before = EVALUATIONS.get();
    work();
    EVALUATIONS.get() - before
}
