//! Explains why a prefix is advertised to a peer or not: the whole path from an object of the cluster to the wire and the kernel.
//!
//! Nothing is stored for it. The answer comes from the views of the RIB, and from running its policies again: the RIB of the
//! daemon or, without one, the RIB that [`Forecast`](crate::outlook::Forecast) makes of a plan. The answer is data, and depends
//! on a [`Situation`] alone.
//!
//! | module      | content                                    |
//! |-------------|--------------------------------------------|
//! | `answer`    | the answer as data; its JSON is a contract |
//! | `question`  | the prefix and the peer in question        |
//! | `facts`     | what the RIB knows about the prefix        |
//! | `situation` | all input of the answer                    |
//! | `chain`     | the path to the best route                 |
//! | `towards`   | the path from there to a peer              |
//! | `kernel`    | the path from there into the kernel        |
//! | `verdict`   | the answer from all of this                |
//! | `rule`      | rules of policies in words                 |
//! | `steps`     | the steps of the answer                    |
//! | `offline`   | an answer from files                       |
//! | `render`    | the answer for people                      |

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
