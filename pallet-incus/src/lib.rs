//! Nodes on an [Incus] or LXD cluster, over its REST API.
//!
//! No scheduler is written here: the cluster places, stores and moves instances. [`client`] is a
//! small typed client of its API, [`images`] imports images, [`doctor`] looks whether all is well, and [`service`] is a compute service
//! for `pallet-core`: register [`service::Incus`] as a provider, and documents can say
//! `provider = "incus"`.
//!
//! [Incus]: https://linuxcontainers.org/incus/

pub mod client;
pub mod doctor;
pub mod images;
pub mod service;
