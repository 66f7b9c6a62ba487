//! The argument `--node`, and its defaults.

use anyhow::bail;
use clap::Args;

/// Which node this is.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// Name of this node's Node resource [default: NODENAME, else HOSTNAME in small letters]
    #[arg(long, env = "BGP_DAEMON_NODE", value_name = "NAME")]
    pub node: Option<String>,
}

impl NodeArgs {
    /// The name: as given, otherwise as calico/node determines it.
    ///
    /// # Errors
    ///
    /// The node has no name.
    pub fn name(&self, environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
        let filled = |name: String| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        let given = self.node.clone().and_then(filled);
        let name = given
            .or_else(|| environment("NODENAME").and_then(filled))
            .or_else(|| {
                let hostname = environment("HOSTNAME").and_then(filled);
                hostname.map(|name| name.to_lowercase())
            });
        match name {
            Some(name) => Ok(name),
            None => bail!("this node has no name: give --node NAME or set NODENAME"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 13.7.
    #[test]
    fn names_in_the_order_of_their_weight() {
        let name = |node: Option<&str>, variables: &[(&str, &str)]| {
            let args = NodeArgs {
                node: node.map(str::to_owned),
            };
            let find = |key: &str| variables.iter().find(|(name, _)| *name == key);
            args.name(|key| find(key).map(|(_, value)| (*value).to_owned()))
                .ok()
        };
        let all = [("NODENAME", "Second"), ("HOSTNAME", "THIRD")];
        assert_eq!(name(Some("First"), &all).as_deref(), Some("First"));
        assert_eq!(name(None, &all).as_deref(), Some("Second"));
        assert_eq!(name(Some(""), &all[1..]).as_deref(), Some("third"));
        assert_eq!(name(None, &[("NODENAME", " ")]), None);
    }
}
