//! `cargo xtask dist`: the one file that people install.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::bench::{start_up, target};
use crate::process::{cargo, check};

/// Builds `pallet` as one static file, and checks that it is one: that it needs no libraries, and
/// looks up host names. Looking them up is what static programs are known to fail at.
pub fn run() -> anyhow::Result<()> {
    // Only the last step differs from the usual release build: the standard library is made for
    // both ways of linking, and nothing else here asks for C libraries.
    let build = ["rustc", "--release", "--package", "pallet-cli", "--bin", "pallet", "--"];
    let link = ["-Ctarget-feature=+crt-static", "-Cstrip=symbols"];
    check(cargo(&build).args(link))?;
    let folder = target()?.join("dist");
    fs::create_dir_all(&folder)?;
    let pallet = folder.join("pallet");
    fs::copy(target()?.join("release/pallet"), &pallet)?;
    is_static(&pallet)?;
    looks_up_names(&pallet)?;
    let size = fs::metadata(&pallet)?.len();
    let start = start_up(&pallet)?;
    println!(
        "{}: static, {:.1} MiB, starts in {start:.1?}",
        pallet.display(),
        size as f64 / f64::from(1 << 20)
    );
    Ok(())
}

fn is_static(pallet: &Path) -> anyhow::Result<()> {
    let output = Command::new("ldd").arg(pallet).output().context("could not run ldd")?;
    let texts = [output.stdout, output.stderr];
    let told = texts.map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    let words = ["statically linked", "not a dynamic executable"];
    ensure!(words.iter().any(|word| told.contains(word)), "it is not static: {told}");
    Ok(())
}

/// A hosts file of its own, and a network in which nothing answers: needs root.
const ALONE: &str =
    "ip link set lo up && mount --bind hosts /etc/hosts && exec \"$0\" plan --connect-timeout 2";

fn looks_up_names(pallet: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("hosts"), "127.0.0.77 node.pallet.test\n")?;
    let tell = |host: &str| -> anyhow::Result<String> {
        let document = format!(
            "[service.s]\nprovider = \"node-list\"\n\
             nodes = [{{ name = \"a-1\", group = \"a\", host = \"{host}\", port = 9 }}]\n\
             [group-spec.a]\n"
        );
        fs::write(folder.path().join("pallet.toml"), document)?;
        let output = Command::new("unshare")
            .args(["--net", "--mount", "bash", "-c", ALONE])
            .arg(pallet)
            .current_dir(folder.path())
            .env("PALLET_HOME", folder.path().join("home"))
            .output()
            .context("could not run unshare")?;
        let texts = [output.stdout, output.stderr];
        Ok(texts.map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
    };
    let known = tell("node.pallet.test")?;
    ensure!(known.contains("Connection refused"), "a name was not looked up: {known}");
    let unknown = tell("nobody.pallet.test")?;
    let is_told = unknown.contains("nobody.pallet.test") && unknown.contains("lookup");
    ensure!(is_told, "that a name is not known was not told: {unknown}");
    Ok(())
}
