//! What would be, before anything is: what peers would be told by a plan. Pure: no daemon, no socket, no file.
//!
//! | module       | what it is                                                                    |
//! |--------------|-------------------------------------------------------------------------------|
//! | `forecast`   | a plan as a RIB in this process, whose peers are all up: what each is told    |
//! | `attributes` | the attributes of a route as a peer receives them                             |

mod attributes;
mod forecast;

pub use attributes::WireAttributes;
pub use forecast::{Forecast, Prospect};
