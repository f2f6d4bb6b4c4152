//! The forward to the guest's SSH port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use vbox_soap::api::INATEngine;

use super::Instance;
use crate::error::{Doing, Error};
use crate::manager::{SSH_PORT, add_rule};
use crate::models::NatRule;
use crate::ports::{self, PortClaim, SSH_RULE};
use crate::tag;
use crate::versions;

/// How often another port is chosen for a VM that has just been started.
const REPLACEMENTS: usize = 3;

impl Instance {
    /// Where the guest's sshd can be reached from this host: 127.0.0.1 and the forwarded port, or
    /// the [address](Instance::address) that the guest tells.
    ///
    /// # Errors
    /// [`Error::NoSshForward`] if the VM's network has no forward, and no address is known.
    pub async fn ssh_address(&self) -> Result<SocketAddr, Error> {
        let rules = self.forwards().await?;
        let Some(rule) = rules.iter().find(|rule| rule.guest_port == SSH_PORT) else {
            let address = self.address().await?;
            let address = address.map(|ip| SocketAddr::new(ip, SSH_PORT));
            return address.ok_or_else(|| Error::NoSshForward { name: self.name().to_owned() });
        };
        let ip = match rule.host_ip.parse() {
            Ok(ip) if ip != IpAddr::V4(Ipv4Addr::UNSPECIFIED) => ip,
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Ok(SocketAddr::new(ip, rule.host_port))
    }

    /// The forwards of the adapter that has the one for SSH.
    async fn forwards(&self) -> Result<Vec<NatRule>, Error> {
        let doing = || format!("read the port forwards of the VM {}", self.name());
        let Some(slot) = self.ssh_slot().await? else { return Ok(Vec::new()) };
        let adapter = self.machine.handle.get_network_adapter(slot).await.doing(doing)?;
        let engine = versions::nat_engine(&adapter).await.doing(doing)?;
        read_forwards(&engine).await.doing(doing)
    }

    async fn ssh_slot(&self) -> Result<Option<u32>, Error> {
        Ok(self.extra_data(tag::SSH_SLOT).await?.and_then(|slot| slot.parse().ok()))
    }

    /// Before a start: sees to it that the ports of the forwards are free. A port that we chose
    /// is replaced if somebody else has it by now; one that the model names is an error.
    pub(super) async fn secure_forwards(&self) -> Result<(), Error> {
        for rule in self.forwards().await? {
            if ports::is_free(rule.protocol, &rule.host_ip, rule.host_port) {
                continue;
            }
            if !self.chose_port_of(&rule) {
                return Err(Error::PortTaken {
                    name: self.name().to_owned(),
                    rule: rule.name,
                    address: rule.host_ip,
                    port: rule.host_port,
                });
            }
            self.choose_another_port(&rule, false).await?;
        }
        Ok(())
    }

    /// After a start: VirtualBox starts a VM even if somebody took the port of its forward at the
    /// last moment, and tells only its log. A port that we chose is replaced while the VM runs;
    /// that one is missing which the model names, [`Instance::wait_for_ssh`] tells.
    pub(super) async fn mend_forwards(&self) -> Result<(), Error> {
        for _ in 0..REPLACEMENTS {
            let log = self.log();
            if !ports::any_forward_failed(&log) {
                return Ok(());
            }
            let mut forwards = self.forwards().await?.into_iter();
            let failed = forwards.find(|rule| {
                ports::forward_failed(&log, rule.host_port) && self.chose_port_of(rule)
            });
            let Some(failed) = failed else { return Ok(()) };
            self.choose_another_port(&failed, true).await?;
        }
        Ok(())
    }

    /// What VirtualBox has logged since the VM was started.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read(self.folder().join("Logs").join("VBox.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Whether the forward's port is one that we chose, not one that the model names.
    fn chose_port_of(&self, rule: &NatRule) -> bool {
        let claim = self.manager.location().ports().join(rule.host_port.to_string());
        rule.name == SSH_RULE && claim.exists()
    }

    async fn choose_another_port(&self, rule: &NatRule, online: bool) -> Result<(), Error> {
        let folder = self.manager.location().ports();
        let claim = PortClaim::new(&folder, self.id())?;
        let (taken, new) = (rule.host_port, claim.port);
        tracing::warn!(
            name = self.name(),
            taken,
            new,
            "the SSH port is another's; using a new one"
        );
        if let Err(error) = self.replace_forward(rule, new, online).await {
            claim.give_back();
            return Err(error);
        }
        ports::give_back(&folder, self.id(), taken);
        Ok(())
    }

    async fn replace_forward(&self, old: &NatRule, port: u16, online: bool) -> Result<(), Error> {
        let doing = || format!("change the port forward of the VM {}", self.name());
        let Some(slot) = self.ssh_slot().await? else { return Ok(()) };
        let lock = self.lock_as_it_is(online).await?;
        let changed = async {
            let adapter = lock.machine.get_network_adapter(slot).await?;
            let engine = versions::nat_engine(&adapter).await?;
            engine.remove_redirect(&old.name).await?;
            add_rule(&engine, &NatRule { host_port: port, ..old.clone() }).await?;
            lock.machine.save_settings().await
        };
        let changed = changed.await.doing(doing);
        lock.release_after(changed).await
    }
}

async fn read_forwards(engine: &INATEngine) -> Result<Vec<NatRule>, vbox_soap::Error> {
    let redirects = engine.get_redirects().await?;
    Ok(redirects.iter().filter_map(|text| ports::parse_redirect(text)).collect())
}
