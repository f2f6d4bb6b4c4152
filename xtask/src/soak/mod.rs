//! `cargo xtask soak`: the full counts of what has to stay flat.

mod cluster;
mod durable;
mod fleet;
mod soap;
mod vmfest;

/// Arguments of `cargo xtask soak`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What can be soaked.
#[derive(clap::Subcommand)]
enum What {
    /// 100 of the lab's nodes, five of them broken, each in its own way: the others finish.
    Fleet,
    /// pallet: 20 nodes on each of the lab's clusters, created, configured, repaired and destroyed, and one
    /// converge over the cluster, VirtualBox and an existing host. Needs root.
    Cluster,
    /// vbox-soap: 100,000 calls, and 1,000 sessions that are dropped. Needs the lab's VirtualBox.
    Soap,
    /// vmfest: its client is killed at 50 random moments of making, starting and destroying a VM,
    /// and run again. Needs the lab's VirtualBox.
    Vmfest,
    /// pallet: runs that are killed at 50 moments on 10 nodes, and a file of 300 MiB that is cut off
    /// on its way. Needs the lab's plain nodes.
    Durable,
}

/// Runs `cargo xtask soak`. What does not stay flat is an error.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Fleet => fleet::run(),
        What::Cluster => cluster::run(),
        What::Soap => soap::run(),
        What::Vmfest => vmfest::run(),
        What::Durable => durable::run(),
    }
}
