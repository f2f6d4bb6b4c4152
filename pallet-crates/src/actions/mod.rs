//! Actions: one file each.

mod attributes;
mod authorized_key;
mod below;
mod cron;
mod debconf;
mod difference;
mod directory;
mod download;
mod drop_in;
mod exec_checked_script;
mod exec_script;
mod fifo;
mod file;
mod git;
mod group;
mod host_entry;
mod hostname;
mod limits;
mod line_in_file;
mod lines;
mod mount;
mod package;
mod package_manager;
mod package_source;
mod packages;
mod read_value;
mod reboot;
mod remote_directory;
mod remote_file;
mod service;
mod sudoers;
mod symbolic_link;
mod sysctl;
mod template;
#[cfg(test)]
mod testing;
mod timezone;
mod transaction;
mod user;
mod wait_for;
mod whole_file;

/// Redirections for programs that may leave processes behind: those must hold nothing of the
/// session open beside the standard streams. Closing what is closed is no error in bash.
pub(crate) const CLOSE_THE_REST: &str = "3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-";

pub use authorized_key::AuthorizedKey;
pub use cron::Cron;
pub use debconf::Debconf;
pub use directory::Directory;
pub use exec_checked_script::ExecCheckedScript;
pub use exec_script::ExecScript;
pub use fifo::Fifo;
pub use file::File;
pub use git::Git;
pub use group::Group;
pub use host_entry::HostEntry;
pub use hostname::Hostname;
pub use limits::Limits;
pub use line_in_file::LineInFile;
pub use mount::Mount;
pub use package::Package;
pub use package_manager::PackageManager;
pub use package_source::PackageSource;
pub use packages::{PackageEnsure, Packages};
pub use read_value::ReadValue;
pub use reboot::{Reboot, RebootWhen};
pub use remote_directory::RemoteDirectory;
pub use remote_file::RemoteFile;
pub use service::Service;
pub use sudoers::Sudoers;
pub use symbolic_link::SymbolicLink;
pub use sysctl::{Sysctl, SysctlValue};
pub use timezone::Timezone;
pub use user::User;
pub use wait_for::WaitFor;
