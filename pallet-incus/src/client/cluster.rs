//! The cluster: its members, groups of them, and what instances have in common.

use serde::Deserialize;

use super::model::{Network, Profile};
use super::{Client, Error, escape};

/// A member of a cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct Member {
    /// Its name.
    pub server_name: String,
    /// `Online`, `Offline`, `Evacuated`, …
    pub status: String,
    /// Why, in words.
    #[serde(default)]
    pub message: String,
    /// The groups that it belongs to.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl Member {
    /// Whether instances can be made on it and worked with.
    pub fn is_online(&self) -> bool {
        self.status == "Online"
    }
}

/// A group of members.
#[derive(Debug, Clone, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The members' names.
    #[serde(default)]
    pub members: Vec<String>,
}

impl Client {
    /// The members of the cluster; none where there is no cluster.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        if !self.server().environment.server_clustered {
            return Ok(Vec::new());
        }
        self.0.get("/1.0/cluster/members?recursion=1", "listing the cluster's members").await
    }

    /// The groups of members of the cluster.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn groups(&self) -> Result<Vec<Group>, Error> {
        if !self.server().environment.server_clustered {
            return Ok(Vec::new());
        }
        self.0.get("/1.0/cluster/groups?recursion=1", "listing the groups of members").await
    }

    /// The networks that instances can be on, those included that are just there on the members.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn networks(&self) -> Result<Vec<Network>, Error> {
        self.0.get("/1.0/networks?recursion=1", "listing the networks").await
    }

    /// A profile.
    ///
    /// # Errors
    /// [`Error`], also when there is none of that name.
    pub async fn profile(&self, name: &str) -> Result<Profile, Error> {
        let path = format!("/1.0/profiles/{}", escape(name));
        self.0.get(&path, &format!("looking at the profile {name}")).await
    }
}
