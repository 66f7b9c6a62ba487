//! The commands, one file each, and the names under which the binary is called.
//!
//! | called as       | is                                                                                                    |
//! |-----------------|-------------------------------------------------------------------------------------------------------|
//! | `calicoctl`     | [`calicoctl`]                                                                                         |
//! | `bird`, `bird6` | [`bird`]                                                                                              |
//! | `confd`         | a process that does nothing, see [`bird`]                                                             |
//! | `birdcl`        | [`birdcl`] (`birdcl6` is the same for IPv6)                                                           |
//! | anything else   | `bgp-daemon`: [`run`], [`plan`], [`explain`], [`lint`], [`node_status`], [`show`], and those of [`resource`] |
//!
//! A command gets its arguments and a writer for its output. An error is printed on standard error as one sentence, with exit
//! code 1; wrong usage exits with code 2.

pub mod apply;
pub mod bird;
pub mod birdcl;
pub mod calicoctl;
pub mod cluster;
pub mod completion;
pub mod create;
pub mod delete;
pub mod doctor;
pub mod drain;
mod dump;
pub mod examples;
pub mod explain;
pub mod get;
pub mod init;
pub mod lint;
pub mod man_pages;
mod memory;
pub mod node_name;
pub mod node_status;
pub mod patch;
pub mod peer_config;
pub mod plan;
pub mod processes;
pub mod replace;
pub mod resource;
pub mod run;
pub mod run_dir;
pub mod schema;
pub mod show;
pub mod validate;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use bgp_core::types::Family;
use clap::{Parser, Subcommand};

use self::resource::args::WithCompatibility;
use crate::datastore::DatastoreSpec;
use crate::log::{COMMON, LogArgs};

/// Arguments of `bgp-daemon`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "bgp-daemon",
    version,
    about = "BGP speaker for Kubernetes nodes: takes the place of BIRD and confd in calico/node"
)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    /// Where resources come from: a folder or file of YAML or JSON documents, etcd, or kubernetes [default: as
    /// DATASTORE_TYPE says]
    #[arg(
        long,
        env = "BGP_DAEMON_DATASTORE",
        value_name = "SPEC",
        global = true,
        help_heading = COMMON
    )]
    datastore: Option<DatastoreSpec>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Speaks BGP for this node
    Run(run::RunArgs),
    /// Prints what this node's speaker would be
    Plan(plan::PlanArgs),
    /// Names what is legal in resources, and wrong
    Lint(lint::LintArgs),
    /// Finds out why sessions are not up, or not well
    Doctor(doctor::DoctorArgs),
    /// Says why a prefix is announced to a peer, or not
    Explain(explain::ExplainArgs),
    /// Commands about this node
    #[command(subcommand)]
    Node(NodeCommand),
    /// Prints what birdcl prints, through the control socket
    Show(show::ShowArgs),
    /// Adds resources that do not exist
    Create(WithCompatibility<create::CreateArgs>),
    /// Adds resources, or puts them in the place of those of the same names
    Apply(WithCompatibility<apply::ApplyArgs>),
    /// Puts resources in the place of those of the same names
    Replace(WithCompatibility<replace::ReplaceArgs>),
    /// Removes resources
    Delete(WithCompatibility<delete::DeleteArgs>),
    /// Prints resources
    Get(WithCompatibility<get::GetArgs>),
    /// Changes some fields of a resource
    Patch(WithCompatibility<patch::PatchArgs>),
    /// Says whether resources could be written
    Validate(WithCompatibility<validate::ValidateArgs>),
    /// Writes a first folder of resources, from flags or questions
    Init(init::InitArgs),
    /// Prints what the router needs to peer with the nodes
    PeerConfig(peer_config::PeerConfigArgs),
    /// Prints the JSON schema of a kind of document
    Schema(schema::SchemaArgs),
    /// Prints the completion of these commands for a shell
    Completion(completion::CompletionArgs),
    /// Writes the pages of the manual
    #[command(hide = true)]
    ManPages(man_pages::ManPagesArgs),
}

#[derive(Clone, Debug, Subcommand)]
enum NodeCommand {
    /// Shows whether calico/node runs here, and its BGP sessions
    Status(node_status::NodeStatusArgs),
    /// Withdraws the service addresses of a node gracefully; its sessions and blocks stay
    Drain(drain::DrainArgs),
}

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Not locked: a daemon runs here for the life of the process.
    let mut out = io::BufWriter::new(io::stdout());
    let done = dispatch(&arguments, &mut out);
    let flushed = out.flush().map_err(anyhow::Error::from);
    match done.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => code,
        Err(error) if nobody_reads(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the message is lost.
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[OsString], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    use Family::{Ipv4Unicast, Ipv6Unicast};
    let program = arguments
        .first()
        .and_then(|name| Path::new(name).file_name())
        .and_then(|name| name.to_str());
    match program {
        Some("bird") => bird::execute(parse(arguments), Ipv4Unicast),
        Some("bird6") => bird::execute(parse_as::<bird::BirdArgs>("bird6", arguments), Ipv6Unicast),
        Some("confd") => bird::stand_in(&parse(arguments)),
        Some("birdcl") => birdcl::execute(&parse(arguments), Ipv4Unicast, out),
        Some("birdcl6") => birdcl::execute(
            &parse_as::<birdcl::BirdclArgs>("birdcl6", arguments),
            Ipv6Unicast,
            out,
        ),
        Some("calicoctl") => calicoctl::execute(&parse(arguments), out),
        _ => bgp_daemon(parse(arguments), out),
    }
}

/// The commands of a program, with their examples.
fn program<P: Parser>() -> clap::Command {
    examples::add(P::command())
}

/// Parses the arguments, or ends the process with a message or with the help that they ask for.
fn parse<P: Parser>(arguments: &[OsString]) -> P {
    read(program::<P>(), arguments)
}

/// The same, under another name.
fn parse_as<P: Parser>(name: &'static str, arguments: &[OsString]) -> P {
    read(examples::add(P::command().name(name)), arguments)
}

fn read<P: Parser>(mut program: clap::Command, arguments: &[OsString]) -> P {
    let matches = program
        .try_get_matches_from_mut(arguments)
        .unwrap_or_else(|error| error.exit());
    P::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut program).exit())
}

fn bgp_daemon(cli: Cli, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(args) => run::execute(
            args,
            DatastoreSpec::or_of_environment(cli.datastore)?,
            &cli.log,
        ),
        Command::Plan(args) => plan::execute(args, cli.datastore, out),
        Command::Lint(args) => lint::execute(&args, cli.datastore.as_ref(), out),
        Command::Doctor(args) => doctor::execute(&args, cli.datastore, out),
        Command::Explain(args) => explain::execute(&args, out),
        Command::Node(NodeCommand::Status(args)) => node_status::execute(&args, out),
        Command::Node(NodeCommand::Drain(args)) => drain::execute(&args, cli.datastore, out),
        Command::Show(args) => show::execute(&args, out),
        Command::Create(command) => create::execute(&command.args, cli.datastore, out),
        Command::Apply(command) => apply::execute(&command.args, cli.datastore, out),
        Command::Replace(command) => replace::execute(&command.args, cli.datastore, out),
        Command::Delete(command) => delete::execute(&command.args, cli.datastore, out),
        Command::Get(command) => get::execute(&command.args, cli.datastore, out),
        Command::Patch(command) => patch::execute(&command.args, cli.datastore, out),
        Command::Validate(command) => validate::execute(&command.args, out),
        Command::Init(args) => init::execute(&args, out),
        Command::PeerConfig(args) => peer_config::execute(&args, cli.datastore.as_ref(), out),
        Command::Schema(args) => schema::execute(&args, out),
        Command::Completion(args) => completion::execute(&args, program::<Cli>(), out),
        Command::ManPages(args) => man_pages::execute(&args, program::<Cli>()),
    }
}

/// The reader of a pipe has closed it, as `head` does.
fn nobody_reads(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Arg;

    use super::*;

    /// The flags of a command by long name, with their environment variables.
    fn flags(command: &clap::Command) -> Vec<(String, Option<String>)> {
        let flag = |arg: &Arg| {
            let variable = arg
                .get_env()
                .map(|name| name.to_string_lossy().into_owned());
            Some((arg.get_long()?.to_owned(), variable))
        };
        let flags = command.get_arguments().filter_map(flag);
        let asks = |flag: &str| matches!(flag, "help" | "version");
        flags.filter(|(flag, _)| !asks(flag)).collect()
    }

    fn all<'a>(command: &'a clap::Command, found: &mut Vec<&'a clap::Command>) {
        found.push(command);
        command
            .get_subcommands()
            .for_each(|command| all(command, found));
    }

    #[test]
    fn every_help_ends_with_an_example() {
        let programs = [
            program::<Cli>(),
            program::<calicoctl::CalicoctlArgs>(),
            program::<birdcl::BirdclArgs>(),
            program::<bird::BirdArgs>(),
            program::<bird::ConfdArgs>(),
        ];
        for program in &programs {
            let mut commands = Vec::new();
            all(program, &mut commands);
            for command in commands {
                let help = command.clone().render_help().to_string();
                let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
                assert!(examples.contains(command.get_name()), "{help}");
            }
        }
    }

    #[test]
    fn the_options_of_a_command_come_before_the_common_ones() {
        let mut program = program::<Cli>();
        program.build();
        let plan = program.find_subcommand_mut("plan").expect("a command");
        let help = plan.render_help().to_string();
        let at = |text: &str| {
            help.find(text)
                .unwrap_or_else(|| panic!("{text} in {help}"))
        };
        assert!(
            at("--guard") < at(COMMON)
                && at(COMMON) < at("--datastore")
                && at(COMMON) < at("--log-level")
        );
    }

    /// The README's statement about environment variables.
    #[test]
    fn every_flag_of_run_has_its_environment_variable() {
        let mut program = program::<Cli>();
        program.build();
        let run = program.find_subcommand("run").expect("a command");
        let run: BTreeSet<_> = flags(run).into_iter().map(|(flag, _)| flag).collect();
        assert!(
            run.contains("datastore") && run.contains("socket-group"),
            "{run:?}"
        );
        let mut commands = Vec::new();
        all(&program, &mut commands);
        for command in commands {
            for (flag, variable) in flags(command) {
                let name = format!("BGP_DAEMON_{}", flag.to_uppercase().replace('-', "_"));
                let wanted = run.contains(&flag).then_some(name);
                assert_eq!(variable, wanted, "--{flag} of {}", command.get_name());
            }
        }
    }
}
