//! What files can name.

use pallet_core::compute::NodeList;
use pallet_core::registry::Registry;

/// All actions and providers that this program has.
pub fn registry() -> Registry {
    Registry::new()
        .with(pallet_crates::all())
        .provider::<NodeList>()
        .provider::<vmfest::pallet::VirtualBox>()
}
