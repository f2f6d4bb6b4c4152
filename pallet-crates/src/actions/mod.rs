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

pub use directory::Directory;
pub use exec_script::ExecScript;
pub use group::Group;
pub use package::Package;
pub use packages::{PackageEnsure, Packages};
pub use remote_file::RemoteFile;
pub use user::User;
