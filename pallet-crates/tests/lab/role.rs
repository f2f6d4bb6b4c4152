//! A role of 52 steps such as people write them: accounts, directories, files, templates, links,
//! settings, keys, packages, a check and a reload.

use std::path::Path;

use pallet_core::spec::Step;
use pallet_crates::{AuthorizedKey, Directory, LineInFile, RemoteFile, SymbolicLink};

use super::node::step;

/// What the file that the role edits holds before.
pub const SEED: &str = "printf '# kernel settings\\nnet.core.somaxconn = 128\\nvm.swappiness = 60\\nfs.file-max = 1\\n' >/etc/sysctl.d/99-bench.conf";

/// The steps. Templates are written to `folder`, on this machine.
pub fn steps(folder: &Path) -> Vec<Step> {
    let mut steps = accounts_and_directories();
    steps.extend(files(folder));
    for number in 1..=5 {
        let (path, target) =
            (format!("/opt/bench/current-{number}"), format!("/etc/bench/static-0{number}.conf"));
        steps.push(Step::action(SymbolicLink::new(&path, target).unwrap()));
    }
    for (key, value) in [
        ("net.core.somaxconn", "4096"),
        ("vm.swappiness", "10"),
        ("fs.file-max", "200000"),
        ("net.ipv4.tcp_syncookies", "1"),
        ("kernel.panic", "30"),
    ] {
        let line = LineInFile::new("/etc/sysctl.d/99-bench.conf", format!("{key} = {value}"));
        steps.push(Step::action(line.unwrap().matching(&format!(r"^{key}\s*=")).unwrap()));
    }
    for number in 1..=3 {
        let key = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{number:043} dev{number}@bench");
        steps.push(Step::action(AuthorizedKey::new("benchdep", &key).unwrap()));
    }
    for number in 1..=2 {
        let file = RemoteFile::new(&format!("/etc/cron.d/bench-{number}")).unwrap();
        steps.push(Step::action(file.content("# nothing\n").mode("0644").unwrap()));
    }
    for package in ["openssh-server", "sudo", "procps", "mount", "ca-certificates"] {
        steps.push(step(&format!(r#"{{ package = "{package}" }}"#)));
    }
    steps.push(step(
        r#"{ exec-script = { name = "sshd -t", script = "exit 1", unless = "/usr/sbin/sshd -t", read-only-guards = true, guards-read = "/etc/ssh" } }"#,
    ));
    let reload = r#"{ exec-script = { script = "echo reloaded >> /run/bench.reload", affects = ["/run/bench.reload"] } }"#;
    let static_files = (1..=10).map(|number| format!("static-{number}"));
    steps.push(static_files.fold(step(reload), Step::when_changed));
    steps
}

fn accounts_and_directories() -> Vec<Step> {
    let accounts = [
        r#"{ group = { name = "benchgrp", gid = 2000 } }"#,
        r#"{ group = { name = "benchops", gid = 2001 } }"#,
        r#"{ user = { name = "benchapp", uid = 2000, group = "benchgrp", home = "/var/lib/bench", create-home = false, shell = "/usr/sbin/nologin" } }"#,
        r#"{ user = { name = "benchdep", uid = 2001, group = "benchgrp", home = "/home/benchdep", shell = "/bin/bash" } }"#,
        r#"{ user = { name = "benchmon", uid = 2002, group = "benchops", home = "/nonexistent", create-home = false, shell = "/usr/sbin/nologin" } }"#,
    ];
    let directories = [
        ("/opt/bench", "0755", "root", "root"),
        ("/opt/bench/data", "0750", "benchapp", "benchgrp"),
        ("/var/lib/bench", "0700", "benchapp", "benchgrp"),
        ("/etc/bench", "0755", "root", "root"),
        ("/home/benchdep/.ssh", "0700", "benchdep", "benchgrp"),
    ];
    let directory = |(path, mode, owner, group): (&str, &str, &str, &str)| {
        let directory = Directory::new(path).unwrap().mode(mode).unwrap();
        Step::action(directory.owner(owner).unwrap().group(group).unwrap())
    };
    accounts.map(step).into_iter().chain(directories.map(directory)).collect()
}

fn files(folder: &Path) -> Vec<Step> {
    let mut steps = Vec::new();
    for number in 1..=10 {
        let (owner, group, mode) = match number {
            3 => ("root", "benchgrp", "0640"),
            6 => ("benchapp", "benchgrp", "0600"),
            9 => ("root", "root", "0755"),
            _ => ("root", "root", "0644"),
        };
        let file = RemoteFile::new(&format!("/etc/bench/static-{number:02}.conf")).unwrap();
        let file = file.content(format!("setting = {number}\n").repeat(30 * number));
        let file = file.owner(owner).unwrap().group(group).unwrap().mode(mode).unwrap();
        steps.push(Step::action(file).id(format!("static-{number}")));
    }
    for number in 1..=10 {
        let (owner, group, mode) = match number {
            2 => ("root", "root", "0600"),
            5 => ("benchapp", "benchgrp", "0640"),
            _ => ("root", "root", "0644"),
        };
        let template = folder.join(format!("tmpl-{number:02}.hbs"));
        std::fs::write(&template, "name = {{node.name}}\nid = {{id}}\nos = {{facts.os}}\n")
            .unwrap();
        let file = RemoteFile::new(&format!("/etc/bench/tmpl-{number:02}.conf")).unwrap();
        let file = file.template(template).value("id", number);
        let file = file.owner(owner).unwrap().group(group).unwrap().mode(mode).unwrap();
        steps.push(Step::action(file));
    }
    steps
}
