//! An Incus or LXD server, or a cluster of them, as a compute service of `pallet-core`.
//!
//! Register [`Incus`] as a provider, and documents can say:
//!
//! ```toml
//! [service.cluster]
//! provider           = "incus"                       # or "lxd"
//! url                = "https://n1.example.org:8443" # any member; default: the server of this machine
//! server-certificate = "cluster.crt"                 # or its fingerprint
//! certificate        = "~/.config/incus/client.crt"  # the key is beside it
//! project            = "web"
//! type               = "container"                   # or "virtual-machine"
//! location           = { cluster-group = "fast" }    # or { member = "n1" }
//!
//! [service.cluster.images.debian-12]                 # what the server does not say of an image
//! username = "debian"
//!
//! [service.cluster.hardware-models.tiny]
//! memory-size = 256
//! disk-size   = 5
//! ```
//!
//! All keys are fields of [`IncusConfig`]. A client certificate is trusted once the server was told
//! so: `incus config trust add-certificate client.crt` (`lxc config trust add client.crt`).
//!
//! # Node-specs
//!
//! `image` names an image by alias, fingerprint or the service's own name for it (`image-id`), or
//! says what it shall be, by the images' properties: `os-family`, `os-version`, `os-64-bit`,
//! `os-arch-matches`, `image-name-matches`, `image-description-matches`, `image-version-matches`
//! (`serial`), `os-name-matches` (`os`), `os-description-matches` (`release`). Of several that fit
//! the newest version is taken. `image-model` gives the keys of [`ImageModel`]; with `server` the
//! cluster fetches the image from elsewhere.
//!
//! `hardware` chooses a hardware model, as with VirtualBox: `micro`, `small`, `medium`, `large`, and
//! those of the service; `memory-size`, `cpu-count` and `disk-size` become `limits.memory`,
//! `limits.cpu` and the size of the root disk. Where nothing is asked for, the profiles decide.
//!
//! `network` is the name of a network or of a bridge of the members; a table with the keys of a
//! network device (`network` or `nictype`, `parent`, `ipv4.address`, …); or a list of these, one for
//! each card. VirtualBox's words `nat`, `local` and `bridged` mean the profiles' network.
//!
//! `location` is `{ member = "…" }` or `{ cluster-group = "…" }`.
//!
//! `provider.incus` has keys of its own: `type`, `reach`, `profiles`, `storage-pool`, `config` (a
//! table of settings, `"limits.processes" = "500"`), `devices`.
//!
//! # How nodes are reached
//!
//! Over SSH, with the host key that the API reads from the node's own files: nothing is trusted on
//! first use. With `reach = "exec"` a node needs neither sshd nor an address that is reached from
//! here: the API starts the programs, as root.
//!
//! # What is noted with an instance
//!
//! Settings under `user.pallet.`: that it is a node, its group, what was known of its image (no
//! passwords), its host key, whether `bootstrap` has succeeded. Only instances with that mark are
//! seen and touched, and of these only those of the service's project.

mod choose;
mod config;
mod hardware;
mod images;
mod network;
mod notes;
mod placement;
mod ready;
#[allow(clippy::module_inception)]
mod service;
mod transport;
mod words;

pub use config::{HardwareModel, ImageModel, Incus, IncusConfig, Reach};
pub use service::IncusService;

use service::failed;
