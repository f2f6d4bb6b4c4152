//! What creating many VMs takes, against a script of VBoxManage calls and against bare calls one after the other:
//! `cargo xtask bench vmfest`.
//!
//! Each way has a VirtualBox of its own, which begins empty but for the image and its holder. None boots anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement that fails has failed; printing is what it is for"
)]

#[path = "../../vbox-soap/benches/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::own_server::OwnServer;
use support::{Bare, judge};
use tokio::task::JoinSet;
use vbox_soap::api::{AccessMode, DeviceType, MediumVariant};
use vmfest::models::{HardwareModel, ImageModel};
use vmfest::{Location, Manager, Server};
use xtask::lab::State;

/// What VMs look like, and how many look like that.
type States = BTreeMap<String, usize>;

/// How many VMs are compared with VBoxManage's.
const FEW: usize = 50;
/// How many of them are made before it is the next way's turn.
const ROUND: usize = 10;
/// How many are made to see how VirtualBox slows down.
const MANY: usize = 400;
/// How many times faster than the script it has to be.
const BAR: f64 = 6.0;
/// By how much two measurements of the same may differ on a machine that does other things, too.
const NOISE: f64 = 1.1;
const MANAGE: &str = "/usr/lib/virtualbox/VBoxManage";

#[tokio::main]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut met = few().await;
    if !quick {
        met &= many().await;
    }
    if !met {
        std::process::exit(1);
    }
}

async fn few() -> bool {
    let script = Stage::new("script").await;
    let bare = Stage::new("bare").await;
    let one_by_one = Stage::new("one-by-one").await;
    let vmfest = Stage::new("vmfest").await;
    let mut times = [Duration::ZERO; 4];
    // A few of each in turn: what else the machine does disturbs all of them alike.
    for round in 0..FEW / ROUND {
        let numbers = round * ROUND..(round + 1) * ROUND;
        times[0] += script.with_script(numbers.clone());
        times[1] += bare.with_bare_calls(numbers.clone());
        let began = Instant::now();
        for number in numbers.clone() {
            one_by_one.create(number).await;
        }
        times[2] += began.elapsed();
        times[3] += vmfest.with_vmfest(numbers).await;
    }
    let states = vmfest.end_states(FEW);
    println!("{FEW} VMs                     ms per VM   × vmfest");
    let names = ["VBoxManage script", "bare calls, one by one", "vmfest, one by one", "vmfest"];
    for ((name, stage), time) in
        names.into_iter().zip([&script, &bare, &one_by_one, &vmfest]).zip(times)
    {
        let ratio = time.as_secs_f64() / times[3].as_secs_f64();
        println!("{name:<24} {:>12.1} {ratio:>10.2}", per_vm(time, FEW));
        check_same(name, &stage.end_states(FEW), &states);
    }
    println!("the end states are the same");
    let faster = times[0].as_secs_f64() / times[3].as_secs_f64();
    let what = format!("at least {BAR} × faster than the VBoxManage script");
    let met = judge(&what, faster >= BAR);
    met & judge("no slower than the bare calls", times[3] <= times[1])
}

fn check_same(name: &str, states: &States, others: &States) {
    if states != others {
        let lines = |states: &States| {
            states
                .keys()
                .flat_map(|state| state.lines())
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        let (ours, theirs) = (lines(states), lines(others));
        let different: Vec<_> = ours.symmetric_difference(&theirs).collect();
        panic!("the end states of {name} differ: {different:#?}");
    }
}

/// Both ways make the last VMs slower than the first: VirtualBox's own files grow.
async fn many() -> bool {
    let bare = Stage::new("bare-many").await;
    let vmfest = Stage::new("vmfest-many").await;
    let (mut bare_times, mut vmfest_times) = (Vec::new(), Vec::new());
    for round in 0..MANY / ROUND {
        let numbers = round * ROUND..(round + 1) * ROUND;
        bare_times.push(per_vm(bare.with_bare_calls(numbers.clone()), ROUND));
        vmfest_times.push(per_vm(vmfest.with_vmfest(numbers).await, ROUND));
    }
    check_same("the bare calls", &bare.end_states(MANY), &vmfest.end_states(MANY));
    let steps = (FEW..=MANY).step_by(FEW).map(|count| count as f64);
    println!("\nms per VM, up to         {}", columns(steps, 0));
    for (name, times) in [("bare calls, one by one", &bare_times), ("vmfest", &vmfest_times)] {
        println!("{name:<25}{}", columns(times.chunks(FEW / ROUND).map(median), 1));
    }
    // What else the machine does comes and goes: so it is the medians of the first and the last quarter.
    let growth = |times: &[f64]| {
        let quarter = times.len() / 4;
        median(&times[times.len() - quarter..]) / median(&times[..quarter])
    };
    let (bare, vmfest) = (growth(&bare_times), growth(&vmfest_times));
    println!(
        "the last 100 take, in times of the first 100: bare calls {bare:.2}, vmfest {vmfest:.2}"
    );
    judge("no more growth than the bare calls'", vmfest <= bare * NOISE)
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn columns(values: impl Iterator<Item = f64>, decimals: usize) -> String {
    values.map(|value| format!("{value:>7.decimals$}")).collect()
}

fn per_vm(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e3 / count as f64
}

/// A VirtualBox of its own with an image in it that is held.
struct Stage {
    server: OwnServer,
    manager: Manager,
    image: ImageModel,
    hardware: HardwareModel,
    folder: PathBuf,
}

impl Stage {
    async fn new(name: &str) -> Self {
        let server = OwnServer::start(&format!("create-{name}"), "-t 0");
        let lab = State::load().unwrap();
        let folder = lab.vbox().unwrap().scratch_dir(&format!("create-{name}")).unwrap();
        let session = vbox_soap::Client::new(&server.url).unwrap().logon("", "").await.unwrap();
        let path = folder.join("model.vdi");
        let medium = session
            .virtual_box()
            .create_medium(
                "VDI",
                path.to_str().unwrap(),
                AccessMode::ReadWrite,
                DeviceType::HardDisk,
            )
            .await
            .unwrap();
        let made = medium.create_base_storage(8 << 20, &[MediumVariant::Standard]).await.unwrap();
        made.wait(Duration::from_secs(30)).await.unwrap();
        medium.close().await.unwrap();
        session.logoff().await.unwrap();

        let location = Location::new(folder.join("models"), folder.join("nodes"));
        let manager = Manager::connect(&Server::new(&server.url), location).await.unwrap();
        let image = ImageModel::new(path, "Debian_64");
        let hardware = HardwareModel { memory_size: Some(16), ..HardwareModel::default() };
        // The first instance of an image makes its holder.
        manager.instance("first", &image, &hardware).await.unwrap().destroy().await.unwrap();
        Self { server, manager, image, hardware, folder }
    }

    async fn create(&self, number: usize) {
        self.manager.instance(&name(number), &self.image, &self.hardware).await.unwrap();
    }

    async fn with_vmfest(&self, numbers: Range<usize>) -> Duration {
        let began = Instant::now();
        let mut creations = JoinSet::new();
        for number in numbers {
            let (manager, image) = (self.manager.clone(), self.image.clone());
            let hardware = self.hardware.clone();
            creations.spawn(async move {
                manager.instance(&name(number), &image, &hardware).await.unwrap();
            });
        }
        creations.join_all().await;
        began.elapsed()
    }

    /// The same VMs, but without the extra data that vmfest marks its own with: the script has less to do.
    fn with_script(&self, numbers: Range<usize>) -> Duration {
        let (nodes, image) = (self.folder.join("nodes"), self.image.path.display());
        let nodes = nodes.display();
        let (first, last) = (numbers.start, numbers.end - 1);
        let script = format!(
            "set -e\n\
             for number in $(seq {first} {last}); do\n\
             name=vm-$number\n\
             {MANAGE} createvm --name $name --ostype Debian_64 --groups /vmfest --basefolder {nodes} --register\n\
             {MANAGE} modifyvm $name --memory 16 --vram 16 --uart1 0x3F8 4 --audio-enabled off --uartmode1 file {nodes}/vmfest/$name/console.log \\\n\
                 --nic1 nat --natpf1 ssh,tcp,127.0.0.1,$((20000 + number)),,22\n\
             {MANAGE} storagectl $name --name 'SATA Controller' --add sata --controller IntelAhci --portcount 1\n\
             {MANAGE} storageattach $name --storagectl 'SATA Controller' --port 0 --device 0 --type hdd --medium {image}\n\
             done"
        );
        let began = Instant::now();
        self.server.shell(&script);
        began.elapsed()
    }

    /// The calls that are necessary, and nothing else: no look whether the name is free, whether the image is shareable.
    fn with_bare_calls(&self, numbers: Range<usize>) -> Duration {
        let mut bare = Bare::new(&self.server.url);
        let root = bare.ask("IWebsessionManager_logon", &[("username", ""), ("password", "")]);
        let image = self.image.path.to_str().unwrap();
        let medium = bare.ask(
            "IVirtualBox_openMedium",
            &[
                ("_this", &root),
                ("location", image),
                ("deviceType", "HardDisk"),
                ("accessMode", "ReadWrite"),
                ("forceNewUuid", "false"),
            ],
        );
        let began = Instant::now();
        for number in numbers {
            self.bare_calls(&mut bare, &root, &medium, number);
        }
        let time = began.elapsed();
        bare.ask("IWebsessionManager_logoff", &[("refIVirtualBox", &root)]);
        time
    }

    fn bare_calls(&self, bare: &mut Bare, root: &str, medium: &str, number: usize) {
        let (name, folder) = (name(number), self.folder.join("nodes").join(name(number)));
        let (settings, console) = (folder.join(format!("{name}.vbox")), folder.join("console.log"));
        let machine = &bare.ask(
            "IVirtualBox_createMachine",
            &[
                ("_this", root),
                ("settingsFile", settings.to_str().unwrap()),
                ("name", &name),
                ("platform", "x86"),
                ("groups", "/vmfest"),
                ("osTypeId", "Debian_64"),
                ("flags", ""),
                ("cipher", ""),
                ("passwordId", ""),
                ("password", ""),
            ],
        );
        let on = |bare: &mut Bare, operation: &str, this: &str, parameters: &[(&str, &str)]| {
            let mut all = vec![("_this", this)];
            all.extend_from_slice(parameters);
            bare.ask(operation, &all)
        };
        on(bare, "IMachine_setMemorySize", machine, &[("memorySize", "16")]);
        let graphics = on(bare, "IMachine_getGraphicsAdapter", machine, &[]);
        on(bare, "IGraphicsAdapter_setVRAMSize", &graphics, &[("VRAMSize", "16")]);
        let audio = on(bare, "IMachine_getAudioSettings", machine, &[]);
        let audio = on(bare, "IAudioSettings_getAdapter", &audio, &[]);
        on(bare, "IAudioAdapter_setEnabled", &audio, &[("enabled", "false")]);
        let serial = on(bare, "IMachine_getSerialPort", machine, &[("slot", "0")]);
        on(bare, "ISerialPort_setPath", &serial, &[("path", console.to_str().unwrap())]);
        on(bare, "ISerialPort_setHostMode", &serial, &[("hostMode", "RawFile")]);
        on(bare, "ISerialPort_setEnabled", &serial, &[("enabled", "true")]);
        let sata = &[("name", "SATA Controller"), ("connectionType", "SATA")];
        let controller = on(bare, "IMachine_addStorageController", machine, sata);
        on(bare, "IStorageController_setPortCount", &controller, &[("portCount", "1")]);
        let adapter = on(bare, "IMachine_getNetworkAdapter", machine, &[("slot", "0")]);
        let nat = on(bare, "INetworkAdapter_getNATEngine", &adapter, &[]);
        let forward = &[
            ("name", "ssh"),
            ("proto", "TCP"),
            ("hostIP", "127.0.0.1"),
            ("hostPort", &*(20_000 + number).to_string()),
            ("guestIP", ""),
            ("guestPort", "22"),
        ];
        on(bare, "INATEngine_addRedirect", &nat, forward);
        for (key, value) in [
            ("vmfest/role", "instance"),
            ("vmfest/image", self.image.path.to_str().unwrap()),
            ("vmfest/ssh-slot", "0"),
        ] {
            on(bare, "IMachine_setExtraData", machine, &[("key", key), ("value", value)]);
        }
        on(bare, "IVirtualBox_registerMachine", root, &[("machine", machine)]);
        let session = bare.ask("IWebsessionManager_getSessionObject", &[("refIVirtualBox", root)]);
        let lock = &[("session", &*session), ("lockType", "Write")];
        on(bare, "IMachine_lockMachine", machine, lock);
        let locked = on(bare, "ISession_getMachine", &session, &[]);
        let disk = &[
            ("name", "SATA Controller"),
            ("controllerPort", "0"),
            ("device", "0"),
            ("type", "HardDisk"),
            ("medium", medium),
        ];
        on(bare, "IMachine_attachDevice", &locked, disk);
        on(bare, "IMachine_saveSettings", &locked, &[]);
        on(bare, "ISession_unlockMachine", &session, &[]);
    }

    /// The VMs as VBoxManage shows them, without what is each VM's own; and how many there are of each.
    fn end_states(&self, count: usize) -> States {
        let script = format!(
            "for number in $(seq 0 {}); do echo @@@; {MANAGE} showvminfo vm-$number --machinereadable; done",
            count - 1
        );
        let mut states = BTreeMap::new();
        for vm in self.server.shell(&script).split("@@@").skip(1) {
            let value = |key: &str| vm.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            let name = value("name=").trim_matches('"');
            let (folder, _) = value("CfgFile=\"").rsplit_once('/').unwrap();
            let common = |line: &str| common(&line.replace(folder, "").replace(name, "VM"));
            let lines: Vec<String> = vm.lines().filter_map(common).collect();
            assert!(lines.len() > 50, "{vm}");
            *states.entry(lines.join("\n")).or_default() += 1;
        }
        states
    }
}

/// A line of what VBoxManage shows, without what is the VM's own.
fn common(line: &str) -> Option<String> {
    let own = [
        "name=",
        "UUID=",
        "hardwareuuid=",
        "macaddress",
        "VMStateChangeTime=",
        "CfgFldr=",
        "CfgFile=",
        "SnapFldr=",
        "LogFldr=",
        "\"SATA Controller-ImageUUID",
    ];
    if own.iter().any(|key| line.starts_with(key)) {
        return None;
    }
    if line.starts_with("\"SATA Controller-0-0\"") {
        // A differencing disk in the VM's folder, not the image.
        return Some(format!("own disk: {}", line.contains("=\"/Snapshots/{")));
    }
    if line.starts_with("Forwarding(") {
        // Its port is any one.
        return Some(line.chars().filter(|c| !c.is_ascii_digit()).collect());
    }
    Some(line.to_owned())
}

fn name(number: usize) -> String {
    format!("vm-{number}")
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The server, which is dropped after this, has nothing open in it that it needs to end.
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            println!("{}: {error}", self.folder.display());
        }
    }
}
