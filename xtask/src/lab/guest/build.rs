//! Building the guest disk from Debian packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::lab::layout::Lab;
use crate::lab::system::debian::{self, Recipe};
use crate::lab::system::namespace::Root;
use crate::lab::system::say::step;
use crate::lab::system::tool::Tool;

const SUITE: &str = "bookworm";

/// Makes the disk in `folder`, which is missing so far: `guest.vdi` and the key pair.
pub(super) fn build(lab: &Lab, folder: &Path) -> anyhow::Result<()> {
    crate::lab::vbox::make_root(lab)?;
    let build = Build { folder: lab.dir().join("guest-build"), log: lab.log("guest"), lab };
    debian::make_once(folder, |partial| {
        fs::create_dir_all(partial)
            .with_context(|| format!("could not make {}", partial.display()))?;
        build.make_key(partial)?;
        build.make_builder()?;
        build.make_kernel()?;
        step("making the guest's root", || build.make_root(partial))?;
        step("making the guest's disk", || build.make_disk(partial))
    })?;
    // The kernel stays: it is small, and took longest.
    debian::remove(&build.builder())
}

struct Build<'a> {
    folder: PathBuf,
    log: PathBuf,
    lab: &'a Lab,
}

impl Build<'_> {
    /// The root with compiler, kernel source and boot loader.
    fn builder(&self) -> PathBuf {
        self.folder.join("builder")
    }

    /// The folder with the finished kernel.
    fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    fn make_key(&self, folder: &Path) -> anyhow::Result<()> {
        Tool::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "pallet-lab-guest", "-f"])
            .arg(folder.join("id_ed25519"))
            .run()
            .map(drop)
    }

    fn make_builder(&self) -> anyhow::Result<()> {
        let builder = self.builder();
        if builder.exists() {
            return Ok(());
        }
        step("making a root to build in (some 60 s)", || {
            debian::make_once(&builder, |partial| {
                Recipe { suite: SUITE, components: "main", packages: &["ca-certificates"] }
                    .bootstrap(partial, &self.log)?;
                let packages = [
                    "bc",
                    "bison",
                    "e2fsprogs",
                    "extlinux",
                    "fdisk",
                    "flex",
                    "gcc",
                    "libc6-dev",
                    "libelf-dev",
                    "linux-source-6.1",
                    "lz4",
                    "make",
                    "xz-utils",
                ];
                debian::install(partial, &packages, &self.log)
            })
        })
    }

    fn make_kernel(&self) -> anyhow::Result<()> {
        let kernel = self.kernel();
        if kernel.exists() {
            return Ok(());
        }
        step("building the guest's kernel (some 3 minutes, once)", || {
            debian::make_once(&kernel, |partial| {
                fs::create_dir_all(partial)
                    .with_context(|| format!("could not make {}", partial.display()))?;
                debian::write(&partial.join("kernel.config"), include_str!("kernel.config"))?;
                self.run_in_builder(
                    include_str!("kernel.sh"),
                    partial,
                    format!("FILES={}", partial.display()),
                )
            })
        })
    }

    fn make_root(&self, folder: &Path) -> anyhow::Result<()> {
        let root = folder.join("root");
        Recipe {
            suite: SUITE,
            components: "main",
            packages: &["busybox", "ca-certificates", "iproute2", "openssh-server", "sudo"],
        }
        .bootstrap(&root, &self.log)?;
        let files = folder.join("files");
        fs::create_dir_all(&files)
            .with_context(|| format!("could not make {}", files.display()))?;
        for (name, text) in [
            ("node-init", include_str!("node-init")),
            ("udhcpc.sh", include_str!("udhcpc.sh")),
            ("power-button.sh", include_str!("power-button.sh")),
        ] {
            debian::write(&files.join(name), text)?;
        }
        let key = fs::read_to_string(folder.join("id_ed25519.pub"))
            .context("the guest's public key is gone")?;
        Root {
            folder: &root,
            shared: vec![files.clone()],
            environment: vec![
                format!("LOGIN_KEY={}", key.trim()),
                format!("FILES={}", files.display()),
            ],
        }
        .run(include_str!("setup.sh"), &self.log)?;
        // The mount point of the shared folder stayed behind in the root.
        let below_root = files.strip_prefix("/").unwrap_or(&files);
        for empty in root.join(below_root).ancestors() {
            if empty == root || fs::remove_dir(empty).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn make_disk(&self, folder: &Path) -> anyhow::Result<()> {
        fs::copy(self.kernel().join("bzImage"), folder.join("bzImage"))
            .context("the guest's kernel is gone")?;
        self.run_in_builder(include_str!("disk.sh"), folder, format!("WORK={}", folder.display()))?;
        let script = format!(
            "/usr/lib/virtualbox/VBoxManage convertfromraw {0}/guest.raw {0}/guest.vdi --format VDI",
            folder.display()
        );
        Root {
            folder: &self.lab.vbox_root(),
            shared: vec![folder.to_owned()],
            environment: vec![format!("VBOX_USER_HOME={}/home", folder.display())],
        }
        .run(&script, &self.log)?;
        debian::set_mode(&folder.join("guest.vdi"), 0o644)?;
        for scrap in ["root", "files", "home", "guest.raw", "bzImage"] {
            debian::remove(&folder.join(scrap))?;
        }
        Ok(())
    }

    fn run_in_builder(&self, script: &str, shared: &Path, variable: String) -> anyhow::Result<()> {
        Root {
            folder: &self.builder(),
            shared: vec![shared.to_owned()],
            environment: vec![variable],
        }
        .run(script, &self.log)
    }
}
