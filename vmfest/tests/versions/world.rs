//! The machines and disks that the peer pretends to have.

use std::collections::HashMap;

use crate::api::Request;

const NOT_FOUND: u32 = 0x80BB_0001;
const INVALID_ARGUMENT: u32 = 0x8007_0057;

/// What the peer says.
pub enum Answer {
    /// These results.
    Values(Vec<String>),
    /// Results by name; the others are whatever is of the right type.
    Named(Vec<(&'static str, Vec<String>)>),
    /// Whatever is of the right type.
    Anything,
    /// A fault with this code.
    Fault(u32),
}

#[derive(Default)]
pub struct Machine {
    pub id: String,
    pub name: String,
    pub file: String,
    pub groups: Vec<String>,
    pub os_type: String,
    pub extra: HashMap<String, String>,
    pub registered: bool,
    pub state: String,
    pub redirects: Vec<String>,
    /// Names of snapshots; each builds upon the one before.
    pub snapshots: Vec<String>,
}

#[derive(Default)]
struct Medium {
    location: String,
    kind: String,
}

#[derive(Default)]
pub struct World {
    /// The interfaces of the objects that were handed out.
    objects: HashMap<String, String>,
    pub machines: Vec<Machine>,
    media: Vec<Medium>,
    /// Which machine a session object has locked.
    locks: HashMap<String, usize>,
    /// The most locks that one logon ever held at once.
    pub most_locks: usize,
    sessions: usize,
    pub interfaces: Vec<Interface>,
    /// Address ranges by network.
    pub dhcp: HashMap<String, String>,
    /// What adapters were bridged to.
    pub bridged: Vec<String>,
    /// Without it there are no host-only interfaces.
    pub driver_is_missing: bool,
}

/// A host's network interface.
#[derive(Clone)]
pub struct Interface {
    pub name: String,
    pub kind: &'static str,
    pub address: String,
}

fn answer_of_properties(request: &Request<'_>, operation: &str) -> Answer {
    match operation {
        "getMaxGuestRAM" => one("2097152"),
        "getMaxGuestVRAM" => one("256"),
        "getMaxGuestCPUCount" | "getMaxGuestMonitors" => one("64"),
        "getSerialPortCount" => one("4"),
        "getMaxNetworkAdapters" if request.argument("chipset") == "ICH9" => one("36"),
        "getMaxNetworkAdapters" => one("8"),
        "getMaxPortCountForStorageBus" => one("30"),
        "getMaxDevicesPerPortForStorageBus" => one("2"),
        "getMaxBootPosition" => one("4"),
        "getInfoVDSize" => one("2199023255552"),
        "getSupportedNetworkAttachmentTypes" => {
            Answer::Values(["Null", "NAT", "Bridged", "HostOnly"].map(str::to_owned).to_vec())
        }
        _ => Answer::Anything,
    }
}

fn one(value: impl Into<String>) -> Answer {
    Answer::Values(vec![value.into()])
}

impl World {
    pub fn interface_of(&self, reference: &str) -> Option<String> {
        self.objects.get(reference).cloned()
    }

    /// The object that is this part of another; the same one each time.
    pub fn object(&mut self, interface: &str, part: &str) -> String {
        let reference = format!("{interface}:{part}");
        self.objects.insert(reference.clone(), interface.to_owned());
        reference
    }

    fn machine_object(&mut self, index: usize) -> String {
        self.object("IMachine", &index.to_string())
    }

    /// The machine that a reference, or a part of it, is of.
    fn machine_of(&mut self, reference: &str) -> Option<&mut Machine> {
        let (_, rest) = reference.split_once("IMachine:")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        self.machines.get_mut(digits.parse::<usize>().ok()?)
    }

    fn medium_of(&mut self, reference: &str) -> Option<&mut Medium> {
        let (_, index) = reference.split_once("IMedium:")?;
        self.media.get_mut(index.parse::<usize>().ok()?)
    }

    fn medium_at(&mut self, location: &str) -> String {
        let known = self.media.iter().position(|medium| medium.location == location);
        let index = known.unwrap_or_else(|| {
            let medium = Medium { location: location.to_owned(), kind: "Normal".to_owned() };
            self.media.push(medium);
            self.media.len() - 1
        });
        self.object("IMedium", &index.to_string())
    }

    pub fn answer(&mut self, request: &Request<'_>, version: &str) -> Answer {
        let (interface, operation) = request.name.split_once('_').unwrap_or_default();
        match interface {
            "IWebsessionManager" | "IVirtualBox" | "IManagedObjectRef" => {
                self.answer_of_root(request, operation, version)
            }
            "IMachine" => self.answer_of_machine(request, operation),
            "IMedium" => self.answer_of_medium(request, operation),
            "ISession" => self.answer_of_session(request, operation),
            "IHost" => self.answer_of_host(request, operation),
            "IHostNetworkInterface" => self.answer_of_interface(request, operation),
            "IDHCPServer" => {
                if operation == "setConfiguration" {
                    let network = request.this.replace("IDHCPServer:", "");
                    let (from, to) = ("FromIPAddress", "ToIPAddress");
                    let range = format!("{}-{}", request.argument(from), request.argument(to));
                    self.dhcp.insert(network, range);
                }
                Answer::Anything
            }
            "ISystemProperties" | "IPlatformProperties" => answer_of_properties(request, operation),
            _ => self.answer_of_part(request),
        }
    }

    fn answer_of_host(&mut self, request: &Request<'_>, operation: &str) -> Answer {
        match operation {
            "findHostNetworkInterfacesOfType" | "getNetworkInterfaces" => {
                let kind = request.argument("type");
                let interfaces = self.interfaces.clone().into_iter();
                let found = interfaces.filter(|found| kind.is_empty() || found.kind == kind);
                let found: Vec<_> = found.map(|found| found.name).collect();
                let object = |name: &String| self.object("IHostNetworkInterface", name);
                Answer::Values(found.iter().map(object).collect())
            }
            "createHostOnlyNetworkInterface" if self.driver_is_missing => {
                Answer::Named(vec![("hostInterface", vec![String::new()])])
            }
            "createHostOnlyNetworkInterface" => {
                let is_free = |name: &String| self.interfaces.iter().all(|i| i.name != *name);
                let name = (0..).map(|n| format!("vboxnet{n}")).find(is_free).unwrap_or_default();
                let interface = self.object("IHostNetworkInterface", &name);
                self.interfaces.push(Interface {
                    name,
                    kind: "HostOnly",
                    address: "0.0.0.0".to_owned(),
                });
                Answer::Named(vec![("hostInterface", vec![interface])])
            }
            "removeHostOnlyNetworkInterface" => {
                let id = request.argument("id");
                self.interfaces.retain(|interface| interface.name != id);
                Answer::Anything
            }
            _ => Answer::Anything,
        }
    }

    fn answer_of_interface(&mut self, request: &Request<'_>, operation: &str) -> Answer {
        let name = request.this.replace("IHostNetworkInterface:", "");
        let Some(found) = self.interfaces.iter_mut().find(|interface| interface.name == name)
        else {
            return Answer::Anything;
        };
        match operation {
            "getName" | "getId" => one(name),
            "getNetworkName" => one(format!("HostInterfaceNetworking-{name}")),
            "getIPAddress" => one(found.address.clone()),
            "getNetworkMask" => one("255.255.255.0"),
            "getStatus" => one("Up"),
            "enableStaticIPConfig" => {
                found.address = request.argument("IPAddress");
                Answer::Anything
            }
            _ => Answer::Anything,
        }
    }

    fn answer_of_root(&mut self, request: &Request<'_>, operation: &str, version: &str) -> Answer {
        match operation {
            "logon" => one(self.object("IVirtualBox", "root")),
            // Each logon of an old version has the same session object each time.
            "getSessionObject" => {
                let old = version.starts_with('4');
                self.sessions += usize::from(!old || self.sessions == 0);
                let number = self.sessions.to_string();
                one(self.object("ISession", &number))
            }
            "getAPIVersion" => one(version.replace('.', "_")),
            "getMachines" => {
                let registered: Vec<usize> =
                    (0..self.machines.len()).filter(|i| self.machines[*i].registered).collect();
                Answer::Values(registered.into_iter().map(|i| self.machine_object(i)).collect())
            }
            "findMachine" => {
                let wanted = request.argument("nameOrId");
                let found = self.machines.iter().position(|machine| {
                    machine.registered && (machine.id == wanted || machine.name == wanted)
                });
                found.map_or(Answer::Fault(NOT_FOUND), |index| one(self.machine_object(index)))
            }
            "createMachine" => {
                let flags = request.argument("flags");
                let id = flags.strip_prefix("UUID=").map(str::to_owned);
                self.machines.push(Machine {
                    id: id.unwrap_or_else(|| request.argument("id")),
                    name: request.argument("name"),
                    file: request.argument("settingsFile"),
                    groups: request.arguments.get("groups").cloned().unwrap_or_default(),
                    os_type: request.argument("osTypeId"),
                    state: "PoweredOff".to_owned(),
                    ..Machine::default()
                });
                one(self.machine_object(self.machines.len() - 1))
            }
            "registerMachine" => {
                if let Some(machine) = self.machine_of(&request.argument("machine")) {
                    machine.registered = true;
                }
                Answer::Anything
            }
            "findDHCPServerByNetworkName" => {
                let network = request.argument("name");
                if self.dhcp.contains_key(&network) {
                    one(self.object("IDHCPServer", &network))
                } else {
                    Answer::Fault(INVALID_ARGUMENT)
                }
            }
            "createDHCPServer" => one(self.object("IDHCPServer", &request.argument("name"))),
            "openMedium" | "createMedium" | "createHardDisk" => {
                one(self.medium_at(&request.argument("location")))
            }
            _ => Answer::Anything,
        }
    }

    fn answer_of_machine(&mut self, request: &Request<'_>, operation: &str) -> Answer {
        match operation {
            "lockMachine" | "launchVMProcess" => {
                let session = request.argument("session");
                let index = request.this.split(':').nth(1).and_then(|i| i.parse().ok());
                self.locks.insert(session, index.unwrap_or(usize::MAX));
                self.most_locks = self.most_locks.max(self.locks.len());
            }
            "unregister" => {
                if let Some(machine) = self.machine_of(&request.this) {
                    machine.registered = false;
                }
                return Answer::Values(vec![]);
            }
            _ => {}
        }
        let Some(machine) = self.machine_of(&request.this) else { return Answer::Anything };
        match operation {
            "getId" => one(machine.id.clone()),
            "getName" => one(machine.name.clone()),
            "setName" => {
                machine.name = request.argument("name");
                Answer::Anything
            }
            "getSettingsFilePath" => one(machine.file.clone()),
            "getGroups" => Answer::Values(machine.groups.clone()),
            "getOSTypeId" => one(machine.os_type.clone()),
            "getAccessible" => one("true"),
            "getState" => one(machine.state.clone()),
            "getSessionState" => one("Unlocked"),
            "getExtraData" => {
                one(machine.extra.get(&request.argument("key")).cloned().unwrap_or_default())
            }
            "setExtraData" => {
                machine.extra.insert(request.argument("key"), request.argument("value"));
                Answer::Anything
            }
            "getSnapshotCount" => one(machine.snapshots.len().to_string()),
            "takeSnapshot" => {
                machine.snapshots.push(request.argument("name"));
                Answer::Anything
            }
            "deleteSnapshot" => {
                let id = request.argument("id");
                machine.snapshots.retain(|name| *name != id);
                Answer::Anything
            }
            "findSnapshot" | "getCurrentSnapshot" => {
                let wanted = request.argument("nameOrId");
                let mut all = machine.snapshots.iter();
                let found = all.find(|name| wanted.is_empty() || **name == wanted).cloned();
                let Some(name) = found else {
                    // There is no current one, but a name must be known.
                    return if wanted.is_empty() { one("") } else { Answer::Fault(NOT_FOUND) };
                };
                let machine = request.this.replace(":mutable", "");
                one(self.object("ISnapshot", &format!("{machine}/{name}")))
            }
            "discardSavedState" => {
                machine.state = "PoweredOff".to_owned();
                Answer::Anything
            }
            "launchVMProcess" => {
                machine.state = "Running".to_owned();
                Answer::Anything
            }
            "saveState" => {
                machine.state = "Saved".to_owned();
                Answer::Anything
            }
            _ => Answer::Anything,
        }
    }

    fn answer_of_medium(&mut self, request: &Request<'_>, operation: &str) -> Answer {
        let Some(medium) = self.medium_of(&request.this) else { return Answer::Anything };
        match operation {
            "getId" => one(format!("{:032x}", medium.location.len())),
            "getLocation" => one(medium.location.clone()),
            "getType" => one(medium.kind.clone()),
            "setType" => {
                medium.kind = request.argument("type");
                Answer::Anything
            }
            "getParent" => one(""),
            "close" => {
                medium.kind = "Normal".to_owned();
                Answer::Anything
            }
            _ => Answer::Anything,
        }
    }

    fn answer_of_session(&mut self, request: &Request<'_>, operation: &str) -> Answer {
        let locked = self.locks.get(&request.this).copied();
        match (operation, locked) {
            ("getState", None) => one("Unlocked"),
            ("getState", Some(_)) => one("Locked"),
            ("unlockMachine", _) => {
                self.locks.remove(&request.this);
                Answer::Anything
            }
            ("getMachine", Some(index)) => {
                one(self.object("IMachine", &format!("{index}:mutable")))
            }
            ("getConsole", Some(index)) => {
                one(self.object("IConsole", &format!("IMachine:{index}")))
            }
            _ => Answer::Anything,
        }
    }

    fn answer_of_part(&mut self, request: &Request<'_>) -> Answer {
        match request.name.as_str() {
            "IProgress_getCompleted" => return one("true"),
            "IProgress_getResultCode" => return one("0"),
            "IKeyboard_putScancodes" => {
                let codes = request.arguments.get("scancodes").map_or(0, Vec::len);
                return one(codes.to_string());
            }
            _ => {}
        }
        let argument = |name: &str| request.argument(name);
        if request.name == "INetworkAdapter_setBridgedInterface" {
            self.bridged.push(argument("bridgedInterface"));
        }
        // A snapshot's reference ends with its name.
        let (parent, snapshot) = request.this.rsplit_once('/').unwrap_or((&request.this, ""));
        let parent = parent.replace("ISnapshot:", "");
        let Some(machine) = self.machine_of(&request.this) else { return Answer::Anything };
        match request.name.as_str() {
            "IConsole_takeSnapshot" => {
                machine.snapshots.push(argument("name"));
                Answer::Anything
            }
            "IConsole_deleteSnapshot" => {
                machine.snapshots.retain(|name| *name != argument("id"));
                Answer::Anything
            }
            "IConsole_discardSavedState" => {
                machine.state = "PoweredOff".to_owned();
                Answer::Anything
            }
            "ISnapshot_getId" | "ISnapshot_getName" => one(snapshot),
            "ISnapshot_getMachine" => one(parent),
            "ISnapshot_getChildren" => {
                let mut later = machine.snapshots.iter().skip_while(|name| **name != snapshot);
                let next = later.nth(1).map(|name| format!("{parent}/{name}"));
                Answer::Values(next.iter().map(|part| self.object("ISnapshot", part)).collect())
            }
            "IConsole_powerDown" | "IConsole_powerButton" => {
                machine.state = "PoweredOff".to_owned();
                Answer::Anything
            }
            "IConsole_saveState" => {
                machine.state = "Saved".to_owned();
                Answer::Anything
            }
            "IConsole_pause" => {
                machine.state = "Paused".to_owned();
                Answer::Anything
            }
            "IConsole_resume" => {
                machine.state = "Running".to_owned();
                Answer::Anything
            }
            "INATEngine_addRedirect" => {
                let protocol = if argument("proto") == "TCP" { "1" } else { "0" };
                machine.redirects.push(format!(
                    "{},{protocol},{},{},{},{}",
                    argument("name"),
                    argument("hostIP"),
                    argument("hostPort"),
                    argument("guestIP"),
                    argument("guestPort")
                ));
                Answer::Anything
            }
            "INATEngine_getRedirects" => Answer::Values(machine.redirects.clone()),
            _ => Answer::Anything,
        }
    }
}
