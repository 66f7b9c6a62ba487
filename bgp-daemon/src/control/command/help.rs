//! What `birdcl help` prints.

/// The commands and their meaning, one a line.
pub const HELP: &str = "\
show status                        version, router ID, since when
show protocols [all] [NAME]        sessions, with details
show route [all] [primary] [for ADDRESS] [PREFIX] [export NAME] [protocol NAME]
                                   routes; those announced to a session, or learned from it
show interfaces                    interfaces and their addresses
show memory                        memory
show snapshot                      all of it as JSON
configure [soft]                   makes the plan again from the datastore
enable NAME|\"PATTERN\"|all         lets a session start
disable NAME|\"PATTERN\"|all        ends a session, and keeps it down
restart NAME|\"PATTERN\"|all        ends a session, and starts it again
reload [in|out] NAME|\"PATTERN\"|all
                                   exchanges the routes of a session again
restrict                           from now on, only commands that change nothing
help                               this list
quit                               ends birdcl
Words may be abbreviated: sh pr.
";
