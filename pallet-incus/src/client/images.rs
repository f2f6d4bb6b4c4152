//! Images: listed, uploaded, named, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::Body;
use super::model::Image;
use super::operation::log;
use super::{Call, Client, Error, Inner, escape};

/// How long an image may take to be taken in, and to be spread among the members.
const TAKING_IN: Duration = Duration::from_secs(3600);

/// Where aliases are.
const ALIASES_OF: &str = "/1.0/images/aliases";

/// An image on its way to the server.
pub struct Upload {
    /// Its bytes, in pieces.
    pub chunks: mpsc::Receiver<Bytes>,
    /// Words that are added to what it says of itself: `os`, `release`, …
    pub properties: BTreeMap<String, String>,
    /// The separator of its parts, where it is sent in two: what it is, and its root.
    pub boundary: Option<String>,
}

impl Client {
    /// All images of the project.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        self.0.get("/1.0/images?recursion=1", "listing the images").await
    }

    /// Sends an image; returns its fingerprint.
    ///
    /// # Errors
    /// [`Error`], also when the server has it already.
    pub async fn upload(&self, upload: Upload) -> Result<String, Error> {
        let doing = "importing an image";
        let mut call = Call::new(Method::POST, "/1.0/images", doing);
        let kind = match &upload.boundary {
            Some(boundary) => format!("multipart/form-data; boundary={boundary}"),
            None => "application/octet-stream".to_owned(),
        };
        let kind = HeaderValue::from_str(&kind).map_err(|error| self.0.odd(doing, &error))?;
        call.headers.insert(CONTENT_TYPE, kind);
        if !upload.properties.is_empty() {
            let pairs = upload.properties.iter();
            let pairs = pairs.map(|(key, value)| format!("{}={}", escape(key), escape(value)));
            let pairs = pairs.collect::<Vec<_>>().join("&");
            self.0.add_header(&mut call, "properties", &pairs)?;
        }
        call.body = Body::Stream(upload.chunks);
        call.patience = TAKING_IN;
        let operation = self.0.begin(call).await?;
        let operation = operation.ok_or_else(|| self.0.odd(doing, &"it is no operation"))?;
        let ended = self.0.wait(operation, doing, TAKING_IN, &mut log).await?;
        let fingerprint = ended.value("fingerprint").and_then(Value::as_str).map(str::to_owned);
        fingerprint.ok_or_else(|| self.0.odd(doing, &"it has no fingerprint"))
    }

    /// Gives an image a name; the image that had it has it no longer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_alias(&self, alias: &str, fingerprint: &str) -> Result<(), Error> {
        let doing = format!("calling an image {alias}");
        let request = json!({"name": alias, "target": fingerprint});
        let made = self.0.send(Call::new(Method::POST, ALIASES_OF, &doing).json(&request)).await;
        match made {
            Err(error) if error.is_conflict() => {
                let path = format!("{ALIASES_OF}/{}", escape(alias));
                let request = json!({"target": fingerprint});
                let call = Call::new(Method::PUT, &path, &doing).json(&request);
                self.0.send(call).await.map(drop)
            }
            made => made.map(drop),
        }
    }

    /// Deletes an image and its names.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_image(&self, fingerprint: &str) -> Result<(), Error> {
        let path = format!("/1.0/images/{}", escape(fingerprint));
        let call = Call::new(Method::DELETE, &path, "deleting an image");
        self.0.settle(call, TAKING_IN).await.map(drop)
    }
}

impl Inner {
    /// Adds one of the API's own headers.
    pub(super) fn add_header(
        &self,
        call: &mut Call<'_>,
        name: &str,
        value: &str,
    ) -> Result<(), Error> {
        let name = HeaderName::try_from(self.dialect.header(name));
        let name = name.map_err(|error| self.odd(call.doing, &error))?;
        let value = HeaderValue::from_str(value).map_err(|error| self.odd(call.doing, &error))?;
        call.headers.insert(name, value);
        Ok(())
    }
}
