//! Results of a policy for one set of attributes, cached across prefixes.
//!
//! The routes of an UPDATE differ only in their prefix. So a decision follows from the answers to the policy's prefix conditions,
//! and has to be computed only once for each sequence of answers. If a hook depends on the prefix, nothing is cached: the hook is
//! called for each one.

use ipnet::IpNet;

use super::prefix_set::PrefixSet;

/// The known results, as a tree of conditions.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes<T> {
    /// The first node is the root.
    nodes: Vec<Node<T>>,
}

#[derive(Clone, Debug)]
enum Node<T> {
    /// Is the prefix in this set? The next nodes for no and for yes.
    Ask(PrefixSet, [Option<u32>; 2]),
    Is(T),
}

/// The prefix conditions of an evaluation, with their answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked<'p> {
    questions: Vec<(&'p PrefixSet, bool)>,
    /// The result may differ for each prefix.
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
    /// The result for a prefix, if known.
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

    /// Caches the result of an evaluation with these answers. Always of the same policy.
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

    /// The size, roughly in words, by the number of nodes.
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
