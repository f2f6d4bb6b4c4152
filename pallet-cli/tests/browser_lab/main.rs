//! Pages of runs in a real browser.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod webdriver;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use webdriver::Browser;

const SECRET: &str = "hunter2-and-more";

/// A folder with so many local nodes, on which steps run.
struct Project(tempfile::TempDir);

impl Project {
    fn new(nodes: usize, configure: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let nodes: Vec<String> = (1..=nodes)
            .map(|number| format!("{{ name = \"web-{number}\", group = \"web\" }}"))
            .collect();
        let toml = format!(
            "[admin-user]\nusername = \"{}\"\nno-sudo = true\n[service.here]\n\
             provider = \"node-list\"\nnodes = [{}]\n[group-spec.web.phases]\nconfigure = [{}]\n",
            user.trim(),
            nodes.join(", "),
            configure.replace('@', folder.path().to_str().unwrap())
        );
        std::fs::write(folder.path().join("pallet.toml"), toml).unwrap();
        Self(folder)
    }

    /// Runs `pallet`, and gives the page that it has written.
    fn page(&self, command: &str, code: i32) -> PathBuf {
        let page = self.0.path().join("page.html");
        let output = Command::new(env!("CARGO_BIN_EXE_pallet"))
            .args([command, "--report"])
            .arg(&page)
            .current_dir(self.0.path())
            .env("PALLET_HOME", self.0.path().join(".pallet"))
            .env("PALLET_STATE_DIR", self.0.path().join("state"))
            .env("BROWSER_TEST_TOKEN", SECRET)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        page
    }
}

/// What nodes say stays text, secrets stay out, and nothing is fetched.
#[test]
fn a_run_that_failed_in_a_hostile_way() {
    let steps = r#"
        { remote-file = { path = "@/a<img src=x onerror=hacked=1>", content = "1" } },
        { exec-script = { name = "<script>hacked=2</script>", env = { TOKEN = { env = "BROWSER_TEST_TOKEN" } }, script = '''
            printf '</pre><script>hacked=3</script><style>body{display:none}</style>\n'
            echo "$TOKEN"; exit 7''' } },
    "#;
    let project = Project::new(1, steps.trim());
    let page = project.page("lift", 1);
    assert!(!std::fs::read_to_string(&page).unwrap().contains(SECRET));
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.run("return document.title"), "lift of pallet.toml");
    assert!(browser.run("return typeof hacked") == "undefined");
    let failure = browser.run("return document.querySelector('.failure').innerText");
    let failure = failure.as_str().unwrap();
    for part in
        ["web-1, configure", "<script>hacked=2</script>", "</pre><script>hacked=3", "status 7"]
    {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    assert_eq!(browser.run("return getComputedStyle(document.body).display"), "block");
    assert_eq!(browser.run("return document.scripts.length"), 1);
    let bars = "return [...document.querySelectorAll('.bar, .act')]
        .every(bar => bar.getBoundingClientRect().width >= 2)";
    assert_eq!(browser.run(bars), true);
    assert_eq!(browser.run("return performance.getEntriesByType('resource').length"), 0);
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
}

/// A hundred nodes: found, folded, readable in light and dark, on small and large screens.
#[test]
fn a_hundred_nodes_stay_calm() {
    let steps = "{ remote-file = { path = \"@/made\", content = \"new\\n\" } }, \
                 { exec-script = { name = \"look\", script = \"true\", unless = \"true\", read-only-guards = true, guards-read = \"/etc\" } }";
    let project = Project::new(100, steps);
    std::fs::write(project.0.path().join("made"), "old\n").unwrap();
    let page = project.page("plan", 0);
    let browser = Browser::start();
    browser.resize(1280, 900);
    browser.open(&page);
    // One change, whatever the number of nodes, with its difference.
    assert_eq!(browser.run("return document.querySelectorAll('.change').length"), 1);
    let change = browser.run("return document.querySelector('.change').innerText");
    let change = change.as_str().unwrap();
    assert!(change.contains("all 100 nodes") && change.contains("+new"), "{change}");
    let shown = "return [...document.querySelectorAll('details.node')]
        .filter(node => node.offsetParent !== null).length";
    assert_eq!(browser.run(shown), 100);

    browser.type_into("#filter", "web-7");
    assert_eq!(browser.run(shown), 11, "web-7 and web-70 to web-79");
    assert_eq!(browser.run("return document.querySelector('#told').value"), "11 of 100 nodes");
    browser.click("#open");
    let rows = "return [...document.querySelectorAll('details[open] tbody tr')]
        .filter(row => row.offsetParent !== null).length";
    assert_eq!(browser.run(rows), 11, "what is unchanged is hidden");
    browser.click("#unchanged");
    assert_eq!(browser.run(rows), 22);

    // Everything that can be used has a name, and can be reached.
    let nameless = "return [...document.querySelectorAll('button, input, summary, a, [tabindex]')]
        .filter(it => !(it.textContent.trim() || it.ariaLabel || it.labels?.length))
        .map(it => it.outerHTML)";
    assert_eq!(browser.run(nameless), serde_json::json!([]));
    let headings = "return [...document.querySelectorAll('section')]
        .every(it => document.getElementById(it.getAttribute('aria-labelledby')))";
    assert_eq!(browser.run(headings), true);

    let light = browser.run(CONTRASTS);
    browser.click("#theme");
    let dark = browser.run(CONTRASTS);
    assert_ne!(light["background"], dark["background"], "the theme changes");
    for theme in [light, dark] {
        assert_eq!(theme["poor"], serde_json::json!([]), "hard to read");
    }
    for width in [1280, 700, 500] {
        browser.resize(width, 900);
        let fits = "return document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.run(fits), true, "{width} pixels are wide enough");
    }
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
}

/// The contrast of all texts with what is behind them, as WCAG counts it.
const CONTRASTS: &str = "
    const light = (color) => {
      const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
        .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
      return .2126 * r + .7152 * g + .0722 * b;
    };
    const behind = (it) => {
      for (; it; it = it.parentElement) {
        const color = getComputedStyle(it).backgroundColor;
        if (!color.endsWith(', 0)') && color !== 'transparent') return color;
      }
    };
    const texts = [...document.querySelectorAll('body *')].filter(it => it.offsetParent !== null
      && [...it.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
    const poor = new Set();
    for (const it of texts) {
      const [one, two] = [light(getComputedStyle(it).color), light(behind(it))];
      const ratio = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
      if (ratio < 4.5) poor.add(`${it.tagName}.${it.className} ${ratio.toFixed(2)}`);
    }
    return { background: behind(document.body), poor: [...poor] };
";
