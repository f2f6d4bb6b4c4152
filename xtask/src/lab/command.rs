//! The command line of `cargo xtask lab`.

use clap::{Subcommand, ValueEnum};

use super::cluster;
use super::guest::Guest;
use super::layout::Lab;
use super::nodes::{MOST_PLAIN, MOST_SYSTEMD, MOST_TRIXIE};
use super::state::State;
use super::system::prerequisites;
use super::system::say::{print, say, step};
use super::{down, status, up};

/// Arguments of `cargo xtask lab`.
#[derive(clap::Args)]
#[command(after_help = "\
Environment:
  PALLET_LAB_DIR     the lab's folder (default ~/.cache/pallet-lab)
  PALLET_LAB_NUMBER  0 to 199, chooses ports (18083 + 2 x number), bridge and subnet
                     (10.201.<number>.0/24); by default 0, or derived from PALLET_LAB_DIR
  PALLET_LAB_GUEST   a ready-made guest disk (.vdi or .vdi.xz, with guest-key.tar.xz beside it)")]
pub struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start the lab; what runs already stays. Without options: VirtualBox, 12 plain nodes, 1
    /// systemd node, 1 node with Debian 13.
    Up(UpArgs),
    /// End every process of the lab and remove its network; caches stay.
    Down,
    /// Show what runs. Fails (exit code 1) if something that was started does not answer.
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Start or end clusters alone: two members with LXD, two with Incus, and an image.
    Cluster {
        /// What to do with it.
        #[arg(value_enum)]
        action: ClusterAction,
    },
    /// Make the bootable guest disk: unpack the one that PALLET_LAB_GUEST names, or build one.
    Guest,
    /// Stop, start, reset or rekey one node.
    Node {
        /// What to do with it.
        #[arg(value_enum)]
        action: NodeAction,
        /// Its name, such as `node-1`.
        name: String,
    },
    /// Run VBoxManage in the lab's VirtualBox.
    Vboxmanage {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(clap::Args)]
struct UpArgs {
    /// VirtualBox with its web service.
    #[arg(long)]
    vbox: bool,
    /// At least this many plain nodes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=i64::from(MOST_PLAIN)))]
    nodes: Option<u8>,
    /// At least this many nodes with systemd.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=i64::from(MOST_SYSTEMD)))]
    systemd: Option<u8>,
    /// At least this many nodes with Debian 13.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=i64::from(MOST_TRIXIE)))]
    trixie: Option<u8>,
    /// The guest disk too, which takes minutes if it has to be built.
    #[arg(long)]
    guest: bool,
    /// The cluster of LXD too.
    #[arg(long)]
    cluster: bool,
    /// The cluster of Incus too.
    #[arg(long)]
    incus: bool,
}

/// What to do with the clusters.
#[derive(Clone, Copy, ValueEnum)]
enum ClusterAction {
    /// Start what does not run of them.
    Up,
    /// End them with all their instances; caches stay.
    Down,
}

/// How to print the status.
#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
}

/// What to do with a node.
#[derive(Clone, Copy, ValueEnum)]
enum NodeAction {
    /// End it as if its power were cut; its disk stays.
    Stop,
    /// Start it with the disk it had.
    Start,
    /// Start it anew with the disk it was made with.
    Reset,
    /// Start it anew with another host key.
    Rekey,
}

impl UpArgs {
    fn wanted(&self) -> up::Wanted {
        let nodes = [self.nodes, self.systemd, self.trixie];
        let others = [self.vbox, self.guest, self.cluster, self.incus];
        let everything = !others.contains(&true) && nodes.iter().all(Option::is_none);
        if everything {
            return up::Wanted::default();
        }
        up::Wanted {
            vbox: self.vbox,
            nodes: self.nodes.unwrap_or(0),
            systemd: self.systemd.unwrap_or(0),
            trixie: self.trixie.unwrap_or(0),
            guest: self.guest,
            cluster: self.cluster,
            incus: self.incus,
        }
    }
}

/// Runs `cargo xtask lab`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let lab = Lab::from_env()?;
    // Looking needs no rights.
    if !matches!(args.task, Task::Status { .. }) {
        prerequisites::become_root(&lab)?;
    }
    match args.task {
        Task::Status { output } => status::show(&lab, matches!(output, Output::Json)),
        Task::Up(args) => {
            let _lock = lab.lock()?;
            up::up(&lab, args.wanted())
        }
        Task::Down => {
            let _lock = lab.lock()?;
            down::down(&lab)
        }
        Task::Cluster { action: ClusterAction::Up } => {
            let _lock = lab.lock()?;
            up::up(&lab, up::Wanted { cluster: true, incus: true, ..up::Wanted::NOTHING })
        }
        Task::Cluster { action: ClusterAction::Down } => {
            let _lock = lab.lock()?;
            if let Some(mut state) = State::find(&lab)? {
                state.clusters.clear();
                state.save(&lab)?;
            }
            cluster::down(&lab)
        }
        Task::Guest => {
            prerequisites::install()?;
            let guest = Guest::make(&lab)?;
            let _lock = lab.lock()?;
            if let Some(mut state) = State::find(&lab)? {
                state.guest = Some(guest);
                state.save(&lab)?;
            }
            up::hand_over(&lab)
        }
        Task::Node { action, name } => {
            let state = State::load_of(&lab)?;
            let node = state.node(&name)?;
            match action {
                NodeAction::Stop => step(format_args!("stopping {name}"), || node.stop()),
                NodeAction::Start => step(format_args!("starting {name}"), || node.start()),
                NodeAction::Reset => step(format_args!("resetting {name}"), || node.reset()),
                NodeAction::Rekey => {
                    let key = step(format_args!("rekeying {name}"), || node.rekey())?;
                    say(format_args!("its host key is now {key}"));
                    Ok(())
                }
            }
        }
        Task::Vboxmanage { arguments } => {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            print(State::load_of(&lab)?.vbox()?.vboxmanage(&arguments)?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Task, clap::Error> {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: Args,
        }
        let line = [&["lab"], arguments].concat();
        <Cli as clap::Parser>::try_parse_from(line).map(|cli| cli.args.task)
    }

    fn wanted(arguments: &[&str]) -> up::Wanted {
        match parse(&[&["up"], arguments].concat()) {
            Ok(Task::Up(args)) => args.wanted(),
            _ => panic!("`up` was not understood"),
        }
    }

    #[test]
    fn up_alone_is_everything_but_the_guest() {
        assert_eq!(wanted(&[]), up::Wanted::default());
        assert!(!wanted(&[]).guest);
    }

    #[test]
    fn up_with_options_is_just_that() {
        assert_eq!(wanted(&["--nodes", "3"]), up::Wanted { nodes: 3, ..up::Wanted::NOTHING });
    }

    #[test]
    fn too_many_nodes_are_refused() {
        assert!(parse(&["up", "--nodes", "181"]).is_err());
        assert!(parse(&["up", "--systemd", "41"]).is_err());
        assert!(parse(&["up", "--trixie", "11"]).is_err());
    }

    #[test]
    fn vboxmanage_takes_any_argument() {
        match parse(&["vboxmanage", "list", "-l", "vms"]) {
            Ok(Task::Vboxmanage { arguments }) => assert_eq!(arguments, ["list", "-l", "vms"]),
            _ => panic!("`vboxmanage` was not understood"),
        }
    }
}
