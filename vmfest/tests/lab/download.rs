//! Importing images from the web, which breaks off.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vmfest::ImageFile;
use vmfest::images::{Description, Event, Import};

use crate::disks::{content, sectors, xz};
use crate::support::{Stage, digest};

/// What the server has, and how it behaves.
#[derive(Clone, Default)]
struct Site {
    files: BTreeMap<String, Vec<u8>>,
    tag: Option<String>,
    /// So many bytes are sent, then the connection breaks; once for each entry.
    breaks: Vec<usize>,
    has_ranges: bool,
    /// After so many bytes nothing more is sent until this is taken away: for who comes to interrupt.
    holds_at: Option<usize>,
}

/// A request: its path, and the range if one was asked for.
type Request = (String, Option<String>);

/// A web server of a few lines: what counts is how it fails.
#[derive(Clone)]
struct Web {
    site: Arc<Mutex<Site>>,
    seen: Arc<Mutex<Vec<Request>>>,
    port: u16,
}

impl Web {
    fn new(site: Site) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let web = Self { site: Arc::new(Mutex::new(site)), seen: Arc::default(), port };
        let server = web.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.answer(stream));
            }
        });
        web
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn change(&self, change: impl FnOnce(&mut Site)) {
        change(&mut self.site.lock().expect("no panic"));
    }

    /// The ranges that were asked for of a file.
    fn ranges(&self, path: &str) -> Vec<Option<String>> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|(seen, _)| seen == path).map(|(_, range)| range.clone()).collect()
    }

    /// The client may hang up at any time, which is fine.
    fn answer(&self, stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ")?;
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let range = headers.get("range").cloned();
        self.seen.lock().expect("no panic").push((path.clone(), range.clone()));
        let (site, limit) = {
            let mut site = self.site.lock().expect("no panic");
            let is_image = site.files.contains_key(&path);
            let limit = (is_image && !site.breaks.is_empty()).then(|| site.breaks.remove(0));
            (site.clone(), limit)
        };
        let mut stream = stream;
        if let Some(target) = path.strip_prefix("/moved") {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
            )
            .ok();
        }
        let Some(file) = site.files.get(&path) else {
            return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok();
        };
        let is_same = headers.get("if-range").is_none_or(|tag| Some(tag) == site.tag.as_ref());
        let start = range.filter(|_| site.has_ranges && is_same).and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let tag = site.tag.map(|tag| format!("etag: {tag}\r\n")).unwrap_or_default();
        let body = file.get(start.unwrap_or(0)..)?;
        match start {
            Some(start) => write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{}/{}\r\n",
                file.len() - 1,
                file.len()
            ),
            None => write!(stream, "HTTP/1.1 200 OK\r\n"),
        }
        .ok()?;
        write!(stream, "{tag}content-length: {}\r\n\r\n", body.len()).ok()?;
        let body = body.get(..limit.unwrap_or(body.len()).min(body.len()))?;
        let (before, after) = body.split_at(site.holds_at.unwrap_or(0).min(body.len()));
        stream.write_all(before).ok()?;
        while self.site.lock().expect("no panic").holds_at.is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
        stream.write_all(after).ok()
    }
}

fn site(stage: &Stage) -> (Site, Vec<u8>) {
    let plain = crate::disks::raw(stage, "d.img", 9);
    let packed = std::fs::read(xz(&plain)).expect("reads");
    let site = Site {
        files: BTreeMap::from([("/x/d.img.xz".to_owned(), packed.clone())]),
        tag: Some("\"one\"".to_owned()),
        has_ranges: true,
        ..Site::default()
    };
    (site, packed)
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn debian() -> Description {
    Description::default().text("os-type-id", "Debian_64")
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with(".vmfest-lock"));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_broke_off() {
    let stage = Stage::new("breaks").await;
    let (site, packed) = site(&stage);
    let web = Web::new(Site { breaks: vec![100_000, 50_000], ..site });
    web.change(|site| {
        let known = "{:d {:os-type-id \"Debian_64\" :os-version \"12\"}}";
        site.files.insert("/x/d.meta".to_owned(), known.into());
        let digest = format!("{}  d.img.xz\n", sha256(&packed));
        site.files.insert("/x/d.img.xz.sha256".to_owned(), digest.into_bytes());
        // The small files are asked for first.
        site.breaks.splice(0..0, [usize::MAX, usize::MAX]);
    });
    let retries = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&retries);
    let import = Import::new(web.url("/x/d.img.xz")).on_event(move |event| {
        if matches!(event, Event::Retrying { .. }) {
            *heard.lock().expect("no panic") += 1;
        }
    });
    let model = stage.manager.import_model(import).await.expect("imported");
    assert_eq!(*retries.lock().expect("no panic"), 2);
    assert_eq!(model.image.os_version.as_deref(), Some("12"));
    assert!(model.verified.expect("vouched for").contains("d.img.xz.sha256"));
    assert!(content(&stage, &model.image.path) == sectors(9));
    let ranges = web.ranges("/x/d.img.xz");
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned()), Some("bytes=150000-".to_owned())]);
    assert_eq!(files(&stage.manager.location().model_path), ["d.meta", "d.vdi"]);
    assert_eq!(model.sha256.len(), digest(&model.image.path).len() * 2);
    stage.manager.delete_model("d", ImageFile::Delete).await.expect("removed");

    let elsewhere = Import::new(web.url("/moved/x/d.img.xz")).describe(debian());
    let model = stage.manager.import_model(elsewhere).await.expect("imported");
    assert!(content(&stage, &model.image.path) == sectors(9), "it went where it was sent");
    stage.manager.delete_model("d", ImageFile::Delete).await.expect("removed");
    stage.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_download_is_resumed_if_the_file_is_still_the_same() {
    let stage = Stage::new("resume").await;
    let (site, packed) = site(&stage);
    let web = Web::new(site);
    let models = stage.manager.location().model_path.clone();
    let import = || Import::new(web.url("/x/d.img.xz")).describe(debian());
    let half = models.join(".d.import").join("download");
    for (tag, is_resumed) in [("\"one\"", true), ("\"two\"", false)] {
        web.change(|site| site.holds_at = Some(100_000));
        let other = stage.another_manager().await;
        let cut = tokio::spawn({
            let (other, import) = (other.clone(), import());
            async move { other.import_model(import).await }
        });
        let has_begun = || {
            let list = stage.manager.list_models().expect("lists");
            list.unfinished.first().is_some_and(|rest| rest.bytes > 0)
        };
        while !has_begun() {
            assert!(!cut.is_finished(), "it ended before it was interrupted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cut.abort();
        assert!(cut.await.is_err(), "it is given up");
        web.change(|site| site.holds_at = None);
        // The abandoned task clears up, and lets go.
        other.close().await.expect("logs off");
        assert_eq!(files(&models), [".d.import"], "no part of a model");
        let there = std::fs::metadata(&half).expect("a part").len();
        assert!(there > 0 && there < packed.len() as u64, "{there}");
        web.change(|site| site.tag = Some(tag.to_owned()));
        web.seen.lock().expect("no panic").clear();
        let model = stage.manager.import_model(import()).await.expect("imported");
        assert_eq!(web.ranges("/x/d.img.xz")[0], Some(format!("bytes={there}-")));
        assert!(content(&stage, &model.image.path) == sectors(9), "resumed: {is_resumed}");
        assert_eq!(files(&models), ["d.meta", "d.vdi"]);
        stage.manager.delete_model("d", ImageFile::Delete).await.expect("removed");
    }
    stage.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_can_do_wrong() {
    let stage = Stage::new("bad-web").await;
    let (site, packed) = site(&stage);
    let web = Web::new(site);
    let models = stage.manager.location().model_path.clone();
    web.change(|site| {
        site.files.insert("/page".to_owned(), b"<html>Please log in</html>".to_vec());
        site.files.insert("/n/d.img.xz".to_owned(), packed.clone());
        let nosy = "{:d {:os-type-id \"L\" :private-key-path \"/root/.ssh/id\"}}";
        site.files.insert("/n/d.meta".to_owned(), nosy.into());
    });
    for (path, sha, part) in [
        ("/absent.vdi", None, "404 Not Found"),
        ("/page", None, "web page"),
        ("/x/d.img.xz", Some("0".repeat(64)), "but 0000"),
        ("/n/d.img.xz", None, "download it, look at it"),
    ] {
        let mut import = Import::new(web.url(path)).name("m").describe(debian());
        if let Some(sha) = sha {
            import = import.sha256(sha);
        }
        let error = stage.manager.import_model(import).await.expect_err(part).to_string();
        assert!(error.contains(part), "{part} in {error}");
        assert_eq!(files(&models), Vec::<String>::new(), "{error}");
    }
    // Without ranges and marks it begins anew, and succeeds when nothing breaks any more.
    web.change(|site| {
        site.has_ranges = false;
        site.tag = None;
        site.breaks = vec![70_000, 80_000];
    });
    let import = Import::new(web.url("/x/d.img.xz")).describe(debian());
    let model = stage.manager.import_model(import).await.expect("imported");
    assert!(content(&stage, &model.image.path) == sectors(9));
    stage.manager.delete_model("d", ImageFile::Delete).await.expect("removed");
    let closed = format!("http://127.0.0.1:{}/x.vdi", unused_port());
    let import = Import::new(&closed).describe(debian());
    let error = stage.manager.import_model(import).await.expect_err("nobody there").to_string();
    assert!(error.contains(&closed) || error.contains("cannot connect"), "{error}");
    assert_eq!(files(&models), Vec::<String>::new());
    stage.end(&[]).await;
}

fn unused_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
