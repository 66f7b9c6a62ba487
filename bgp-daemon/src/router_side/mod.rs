//! What a router needs to peer with the nodes: the other side of the plans, in the words of its vendor. Pure.
//!
//! | module      | content                                        |
//! |-------------|------------------------------------------------|
//! | [`model`]   | the router's sessions, from the plans of nodes |
//! | `notes`     | what a configuration leaves to its reader      |
//! | one a vendor| its configuration as text                      |

mod bird;
mod cisco;
mod eos;
mod frr;
mod gobgp;
mod junos;
pub mod model;
mod notes;
mod openbgpd;
mod routeros;
mod sonic;

pub use model::{Router, RouterError, Session};
pub use notes::PASSWORD;

/// Whose configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[expect(missing_docs, reason = "the names are the programs' own")]
pub enum Vendor {
    Frr,
    Bird,
    Gobgp,
    Openbgpd,
    Junos,
    Eos,
    Nxos,
    IosXr,
    Routeros,
    Sonic,
}

/// The configuration of a router.
pub fn configuration(router: &Router, vendor: Vendor) -> String {
    match vendor {
        Vendor::Frr => frr::configuration(router),
        Vendor::Bird => bird::configuration(router),
        Vendor::Gobgp => gobgp::configuration(router),
        Vendor::Openbgpd => openbgpd::configuration(router),
        Vendor::Junos => junos::configuration(router),
        Vendor::Eos => eos::configuration(router),
        Vendor::Nxos => cisco::nxos(router),
        Vendor::IosXr => cisco::ios_xr(router),
        Vendor::Routeros => routeros::configuration(router),
        Vendor::Sonic => sonic::configuration(router),
    }
}
