//! `init`: writes a first folder of resources from flags or, on a terminal, from questions.
//!
//! Never overwrites a file. With `--demo`, shows a lab instead.

mod demo;
mod folder;
mod machine;

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{anyhow, bail};
use bgp_core::types::Asn;
use clap::Args;
use ipnet::IpNet;

use self::folder::First;
use super::node_name::NodeArgs;
use crate::plan::{self, Environment};
use crate::resources::{Problem, ResourceSet};

/// Calico's default.
const OWN_AS: Asn = Asn(64512);

/// Arguments of `init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// Folder to write to; is made if it does not exist
    #[arg(default_value = "/etc/bgp-daemon")]
    folder: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
    /// Address of the router to peer with; may be repeated, for IPv4 and IPv6
    #[arg(long, value_name = "ADDRESS")]
    tor: Vec<IpAddr>,
    /// AS of the router
    #[arg(long, value_name = "AS")]
    tor_as: Option<Asn>,
    /// AS of this node [default: 64512]
    #[arg(long = "as", value_name = "AS")]
    own_as: Option<Asn>,
    /// Address of this node with the length of its network, such as 10.0.0.11/24; may be repeated, for IPv4 and IPv6
    /// [default: that from which this machine reaches the router]
    #[arg(long, value_name = "CIDR")]
    address: Vec<IpNet>,
    /// Range of pod addresses on this node, which is announced; may be repeated
    #[arg(long, value_name = "CIDR")]
    pods: Vec<IpNet>,
    /// Show two nodes and a router in a lab of network namespaces on this machine, then remove it; writes nothing
    #[arg(long, conflicts_with_all = ["folder", "tor", "tor_as", "own_as", "address", "pods"])]
    demo: bool,
}

/// Runs `init`.
///
/// # Errors
///
/// Something is missing and nobody can be asked, or the files exist or cannot be written.
pub fn execute(args: &InitArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if args.demo {
        return demo::show();
    }
    let first = first(args)?;
    for file in folder::write(&first, &args.folder)? {
        writeln!(out, "wrote {}", file.display())?;
    }
    let folder = args.folder.display();
    for problem in problems(&first, args) {
        writeln!(out, "{problem}")?;
    }
    writeln!(
        out,
        "\nThe router's side, for frr, bird and others:\n  bgp-daemon peer-config --vendor frr -f {folder}\n\
         Next:\n  bgp-daemon run --node {} --datastore {folder}",
        first.node
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What the files say, checked as always.
fn problems(first: &First, args: &InitArgs) -> Vec<Problem> {
    let loaded = ResourceSet::load(std::slice::from_ref(&args.folder));
    let plan = plan::plan(&loaded.set, &first.node, &Environment::default());
    let located = plan
        .problems
        .into_iter()
        .map(|problem| loaded.located(problem));
    let mut problems: Vec<_> = located.collect();
    problems.extend(loaded.problems);
    problems
}

fn first(args: &InitArgs) -> anyhow::Result<First> {
    let node = args
        .node
        .name(|name| std::env::var(name).ok().or_else(|| machine::name(name)))?;
    if !is_name(&node) {
        bail!("`{node}` is no name of a node: expected small letters, digits, - and .");
    }
    let mut asked = Asked::default();
    let tor = match &args.tor[..] {
        [] => vec![asked.value("--tor", "Address of the router to peer with", None)?],
        given => given.to_vec(),
    };
    let tor_as = match args.tor_as {
        Some(given) => given,
        None => asked.value("--tor-as", "AS of the router", None)?,
    };
    let own_as = match args.own_as {
        Some(given) => given,
        None if asked.anything => asked.value("--as", "AS of this node", Some(OWN_AS))?,
        None => OWN_AS,
    };
    let mut addresses = args.address.clone();
    for router in &tor {
        let has_family = addresses
            .iter()
            .any(|address| address.addr().is_ipv4() == router.is_ipv4());
        if !has_family {
            let found = machine::address_towards(*router);
            let found = found.ok_or_else(|| {
                anyhow!("this machine has no address to reach {router} from: give --address CIDR")
            })?;
            let address = match asked.anything {
                true => asked.value("--address", "Address of this node", Some(found))?,
                false => found,
            };
            addresses.push(address);
        }
    }
    let pods = args.pods.iter().map(IpNet::trunc).collect();
    Ok(First {
        node,
        own_as,
        addresses,
        tor,
        tor_as,
        pods,
    })
}

/// A name that Kubernetes allows.
fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= 253
        && name.bytes().all(is_inner)
        && ends
            .iter()
            .all(|end| end.is_some_and(|end| end.is_ascii_alphanumeric()))
}

/// Questions on the terminal.
#[derive(Default)]
struct Asked {
    /// At least one was asked: then the defaults are questions as well.
    anything: bool,
}

impl Asked {
    /// Asks until there is a valid answer; an empty one is the default.
    fn value<T: FromStr + Display>(
        &mut self,
        flag: &str,
        question: &str,
        mut default: Option<T>,
    ) -> anyhow::Result<T> {
        let input = io::stdin();
        if !input.is_terminal() {
            bail!("give {flag}: {}", question.to_lowercase());
        }
        self.anything = true;
        let hint = default
            .as_ref()
            .map(|default| format!(" [{default}]"))
            .unwrap_or_default();
        loop {
            write!(io::stderr(), "{question}{hint}: ")?;
            let mut line = String::new();
            if input.lock().read_line(&mut line)? == 0 {
                bail!("no answer; give {flag}");
            }
            match (line.trim(), default) {
                ("", Some(default)) => return Ok(default),
                (text, kept) => match text.parse() {
                    Ok(value) => return Ok(value),
                    Err(_) => {
                        writeln!(io::stderr(), "`{text}` is not valid")?;
                        default = kept;
                    }
                },
            }
        }
    }
}
