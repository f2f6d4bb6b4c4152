//! Instances: made, changed, started, stopped, deleted, and their files.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::model::{Device, Instance, InstanceType, State};
use super::operation::{Operation, log};
use super::{Call, Client, Error, escape};

/// How long making an instance may take: an image may have to come from afar first.
const CREATING: Duration = Duration::from_secs(1800);
/// How long starting, killing and deleting may take.
const CHANGING: Duration = Duration::from_secs(300);
/// How long listing may take: every member is asked for the addresses of every instance.
const LISTING: Duration = Duration::from_secs(180);

/// What an instance is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An image that the server has, by its fingerprint.
    Image(String),
    /// An image that the server fetches first.
    Remote {
        /// The other server: `https://images.linuxcontainers.org`.
        server: String,
        /// `simplestreams`, `incus` or `lxd`.
        protocol: String,
        /// The image's name there.
        alias: String,
    },
}

/// An instance to be made.
#[derive(Debug, Clone)]
pub struct NewInstance {
    /// Its name.
    pub name: String,
    /// Container or virtual machine.
    pub kind: InstanceType,
    /// What it is made from.
    pub source: Source,
    /// Its settings.
    pub config: BTreeMap<String, String>,
    /// Its devices, besides those of its profiles.
    pub devices: BTreeMap<String, Device>,
    /// Its profiles, later ones over earlier ones.
    pub profiles: Vec<String>,
    /// The member that it shall be on, or `@` and the group of members. Default: the server
    /// chooses.
    pub target: Option<String>,
}

/// An instance that is being made.
#[derive(Debug)]
pub struct Creation {
    name: String,
    operation: Option<Operation>,
    /// Whether it is started with that.
    starts: bool,
}

impl Client {
    /// All instances of the project, with what they do.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        self.list("/1.0/instances?recursion=2").await
    }

    /// The instances of the project that have a setting of this value, with what they do, and those
    /// of which nobody can say it, since their member does not answer. One that is not asked for
    /// costs the servers little.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn instances_with(&self, key: &str, value: &str) -> Result<Vec<Instance>, Error> {
        let filter = escape(&format!("config.{key} eq {value} or status eq Error"));
        let mut instances =
            self.list(&format!("/1.0/instances?recursion=2&filter={filter}")).await?;
        instances.retain(|instance| {
            let is_wanted = instance.config.get(key).is_some_and(|has| has == value);
            is_wanted || instance.is_out_of_sight()
        });
        Ok(instances)
    }

    async fn list(&self, path: &str) -> Result<Vec<Instance>, Error> {
        let mut call = Call::new(Method::GET, path, "listing the instances");
        call.patience = LISTING;
        let response = self.0.send(call).await?;
        self.0.read(response.body(), "listing the instances")
    }

    /// One instance; `None` where there is none of that name.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn instance(&self, name: &str) -> Result<Option<Instance>, Error> {
        let path = format!("/1.0/instances/{}", escape(name));
        found(self.0.get(&path, &format!("looking at {name}")).await)
    }

    /// What an instance does.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn state(&self, name: &str) -> Result<State, Error> {
        let path = format!("/1.0/instances/{}/state", escape(name));
        self.0.get(&path, &format!("looking what {name} does")).await
    }

    /// Makes an instance and starts it.
    ///
    /// # Errors
    /// [`Error`]; whether something is left of it then is to be looked at.
    pub async fn create(&self, new: &NewInstance) -> Result<(), Error> {
        let creation = self.begin_creation(new).await?;
        self.finish_creation(creation).await
    }

    /// Begins to make an instance.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn begin_creation(&self, new: &NewInstance) -> Result<Creation, Error> {
        let (name, doing) = (&new.name, format!("creating {}", new.name));
        let source = match &new.source {
            Source::Image(fingerprint) => json!({"type": "image", "fingerprint": fingerprint}),
            Source::Remote { server, protocol, alias } => json!({
                "type": "image", "mode": "pull", "server": server, "protocol": protocol,
                "alias": alias,
            }),
        };
        let starts = Dialect::starts_what_it_creates(self.server());
        let request = json!({
            "name": name, "type": new.kind.name(), "source": source, "config": new.config,
            "devices": new.devices, "profiles": new.profiles, "start": starts,
        });
        let path = match &new.target {
            Some(target) => format!("/1.0/instances?target={}", escape(target)),
            None => "/1.0/instances".to_owned(),
        };
        let call = Call::new(Method::POST, &path, &doing).json(&request);
        let operation = self.0.begin(call).await?;
        Ok(Creation { name: name.clone(), operation, starts })
    }

    /// Waits until an instance is made, and starts it.
    ///
    /// # Errors
    /// [`Error`]; whether something is left of it then is to be looked at.
    pub async fn finish_creation(&self, creation: Creation) -> Result<(), Error> {
        let Creation { name, operation, starts } = creation;
        if let Some(operation) = operation {
            self.0.wait(operation, &format!("creating {name}"), CREATING, &mut log).await?;
        }
        if starts { Ok(()) } else { self.start(&name).await }
    }

    /// Starts an instance.
    ///
    /// # Errors
    /// [`Error`], also when it runs already.
    pub async fn start(&self, name: &str) -> Result<(), Error> {
        let change = json!({"action": "start", "timeout": -1});
        self.change_state(name, &format!("starting {name}"), &change, CHANGING).await
    }

    /// Asks an instance to shut down, and waits that long for it.
    ///
    /// # Errors
    /// [`Error`] when it does not.
    pub async fn shut_down(&self, name: &str, patience: Duration) -> Result<(), Error> {
        let change = json!({"action": "stop", "timeout": patience.as_secs(), "force": false});
        let doing = format!("shutting down {name}");
        self.change_state(name, &doing, &change, patience + CHANGING).await
    }

    /// Stops an instance as if its power were cut.
    ///
    /// # Errors
    /// [`Error`], also when it does not run.
    pub async fn kill(&self, name: &str) -> Result<(), Error> {
        let change = json!({"action": "stop", "timeout": -1, "force": true});
        self.change_state(name, &format!("stopping {name}"), &change, CHANGING).await
    }

    async fn change_state(
        &self,
        name: &str,
        doing: &str,
        change: &Value,
        patience: Duration,
    ) -> Result<(), Error> {
        let path = format!("/1.0/instances/{}/state", escape(name));
        let call = Call::new(Method::PUT, &path, doing).json(change);
        self.0.settle(call, patience).await.map(drop)
    }

    /// Deletes an instance that does not run, with all that is its own.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let (path, doing) =
            (format!("/1.0/instances/{}", escape(name)), format!("deleting {name}"));
        self.0.settle(Call::new(Method::DELETE, &path, &doing), CHANGING).await.map(drop)
    }

    /// Sets some of an instance's settings, in one go.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set(&self, name: &str, settings: &[(&str, &str)]) -> Result<(), Error> {
        let path = format!("/1.0/instances/{}", escape(name));
        let keys: Vec<&str> = settings.iter().map(|(key, _)| *key).collect();
        let doing = format!("noting {} with {name}", keys.join(" and "));
        let settings: BTreeMap<&str, &str> = settings.iter().copied().collect();
        let call = Call::new(Method::PATCH, &path, &doing).json(&json!({"config": settings}));
        self.0.settle(call, CHANGING).await.map(drop)
    }

    /// The content of a file in an instance; `None` where there is no such file.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn file(&self, name: &str, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let doing = format!("reading {path} of {name}");
        let path = format!("/1.0/instances/{}/files?path={}", escape(name), escape(path));
        let response = found(self.0.send(Call::new(Method::GET, &path, &doing)).await)?;
        let Some(response) = response else { return Ok(None) };
        let kind = response.headers().get(self.dialect().header("type"));
        let is_folder = kind.is_some_and(|kind| kind == "directory");
        if is_folder {
            return Err(self.0.odd(&doing, &"it is a folder"));
        }
        Ok(Some(response.body().to_vec()))
    }

    /// Writes a file in an instance, owned by root.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put_file(
        &self,
        name: &str,
        path: &str,
        mode: u32,
        content: Vec<u8>,
    ) -> Result<(), Error> {
        let doing = format!("writing {path} of {name}");
        let path = format!("/1.0/instances/{}/files?path={}", escape(name), escape(path));
        let mut call = Call::new(Method::POST, &path, &doing);
        let own = [("type", "file".to_owned()), ("mode", format!("{mode:04o}"))];
        let own = own.into_iter().chain(["uid", "gid"].map(|key| (key, "0".to_owned())));
        for (key, value) in own {
            self.0.add_header(&mut call, key, &value)?;
        }
        call.body = super::Body::Whole(content.into());
        self.0.send(call).await.map(drop)
    }
}

/// `None` for what is not there.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
