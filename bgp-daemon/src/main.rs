//! The binary `bgp-daemon`: passes its arguments to [`bgp_daemon::cli`].

fn main() -> std::process::ExitCode {
    bgp_daemon::cli::main()
}
