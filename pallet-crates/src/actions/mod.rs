//! Actions: one file each.

mod apt;
mod attributes;
mod difference;
mod directory;
mod exec_script;
mod group;
mod package;
mod packages;
mod remote_file;
mod template;
#[cfg(test)]
mod testing;
mod user;

/// Redirections for programs that may leave processes behind: those must hold nothing of the
/// session open beside the standard streams. Closing what is closed is no error in bash.
const CLOSE_THE_REST: &str = "3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-";

pub use directory::Directory;
pub use exec_script::ExecScript;
pub use group::Group;
pub use package::Package;
pub use packages::{PackageEnsure, Packages};
pub use remote_file::RemoteFile;
pub use user::User;
