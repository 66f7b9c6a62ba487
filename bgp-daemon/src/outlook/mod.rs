//! Forecasts: the routes that peers are sent by a plan, and the effect of another plan. Pure: no daemon, no socket, no file.
//!
//! | module          | what it is                                                                 |
//! |-----------------|----------------------------------------------------------------------------|
//! | `forecast`      | a plan as a RIB in this process, whose peers are all up: what each is told |
//! | `attributes`    | the attributes of a route as a peer receives them                          |
//! | `change`        | from one plan to another: sessions, routes, kernel, problems               |
//! | `default_route` | towards whom a default route passes                                        |
//! | `kernel`        | what of a plan is in the kernel                                            |
//! | `setting`       | settings of the speaker as a whole                                         |
//! | `field_name`    | what people call the settings of a session                                 |
//! | `totals`        | a change in numbers                                                        |
//! | `guard`         | how much of a change is too much                                           |
//! | `cluster`       | what each node sees of a cluster, in classes of nodes that are alike       |
//! | `all_nodes`     | the change of all nodes, on all cores                                      |
//! | `node_lines`    | what happens on one node, as a part of the sum                             |
//! | `summary`       | the sum                                                                    |
//! | `times`         | how often something happens                                                |
//! | `risk`          | in which way a line might hurt                                             |
//! | `risk_lines`    | what of the sum might hurt most                                            |
//! | `render`        | a change as tables                                                         |

mod all_nodes;
mod attributes;
mod change;
mod cluster;
mod default_route;
mod field_name;
mod forecast;
mod guard;
mod kernel;
mod node_lines;
mod render;
mod risk;
mod risk_lines;
mod setting;
mod summary;
mod times;
mod totals;

pub(crate) use cluster::Cluster;

pub use all_nodes::all_nodes;
pub use attributes::WireAttributes;
pub use change::{
    Before, Change, RouteAction, RouteChange, SessionChange, SessionChanges, new_problems,
};
pub use default_route::{DefaultRouteChange, RouteDirection};
pub(crate) use forecast::Model;
pub use forecast::{Forecast, Prospect};
pub use guard::{Exceeded, Guard, GuardError};
pub use kernel::{KernelAction, KernelChange, KernelSubject};
pub use render::{summary_table, table};
pub use risk::{Risk, RiskLine};
pub use setting::SettingChange;
pub use summary::{
    DefaultRouteLine, KernelLine, Nodes, ProblemLine, RouteLine, SessionLine, SessionLines,
    SettingLine, Summary,
};
pub use times::Times;
pub use totals::{Count, Totals};
