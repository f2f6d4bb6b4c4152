//! What files can name.

use pallet_core::compute::{Localhost, NodeList, Sandbox};
use pallet_core::registry::Registry;

/// All actions and providers that come with Pallet.
pub fn builtin() -> Registry {
    let registry = Registry::new()
        .with(pallet_crates::all())
        .provider::<NodeList>()
        .provider::<Localhost>()
        .provider::<Sandbox>()
        .provider::<vmfest::pallet::VirtualBox>();
    #[cfg(feature = "incus")]
    let registry = registry.provider::<pallet_incus::service::Incus>();
    registry
}
