//! What would be, before anything is: what peers would be told by a plan, and what another plan would change. Pure: no daemon, no
//! socket, no file.
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
//! | `render`        | a change as tables                                                         |

mod attributes;
mod change;
mod default_route;
mod field_name;
mod forecast;
mod guard;
mod kernel;
mod render;
mod setting;
mod totals;

pub use attributes::WireAttributes;
pub use change::{Before, Change, RouteAction, RouteChange, SessionChange, SessionChanges};
pub use default_route::{DefaultRouteChange, Way};
pub use forecast::{Forecast, Prospect};
pub use guard::{Exceeded, Guard, GuardError};
pub use kernel::{KernelAction, KernelChange, KernelSubject};
pub use render::table;
pub use setting::SettingChange;
pub use totals::{Count, Totals};
