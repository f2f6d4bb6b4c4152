//! The root that a cluster's members share: Debian with the server, made once.

use std::path::PathBuf;

use super::product::Product;
use crate::lab::layout::Lab;
use crate::lab::system::debian::{self, Recipe};
use crate::lab::system::say::step;

/// Where the root is.
pub(crate) fn folder(lab: &Lab, product: Product) -> PathBuf {
    lab.cluster_cache().join(product.name())
}

/// Makes the root unless it is there.
pub(super) fn make(lab: &Lab, product: Product) -> anyhow::Result<()> {
    let root = folder(lab, product);
    if root.exists() {
        return Ok(());
    }
    let name = product.name();
    step(format_args!("making the root of the {name} cluster's members (some 60 s, once)"), || {
        debian::make_once(&root, |partial| {
            let (suite, packages) = (product.suite(), product.packages());
            Recipe { suite, components: "main", packages: &packages }
                .bootstrap(partial, &lab.log("cluster-root"))
        })
    })
}
