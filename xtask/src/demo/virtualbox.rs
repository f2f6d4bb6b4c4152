//! The main job, for real. Two machines in the lab's VirtualBox are created, booted, configured,
//! left alone, halved and destroyed, and every claim about that is checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::{build, copy_example, say};
use crate::lab::{State, Vbox};
use crate::process::{cargo, check};

pub(super) fn run() -> anyhow::Result<()> {
    say("starting the lab's VirtualBox");
    check(Command::new(std::env::current_exe()?).args(["lab", "up", "--vbox", "--guest"]))?;
    build()?;

    let state = State::load()?;
    let stage = Stage::new(&state)?;
    let result = stage.play();
    if result.is_ok() {
        stage.clear()?;
    } else {
        say(&format!("left as it is for a look: {}", stage.folder.display()));
    }
    result
}

/// The demo's folder: examples/demo, with a disk and a key in it.
struct Stage<'a> {
    vbox: &'a Vbox,
    folder: PathBuf,
    disk: PathBuf,
}

impl<'a> Stage<'a> {
    fn new(state: &'a State) -> anyhow::Result<Self> {
        let (vbox, guest) = (state.vbox()?, state.guest()?);
        let folder = vbox.scratch_dir("demo")?;
        copy_example("demo", &folder)?;
        let description = folder.join("pallet.toml");
        let text = fs::read_to_string(&description)?;
        fs::write(&description, text.replace("http://127.0.0.1:18083", &vbox.url))?;
        let key = folder.join("guest-key");
        fs::copy(&guest.key, &key).context("could not copy the guest's key")?;
        let disk = folder.join("models/debian-12.vdi");
        say(&format!("copying the guest disk to {}", disk.display()));
        fs::copy(&guest.disk, &disk).context("could not copy the guest disk")?;
        // Copies of one disk have one UUID, which VirtualBox takes once only.
        vbox.vboxmanage(&["internalcommands", "sethduuid", &text_of(&disk)?])?;
        Ok(Self { vbox, folder, disk })
    }

    fn play(&self) -> anyhow::Result<()> {
        let (machines, media) = (self.machines()?, self.media()?);
        let digest = self.digest()?;

        say("pallet converge: two machines are created, booted and configured");
        let started = Instant::now();
        let report = self.pallet(&["converge", "--yes"])?;
        ensure!(report.contains("web-1") && report.contains("web-2"), "both machines are reported");
        println!("  ({} s)", started.elapsed().as_secs());

        self.check_apart(["web-1", "web-2"])?;

        say("pallet converge again: nothing is left to change");
        let report = self.pallet(&["converge", "--yes"])?;
        ensure!(report.contains(" 0 changed"), "the second run must change nothing");

        say("pallet nodes");
        self.pallet(&["nodes"])?;

        say("pallet converge web=1: one machine goes");
        self.pallet(&["converge", "web=1", "--yes"])?;
        let now = self.machines()?;
        ensure!(now.contains("web-1") && !now.contains("web-2"), "one machine is left: {now:?}");

        say("pallet converge web=0: all machines go");
        self.pallet(&["converge", "web=0", "--yes"])?;

        let extra: BTreeSet<String> = self.machines()?.difference(&machines).cloned().collect();
        ensure!(extra.len() == 1, "only the model's holder is left of the machines: {extra:?}");
        let extra: BTreeSet<String> = self.media()?.difference(&media).cloned().collect();
        let holders = text_of(&self.folder.join("nodes/.holders"))?;
        let mut litter = extra.clone();
        litter.retain(|medium| !medium.starts_with(&holders));
        ensure!(litter.remove(&text_of(&self.disk)?), "the model must be registered: {extra:?}");
        ensure!(litter.is_empty(), "only the model and its holder's disk are left: {litter:?}");
        ensure!(self.digest()? == digest, "the model has been altered");
        say(&format!("the image model is what it was: sha256 {digest}"));

        say("removing the image model: its holder goes, the file stays");
        let models = text_of(&self.folder.join("models"))?;
        let nodes = text_of(&self.folder.join("nodes"))?;
        let remove = ["run", "--quiet", "--package", "vmfest", "--example", "remove-model", "--"];
        check(cargo(&remove).args([&self.vbox.url, &models, &nodes, "debian-12"]))?;
        ensure!(self.machines()? == machines, "machines are those from before");
        ensure!(self.media()? == media, "media are those from before");
        ensure!(self.digest()? == digest, "removing a model must not touch its file");
        say("VirtualBox has the machines and media that it had before");
        Ok(())
    }

    /// Two machines of one model have disks of their own over it, and host keys of their own, which
    /// were read from their consoles.
    fn check_apart(&self, machines: [&str; 2]) -> anyhow::Result<()> {
        let [first, second] = machines.map(|name| self.disk_and_key(name));
        let (first, second) = (first?, second?);
        ensure!(first.0 != second.0, "both machines have the disk {}", first.0);
        ensure!(first.1 != second.1, "both machines have the host key {}", first.1);
        say("each has a disk and a pinned host key of its own");
        Ok(())
    }

    fn disk_and_key(&self, name: &str) -> anyhow::Result<(String, String)> {
        let machine = self.vbox.vboxmanage(&["showvminfo", name, "--machinereadable"])?;
        let folder = text_of(&self.folder.join("nodes").join(name).join("Snapshots"))?;
        let disk = machine.lines().find(|line| line.contains(&folder));
        let disk = disk.with_context(|| format!("{name} has no differencing disk in {folder}"))?;
        let keys = self.vbox.vboxmanage(&["getextradata", name, "vmfest/ssh-host-keys"])?;
        let key = keys.lines().find_map(|line| line.strip_prefix("Value: "));
        let key = key.with_context(|| format!("{name} has no host key: {keys}"))?;
        ensure!(key.starts_with("ssh-ed25519 "), "{name} has the host key {key}");
        Ok((disk.to_owned(), key.to_owned()))
    }

    /// Runs `pallet` in the demo's folder; it has to succeed.
    fn pallet(&self, arguments: &[&str]) -> anyhow::Result<String> {
        super::pallet(&self.folder, arguments)
    }

    /// Names of all machines, the holders included.
    fn machines(&self) -> anyhow::Result<BTreeSet<String>> {
        let listing = self.vbox.vboxmanage(&["list", "vms"])?;
        let names = listing.lines().filter_map(|line| line.split('"').nth(1));
        Ok(names.map(str::to_owned).collect())
    }

    /// Locations of all hard disks.
    fn media(&self) -> anyhow::Result<BTreeSet<String>> {
        let listing = self.vbox.vboxmanage(&["list", "hdds"])?;
        let locations = listing.lines().filter_map(|line| line.strip_prefix("Location:"));
        Ok(locations.map(|location| location.trim().to_owned()).collect())
    }

    fn digest(&self) -> anyhow::Result<String> {
        let output = Command::new("sha256sum").arg(&self.disk).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split(' ').next().map(str::to_owned).context("sha256sum printed nothing")
    }

    fn clear(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder).context("could not remove the demo's folder")
    }
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is no text", path.display()))
}
