//! Running instances of VirtualBox: each has a HOME, namespaces and a port of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::lab::layout::Lab;
use crate::lab::system::holder::Holder;
use crate::lab::system::namespace::Root;
use crate::lab::system::say::{say, step};
use crate::lab::system::tool::tail_of_file;

/// Where Debian keeps VirtualBox's programs. Those in /usr/bin are wrappers that complain about
/// the missing kernel module.
pub(super) const PROGRAMS: &str = "/usr/lib/virtualbox";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The two instances: the one that tests use, and the one that refuses logons.
pub(crate) const INSTANCES: [Instance; 2] = [
    Instance { name: "open", port_offset: 0, authenticates: false },
    Instance { name: "refusing", port_offset: 1, authenticates: true },
];

/// One VirtualBox with its web service.
#[derive(Clone, Copy)]
pub(crate) struct Instance {
    name: &'static str,
    port_offset: u16,
    authenticates: bool,
}

impl Instance {
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    fn port(self, lab: &Lab) -> u16 {
        lab.port() + self.port_offset
    }

    pub(crate) fn url(self, lab: &Lab) -> String {
        format!("http://127.0.0.1:{}/", self.port(lab))
    }

    pub(super) fn home(self, lab: &Lab) -> PathBuf {
        self.folder(lab).join("home")
    }

    fn folder(self, lab: &Lab) -> PathBuf {
        lab.run_dir().join("vbox").join(self.name)
    }

    pub(crate) fn holder_file(self, lab: &Lab) -> PathBuf {
        self.folder(lab).join("holder.json")
    }

    pub(super) fn log(self, lab: &Lab) -> PathBuf {
        lab.log(&format!("vboxwebsrv-{}", self.name))
    }

    /// Whether its web service answers.
    pub(crate) fn answers(self, lab: &Lab) -> bool {
        serves_wsdl(self.port(lab)).unwrap_or(false)
    }

    /// An error if someone else has its port.
    pub(super) fn check_port(self, lab: &Lab) -> anyhow::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port(lab)));
        if Holder::running(&self.holder_file(lab)).is_none() && TcpStream::connect(address).is_ok()
        {
            bail!(
                "port {} is taken by someone else. Stop that program (`ss -ltnp sport = :{0}` names it), or choose other ports with PALLET_LAB_NUMBER={}",
                self.port(lab),
                lab.number() + 1
            );
        }
        Ok(())
    }

    /// Starts it unless it runs.
    pub(super) fn up(self, lab: &Lab) -> anyhow::Result<()> {
        if let Some(holder) = Holder::running(&self.holder_file(lab)) {
            if self.answers(lab) {
                say(format_args!("VirtualBox ({}) runs already at {}", self.name, self.url(lab)));
                return Ok(());
            }
            say(format_args!(
                "VirtualBox ({}) runs but does not answer: starting it anew",
                self.name
            ));
            holder.end()?;
        }
        step(format_args!("starting VirtualBox ({})", self.name), || {
            let holder = self.start(lab)?;
            holder.save(&self.holder_file(lab))?;
            self.wait(lab, &holder)
        })
    }

    fn start(self, lab: &Lab) -> anyhow::Result<Holder> {
        let folder = self.folder(lab);
        // A left-over home would bring back machines of an earlier run.
        fs::remove_dir_all(&folder).ok();
        let machines = lab.shared_dir().join("machines");
        for folder in [self.home(lab), machines, lab.guests_dir()] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("could not make the folder {}", folder.display()))?;
        }
        let root = lab.vbox_root();
        Root {
            folder: &root,
            shared: vec![folder, lab.shared_dir(), lab.guests_dir()],
            environment: vec![home_variable(&self.home(lab))],
        }
        .start(&self.script(lab), &self.log(lab))
    }

    /// What the first process does. It ends with the web service, and everything with it.
    fn script(self, lab: &Lab) -> String {
        let library = if self.authenticates { "default" } else { "null" };
        let machines = lab.shared_dir().join("machines");
        let machines = machines.display();
        format!(
            "{PROGRAMS}/VBoxManage setproperty websrvauthlibrary {library}\n\
             {PROGRAMS}/VBoxManage setproperty machinefolder {machines}\n\
             # Lets machines with default settings start without the kernel module.\n\
             {PROGRAMS}/VBoxManage setextradata global VBoxInternal/HM/FallbackToIEM 1\n\
             {PROGRAMS}/vboxwebsrv -H 127.0.0.1 -p {} -t 0 &\n\
             wait $!\n",
            self.port(lab)
        )
    }

    fn wait(self, lab: &Lab, holder: &Holder) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.answers(lab) {
            let hint = || {
                format!(
                    "The last lines of {}:\n{}",
                    self.log(lab).display(),
                    tail_of_file(&self.log(lab))
                )
            };
            if !holder.is_alive() {
                bail!("VirtualBox ({}) ended at its start. {}", self.name, hint());
            }
            if Instant::now() > deadline {
                bail!(
                    "VirtualBox ({}) does not answer at {} after {} s. {}",
                    self.name,
                    self.url(lab),
                    START_TIMEOUT.as_secs(),
                    hint()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// Tells VirtualBox where its settings are. HOME would not: it looks up the user's own home.
pub(super) fn home_variable(home: &Path) -> String {
    format!("VBOX_USER_HOME={}", home.display())
}

/// Whether a vboxwebsrv answers at this port: it serves its WSDL.
fn serves_wsdl(port: u16) -> std::io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let timeout = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(b"GET /?wsdl HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(start.starts_with(b"HTTP/1.") && start.ends_with(b"200"))
}
