//! `cargo xtask bench`: figures, each as a ratio to something measured in the same run.

mod cli;
mod cluster;
mod compile;
mod role;
mod soap;
mod vmfest;

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

pub(crate) use cli::{start_up, target};

/// What can be measured.
#[derive(clap::Subcommand)]
enum What {
    /// vbox-soap: the cost of a call, and of listing many machines. Needs the lab's VirtualBox.
    Soap,
    /// `pallet`: its size, how long it takes to start and to compile 1,000 nodes, and what the live
    /// view costs. Builds the release build; needs root.
    Cli,
    /// vbox-soap: how long it takes to compile, with 1, 4 and all API versions.
    Compile,
    /// `pallet`: a role of 52 steps on many hosts. Needs as many of the lab's nodes.
    Role(role::Args),
    /// pallet-incus: ten containers created and configured, against bare calls and a bare script. Needs
    /// the lab's cluster.
    Cluster(cluster::Args),
    /// vmfest: creating 50 and 400 VMs, against a VBoxManage script and bare calls. Needs the lab's
    /// VirtualBox; on 2 cores it takes some minutes.
    Vmfest(vmfest::Args),
}

/// Runs `cargo xtask bench`. A bar that is missed is an error.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Cli => cli::run(),
        What::Soap => soap::run(),
        What::Compile => compile::run(),
        What::Role(args) => role::run(&args),
        What::Cluster(args) => cluster::run(&args),
        What::Vmfest(args) => vmfest::run(&args),
    }
}
