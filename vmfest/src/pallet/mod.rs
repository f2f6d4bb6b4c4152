//! VirtualBox as a compute service of `pallet-core`.
//!
//! Register [`VirtualBox`] as a provider, and documents can say:
//!
//! ```toml
//! [service.vbox]
//! provider   = "virtualbox"                # or "vmfest"
//! url        = "http://127.0.0.1:18083"
//! model-path = "~/.vmfest/models"
//!
//! [service.vbox.images.debian-12]          # besides those in files
//! path       = "debian-12.vdi"
//! os-type-id = "Debian_64"
//!
//! [service.vbox.hardware-models.tiny]
//! memory-size = 256
//! ```
//!
//! All keys are fields of [`VirtualBoxConfig`]. Those of the original's services are understood:
//! `vbox-comm` and `tag-provider` are accepted where they ask for what is done anyway, `locations`
//! with one location, and `environment` is refused with where it belongs now.
//!
//! # Node-specs
//!
//! `image` names a model (`image-id`), says what it shall be (`os-family`, `os-version`,
//! `os-64-bit`, `os-version-matches`, `image-id-matches`, `image-name-matches`,
//! `image-description-matches`, `os-arch-matches`; of several that fit the newest version is taken, then one of 64
//! bits, then the first by name), or is given with all its keys (`image-model`).
//!
//! `network` is `"nat"`, `"local"` or `"bridged"`; a table with the keys `network-type`,
//! `nat-rules`, `local-interface` and `bridged-interface`; or a list of adapters, used verbatim.
//! `inbound-ports` is accepted and changes nothing: VirtualBox has no firewall.
//!
//! What wins, key by key, later ones over earlier ones:
//!
//! 1. the base of all instances;
//! 2. what the service says of all nodes (`default-network-type` and the like);
//! 3. the hardware model that `hardware-id` names, or else `micro`;
//! 4. the image model's own keys, then its `hardware`;
//! 5. the node-spec's `hardware.hardware-model`;
//! 6. the node-spec's `hardware.network-type`, `bridged-interface`, `local-interface` and
//!    `nat-rules`, and `image.session-type`;
//! 7. the node-spec's `network`;
//! 8. the node-spec's `provider.virtualbox`, a table of hardware keys.
//!
//! So an image may ask for the controller that its system needs, and who writes a node-spec has
//! the last word. `min-ram` and `min-cores` raise what comes out of all that, where it is less;
//! with `prefer` and without `hardware-id` they choose among the hardware models. What VirtualBox
//! has nothing for (`location`, `qos`, `min-disk`, other architectures) is refused.
//!
//! # What is noted with a VM
//!
//! Extra data under `pallet/`: the scope, the group, the image's name, what was known of it (no
//! passwords), and whether `bootstrap` has succeeded. A service sees the nodes of its own scope
//! alone: that is the folder of the file that describes it, or what `scope` says.

mod catalogue;
mod choose;
mod config;
pub mod doctor;
mod notes;
mod service;
mod table;
mod words;

pub use catalogue::Catalogue;
pub use config::{VirtualBox, VirtualBoxConfig};
pub use service::VirtualBoxService;
