//! What a policy makes of one set of attributes, remembered for prefix after prefix.
//!
//! Of all that a policy looks at, only the prefix differs between the routes of an UPDATE. So what it decides follows from the
//! answers to its questions about prefixes, and has to be worked out once for each sequence of answers. Where a hook looks at the
//! prefix, nothing is remembered: the hook is asked for each one.

use ipnet::IpNet;

use super::prefix_set::PrefixSet;

/// The outcomes that are known, as a tree of questions.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes<T> {
    /// The root is the first.
    nodes: Vec<Node<T>>,
}

#[derive(Clone, Debug)]
enum Node<T> {
    /// Is the prefix in this set? Where to go on with no, and with yes.
    Ask(PrefixSet, [Option<u32>; 2]),
    Is(T),
}

/// The questions about the prefix that an evaluation asked, and their answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked<'p> {
    questions: Vec<(&'p PrefixSet, bool)>,
    /// The outcome may be another one for each prefix.
    pub(super) of_each_prefix: bool,
}

impl<'p> Asked<'p> {
    /// Whether the prefix is in the set.
    pub(super) fn ask(&mut self, set: &'p PrefixSet, prefix: IpNet) -> bool {
        let answer = set.contains(prefix);
        self.questions.push((set, answer));
        answer
    }
}

impl<T> Default for Outcomes<T> {
    fn default() -> Self {
        Self { nodes: Vec::new() }
    }
}

impl<T: Copy> Outcomes<T> {
    /// The outcome for a prefix, if it is known.
    pub(crate) fn find(&self, prefix: IpNet) -> Option<T> {
        let mut node = self.nodes.first()?;
        loop {
            match node {
                Node::Is(outcome) => return Some(*outcome),
                Node::Ask(set, next) => {
                    let next = next[usize::from(set.contains(prefix))];
                    node = &self.nodes[next? as usize];
                }
            }
        }
    }

    /// Remembers the outcome of an evaluation that asked this. Always of the same policy.
    pub(crate) fn note(&mut self, asked: &Asked<'_>, outcome: T) {
        if asked.of_each_prefix {
            return;
        }
        let mut from = None;
        for (set, answer) in &asked.questions {
            let known = match from {
                None => (!self.nodes.is_empty()).then_some(0),
                Some((node, answer)) => self.next(node, answer),
            };
            let ask = || Node::Ask(PrefixSet::clone(set), [None; 2]);
            let node = known.unwrap_or_else(|| self.add(from, ask()));
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
