//! Forecasts: the routes that peers are sent by a plan, and the effect of another plan. Pure: no daemon, no socket, no file.
//!
//! | module          | content                                                                       |
//! |-----------------|-------------------------------------------------------------------------------|
//! | `forecast`      | a plan as a RIB in this process with all peers up: what is advertised to each |
//! | `attributes`    | the attributes of a route as a peer receives them                             |
//! | `change`        | the difference of two plans: sessions, routes, kernel, problems               |
//! | `default_route` | the sessions that pass a default route                                        |
//! | `kernel`        | a plan's routes in the kernel                                                 |
//! | `setting`       | settings of the speaker as a whole                                            |
//! | `field_name`    | names of session settings for people                                          |
//! | `totals`        | a change in numbers                                                           |
//! | `guard`         | limits for a change                                                           |
//! | `cluster`       | a cluster as each node sees it, in classes of equivalent nodes                |
//! | `all_nodes`     | the change of all nodes, on all cores                                         |
//! | `node_lines`    | changes on one node, as a part of the summary                                 |
//! | `summary`       | the summary                                                                   |
//! | `times`         | how often a change occurs                                                     |
//! | `risk`          | the kind of harm that a line may cause                                        |
//! | `risk_lines`    | the most harmful lines of the summary                                         |
//! | `render`        | a change as tables                                                            |

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
