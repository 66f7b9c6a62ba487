//! What a policy makes of one set of attributes, remembered for prefix after prefix.
//!
//! Of all that a policy looks at, only the prefix differs between the routes of an UPDATE. So what it decides follows from the
//! answers to its questions about prefixes, and has to be worked out once for each sequence of answers.

use ipnet::IpNet;

use super::prefix_set::PrefixSet;
use super::rules::Policy;

/// Names a question about the prefix: the place of a rule in the policy, and of a condition in the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) rule: u32,
    pub(super) condition: u32,
}

/// The outcomes that are known, as a tree of questions.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes<T> {
    /// The root is the first.
    nodes: Vec<Node<T>>,
}

#[derive(Clone, Debug)]
enum Node<T> {
    /// Where to go on with no, and with yes.
    Ask(Question, [Option<u32>; 2]),
    Is(T),
}

/// The questions about the prefix that an evaluation asked, and their answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(pub(super) Vec<(Question, bool)>);

impl<T> Default for Outcomes<T> {
    fn default() -> Self {
        Self { nodes: Vec::new() }
    }
}

impl<T: Copy> Outcomes<T> {
    /// The outcome for a prefix, if it is known. Always with the same policy.
    pub(crate) fn find(&self, policy: &Policy, prefix: IpNet) -> Option<T> {
        let mut node = self.nodes.first()?;
        loop {
            match node {
                Node::Is(outcome) => return Some(*outcome),
                Node::Ask(question, next) => {
                    let answer = policy.set_of(*question)?.contains(prefix);
                    node = &self.nodes[next[usize::from(answer)]? as usize];
                }
            }
        }
    }

    /// Remembers the outcome of an evaluation that asked this.
    pub(crate) fn note(&mut self, Asked(asked): &Asked, outcome: T) {
        let mut from = None;
        for (question, answer) in asked {
            let known = match from {
                None => (!self.nodes.is_empty()).then_some(0),
                Some((node, answer)) => self.next(node, answer),
            };
            let node = known.unwrap_or_else(|| self.add(from, Node::Ask(*question, [None; 2])));
            from = Some((node, *answer));
        }
        self.add(from, Node::Is(outcome));
    }

    /// What it takes up, in about as many words as it has nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn next(&self, node: u32, answer: bool) -> Option<u32> {
        match &self.nodes[node as usize] {
            Node::Ask(_, next) => next[usize::from(answer)],
            Node::Is(_) => None,
        }
    }

    fn add(&mut self, from: Option<(u32, bool)>, node: Node<T>) -> u32 {
        let new = u32::try_from(self.nodes.len()).expect("fewer nodes than prefixes");
        if let Some((from, answer)) = from
            && let Node::Ask(_, next) = &mut self.nodes[from as usize]
        {
            next[usize::from(answer)] = Some(new);
        }
        self.nodes.push(node);
        new
    }
}

impl Policy {
    fn set_of(&self, question: Question) -> Option<&PrefixSet> {
        let rule = self.rules.get(question.rule as usize)?;
        let condition = rule.conditions.get(question.condition as usize)?;
        condition.prefix_set().map(|(set, _)| set)
    }
}
