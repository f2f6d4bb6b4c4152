//! The crate `nginx`.

mod text;

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Handle, Plan, PlanError};
use pallet_core::secret::MaybeSecret;
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{
    Daemon, OrWrong, address_of, install, needs_debian, phase, secret, service_phases,
};
use crate::actions::{Directory, RemoteFile, SymbolicLink};

/// nginx with sites, their TLS files, and servers behind them that are found among the nodes.
///
/// `nginx -t` looks at the configuration before nginx reads it, and nginx reads it only if it has
/// changed. What is not named here stays: other sites, and the distribution's `nginx.conf`.
///
/// ```toml
/// [server-spec.web]
/// extends = ["nginx"]
///
/// [server-spec.web.settings.nginx]
/// http-options = { client_max_body_size = "10m" }
/// upstreams.app = { role = "app", port = 8080 }
///
/// [server-spec.web.settings.nginx.sites.shop]
/// server-names = ["shop.example.org"]
/// root         = "/srv/shop"
/// locations    = { "/api/" = { proxy-pass = "http://app" } }
/// tls          = { certificate-path = "/etc/ssl/shop.crt", key-path = "/etc/ssl/private/shop.key" }
/// ```
#[derive(Debug)]
pub struct Nginx;

/// What the crate `nginx` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The packages. Default: `nginx`.
    pub packages: Vec<String>,
    /// Whether the distribution's welcome page stays. Default: false.
    pub default_site: bool,
    /// Directives for all sites, under nginx's own names; those of the distribution's `nginx.conf`
    /// must not be among them, nginx refuses them twice. Default: none.
    pub http_options: BTreeMap<String, String>,
    /// Groups of servers that locations can pass requests to, by name. Default: none.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Sites by name. Default: none.
    pub sites: BTreeMap<String, Site>,
}

/// Servers behind nginx.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Upstream {
    /// All nodes that play this role belong to it. Default: none.
    pub role: Option<String>,
    /// The port of these nodes. Default: 80.
    pub port: u16,
    /// Further servers, as nginx writes them. Default: none.
    pub servers: Vec<String>,
}

/// A site.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    /// Whether it is served; its file stays. Default: true.
    pub enabled: bool,
    /// What it listens on without TLS: ports and addresses. Default: `80`, and `[::]:80`.
    pub listen: Vec<String>,
    /// Whether it answers for names that no site has. Default: false.
    pub default_server: bool,
    /// Its names. Default: `_`, which fits where nothing else does.
    pub server_names: Vec<String>,
    /// The directory with its files. Default: nginx's own.
    pub root: Option<String>,
    /// What is shown for a directory. Default: `index.html`.
    pub index: Vec<String>,
    /// Where requests are written down. Default: nginx's general log.
    pub access_log: Option<String>,
    /// Parts of it, by the beginning of their paths. Default: none.
    pub locations: BTreeMap<String, Location>,
    /// TLS, on port 443. Default: none.
    pub tls: Option<Tls>,
    /// With TLS: whether requests without it are sent there. Default: true.
    pub redirect: bool,
    /// Further directives, under nginx's own names. Default: none.
    pub options: BTreeMap<String, String>,
}

/// A part of a site.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Location {
    /// The directory with its files. Default: the site's.
    pub root: Option<String>,
    /// The server that answers: `http://UPSTREAM`, or an address. Default: none.
    pub proxy_pass: Option<String>,
    /// What is tried in turn. Default: nothing.
    pub try_files: Option<String>,
    /// Further directives, under nginx's own names. Default: none.
    pub options: BTreeMap<String, String>,
}

/// A certificate and its key: their content, or where they are on the node.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tls {
    /// The certificate with its chain: `{ file = "tls/shop.crt" }`. Default: see
    /// `certificate-path`.
    pub certificate: Option<MaybeSecret>,
    /// The private key: `{ file = "tls/shop.key" }`. Default: see `key-path`.
    pub key: Option<MaybeSecret>,
    /// Where the certificate is on the node, if something else puts it there. Default: none.
    pub certificate_path: Option<String>,
    /// Where the key is on the node, if something else puts it there. Default: none.
    pub key_path: Option<String>,
    /// What it listens on. Default: `443`, and `[::]:443`.
    pub listen: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            packages: vec!["nginx".to_owned()],
            default_site: false,
            http_options: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            sites: BTreeMap::new(),
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self { role: None, port: 80, servers: Vec::new() }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: vec!["80".to_owned(), "[::]:80".to_owned()],
            default_server: false,
            server_names: vec!["_".to_owned()],
            root: None,
            index: vec!["index.html".to_owned()],
            access_log: None,
            locations: BTreeMap::new(),
            tls: None,
            redirect: true,
            options: BTreeMap::new(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            certificate_path: None,
            key_path: None,
            listen: vec!["443 ssl".to_owned(), "[::]:443 ssl".to_owned()],
        }
    }
}

const TLS_FOLDER: &str = "/etc/nginx/tls";

impl Crate for Nginx {
    const NAME: &'static str = "nginx";
    const SUMMARY: &'static str = "nginx with sites, their TLS files and servers behind them.";
    const EXAMPLE: &'static str = r#"[server-spec.web]
extends = ["nginx"]

[server-spec.web.settings.nginx]
http-options = { client_max_body_size = "10m" }
upstreams.app = { role = "app", port = 8080 }

[server-spec.web.settings.nginx.sites.shop]
server-names = ["shop.example.org"]
root         = "/srv/shop"
locations    = { "/api/" = { proxy-pass = "http://app" } }
tls          = { certificate-path = "/etc/ssl/shop.crt", key-path = "/etc/ssl/private/shop.key" }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        let spec = ServerSpec::new()
            .phase("install", phase(install_nginx))
            .phase("configure", phase(configure));
        service_phases(spec, |_| Ok("nginx".to_owned()))
    }
}

fn install_nginx(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Nginx::NAME)?;
    let packages = plan.settings_of::<Nginx>()?.packages;
    install(plan, packages.iter().map(String::as_str))
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Nginx>()?;
    let mut changed = Vec::new();
    let upstreams = settings.upstreams.iter().map(|(name, it)| (name, it.servers(plan)));
    let general = text::general(&settings.http_options, upstreams).or_wrong(plan)?;
    changed.push(write(plan, "/etc/nginx/conf.d/pallet.conf", general)?);
    let default = match settings.default_site {
        true => SymbolicLink::new(
            "/etc/nginx/sites-enabled/default",
            "/etc/nginx/sites-available/default",
        ),
        false => SymbolicLink::absent("/etc/nginx/sites-enabled/default"),
    };
    let default = default.or_wrong(plan)?;
    changed.push(plan.action(default));
    if settings.sites.values().any(|site| site.tls.is_some()) {
        let folder = Directory::new(TLS_FOLDER)
            .and_then(|folder| folder.owner("root")?.mode("0750"))
            .or_wrong(plan)?;
        plan.action(folder);
    }
    for (name, site) in &settings.sites {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_word) {
            let error = plan.error(format!("`{name}` cannot be the name of a site"));
            return Err(error.help("use letters, digits, `-`, `_` and `.`"));
        }
        changed.extend(tls_files(plan, name, site)?);
        let content = text::site(name, site).or_wrong(plan)?;
        let available = format!("/etc/nginx/sites-available/{name}");
        changed.push(write(plan, &available, content)?);
        let enabled = format!("/etc/nginx/sites-enabled/{name}");
        let link = match site.enabled {
            true => SymbolicLink::new(&enabled, available),
            false => SymbolicLink::absent(&enabled),
        };
        let link = link.or_wrong(plan)?;
        changed.push(plan.action(link));
    }
    let daemon = Daemon {
        krate: Nginx::NAME,
        service: "nginx",
        reads: "/etc/nginx",
        check: "nginx -q -t",
        restarts: false,
        starts_with_machine: true,
    };
    daemon.settle(plan, &changed.iter().collect::<Vec<_>>())
}

fn write(plan: &mut Plan<'_>, path: &str, text: String) -> Result<Handle, PlanError> {
    let file = RemoteFile::new(path)
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?;
    Ok(plan.action(file))
}

/// Where the certificate and the key of a site are on the node.
fn tls_paths(name: &str, tls: &Tls) -> Result<(String, String), String> {
    let path = |content: bool, path: &Option<String>, ending: &str| match (content, path) {
        (true, None) => Ok(format!("{TLS_FOLDER}/{name}.{ending}")),
        (false, Some(path)) => Ok(path.clone()),
        _ => Err(format!(
            "the site `{name}` has TLS, which needs a certificate and a key, each either itself or \
             by its path on the node"
        )),
    };
    Ok((
        path(tls.certificate.is_some(), &tls.certificate_path, "crt")?,
        path(tls.key.is_some(), &tls.key_path, "key")?,
    ))
}

fn tls_files(plan: &mut Plan<'_>, name: &str, site: &Site) -> Result<Vec<Handle>, PlanError> {
    let Some(tls) = &site.tls else { return Ok(Vec::new()) };
    let (certificate, key) = tls_paths(name, tls).or_wrong(plan)?;
    let mut changed = Vec::new();
    if let Some(content) = &tls.certificate {
        let file = RemoteFile::new(&certificate)
            .and_then(|file| file.content(content.clone()).owner("root")?.mode("0644"))
            .or_wrong(plan)?;
        changed.push(plan.action(file));
    }
    if let Some(content) = &tls.key {
        let file = RemoteFile::new(&key)
            .and_then(|file| file.content(secret(content)).owner("root")?.mode("0600"))
            .or_wrong(plan)?;
        changed.push(plan.action(file));
    }
    Ok(changed)
}

impl Upstream {
    fn servers(&self, plan: &Plan<'_>) -> Vec<String> {
        let role = self.role.as_deref().unwrap_or_default();
        let nodes = plan.nodes().iter().filter(|node| node.roles.contains(role));
        let found = nodes.map(|node| format!("{}:{}", address_of(node), self.port));
        found.chain(self.servers.iter().cloned()).collect()
    }
}
