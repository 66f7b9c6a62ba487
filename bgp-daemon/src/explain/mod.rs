//! Why a prefix is told to a peer or not: the whole way from an object of the cluster to the octets and the kernel.
//!
//! Nothing is kept for it. The questions of the speaker's own views are asked, and its own policies are run again; with a daemon of
//! its RIB, without one of the RIB that [`Forecast`](crate::outlook::Forecast) makes of a plan. The answer is data, and follows from a
//! [`Situation`] alone.
//!
//! | module      | what it is                                                        |
//! |-------------|-------------------------------------------------------------------|
//! | `answer`    | the answer as data, in JSON a contract                            |
//! | `question`  | what is asked                                                     |
//! | `facts`     | what the RIB knows of it                                          |
//! | `situation` | all that the answer follows from                                  |
//! | `chain`     | the way up to the best route                                      |
//! | `towards`   | the way from there to a peer                                      |
//! | `kernel`    | the way from there into the kernel                                |
//! | `verdict`   | the answer from all of this                                       |
//! | `rule`      | rules of policies in words                                        |
//! | `offline`   | an answer from files                                              |
//! | `render`    | the answer for people                                             |

mod answer;
mod chain;
mod facts;
mod kernel;
mod offline;
mod question;
mod render;
mod rule;
mod situation;
mod steps;
mod towards;
mod verdict;

pub use answer::{
    Because, Explanation, KernelAnswer, KernelState, Nearest, PeerAnswer, PeerVerdict, Stage, Step,
    StepResult, Verdict,
};
pub use facts::{PeerFact, RouteFact, Subject};
pub use offline::offline;
pub use question::{QuestionError, Target, peers};
pub use render::text;
pub use situation::{KernelFact, SessionFact, Situation};
pub use verdict::explain;

#[cfg(test)]
mod tests;
