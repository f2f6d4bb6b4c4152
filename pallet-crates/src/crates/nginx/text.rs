//! What is written into nginx's files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Site, tls_paths};

const HEAD: &str = "# Written by Pallet; changes made here are lost.\n";

/// Lines of a block. A value ends its directive, and nothing more.
struct Block<'t> {
    text: &'t mut String,
    indent: &'static str,
}

impl Block<'_> {
    fn directive(&mut self, name: &str, value: &str) -> Result<(), String> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_".contains(&byte);
        let breaks = value.contains(['\n', '{', '}']) || value.trim_end().ends_with('\\');
        if name.is_empty() || !name.bytes().all(is_word) || breaks || is_open(value) {
            return Err(format!("`{name} {value}` cannot be a directive of nginx"));
        }
        let _ = writeln!(self.text, "{}{name} {value};", self.indent);
        Ok(())
    }

    fn directives(&mut self, options: &BTreeMap<String, String>) -> Result<(), String> {
        options.iter().try_for_each(|(name, value)| self.directive(name, value))
    }
}

/// Whether a `;` or `#` stands outside of quotes, or quotes are not closed: what follows would
/// not be part of the value.
fn is_open(value: &str) -> bool {
    let mut quote = None;
    for letter in value.chars() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (None, ';' | '#') => return true,
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

/// What holds for all sites.
pub(super) fn general<'a>(
    options: &BTreeMap<String, String>,
    upstreams: impl Iterator<Item = (&'a String, Vec<String>)>,
) -> Result<String, String> {
    let mut text = String::from(HEAD);
    Block { text: &mut text, indent: "" }.directives(options)?;
    for (name, servers) in upstreams {
        if name.is_empty() || name.contains(|it: char| !it.is_ascii_alphanumeric() && it != '-') {
            return Err(format!("`{name}` cannot be the name of an upstream"));
        }
        let _ = writeln!(text, "\nupstream {name} {{");
        if servers.is_empty() {
            // nginx refuses an upstream without servers.
            text.push_str("    server 127.0.0.1:9 down;\n");
        }
        for server in servers {
            Block { text: &mut text, indent: "    " }.directive("server", &server)?;
        }
        text.push_str("}\n");
    }
    Ok(text)
}

/// The file of a site.
pub(super) fn site(name: &str, site: &Site) -> Result<String, String> {
    let mut text = String::from(HEAD);
    let default = if site.default_server { " default_server" } else { "" };
    let names = site.server_names.join(" ");
    if let (Some(_), true) = (&site.tls, site.redirect) {
        text.push_str("server {\n");
        let mut block = Block { text: &mut text, indent: "    " };
        for listen in &site.listen {
            block.directive("listen", &format!("{listen}{default}"))?;
        }
        block.directive("server_name", &names)?;
        block.directive("return", "301 https://$host$request_uri")?;
        text.push_str("}\n\n");
    }
    text.push_str("server {\n");
    let mut block = Block { text: &mut text, indent: "    " };
    if site.tls.is_none() || !site.redirect {
        for listen in &site.listen {
            block.directive("listen", &format!("{listen}{default}"))?;
        }
    }
    if let Some(tls) = &site.tls {
        let (certificate, key) = tls_paths(name, tls)?;
        for listen in &tls.listen {
            block.directive("listen", &format!("{listen}{default}"))?;
        }
        block.directive("ssl_certificate", &certificate)?;
        block.directive("ssl_certificate_key", &key)?;
    }
    block.directive("server_name", &names)?;
    if let Some(root) = &site.root {
        block.directive("root", root)?;
    }
    if !site.index.is_empty() {
        block.directive("index", &site.index.join(" "))?;
    }
    if let Some(log) = &site.access_log {
        block.directive("access_log", log)?;
    }
    block.directives(&site.options)?;
    for (path, location) in &site.locations {
        if path.is_empty() || path.contains(['\n', '{', '}', ';']) {
            return Err(format!("`{path}` cannot be the path of a location"));
        }
        let _ = writeln!(text, "    location {path} {{");
        let mut block = Block { text: &mut text, indent: "        " };
        if let Some(root) = &location.root {
            block.directive("root", root)?;
        }
        if let Some(server) = &location.proxy_pass {
            block.directive("proxy_pass", server)?;
            block.directive("proxy_set_header", "Host $host")?;
            block.directive("proxy_set_header", "X-Forwarded-For $proxy_add_x_forwarded_for")?;
            block.directive("proxy_set_header", "X-Forwarded-Proto $scheme")?;
        }
        if let Some(files) = &location.try_files {
            block.directive("try_files", files)?;
        }
        block.directives(&location.options)?;
        text.push_str("    }\n");
    }
    text.push_str("}\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_site_with_tls_sends_everybody_there() {
        let settings: Site = serde_json::from_value(json!({
            "server-names": ["a.example", "b.example"], "root": "/srv/a", "default-server": true,
            "tls": { "certificate": "C", "key-path": "/k" },
            "locations": { "/api/": { "proxy-pass": "http://app", "options": { "proxy_buffering": "off" } } },
        }))
        .unwrap();
        let expected = "# Written by Pallet; changes made here are lost.
server {
    listen 80 default_server;
    listen [::]:80 default_server;
    server_name a.example b.example;
    return 301 https://$host$request_uri;
}

server {
    listen 443 ssl default_server;
    listen [::]:443 ssl default_server;
    ssl_certificate /etc/nginx/tls/a.crt;
    ssl_certificate_key /k;
    server_name a.example b.example;
    root /srv/a;
    index index.html;
    location /api/ {
        proxy_pass http://app;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_buffering off;
    }
}
";
        assert_eq!(site("a", &settings).unwrap(), expected);
    }

    #[test]
    fn a_value_cannot_end_its_directive() {
        let mut text = String::new();
        let mut block = Block { text: &mut text, indent: "" };
        for value in ["on; evil on", "a }", "\"open", "x # y", "a\nb"] {
            assert!(block.directive("name", value).is_err(), "{value}");
        }
        assert!(block.directive("na me", "x").is_err());
        block.directive("log_format", "x '$a; \"b\" # c'").unwrap();
        assert_eq!(text, "log_format x '$a; \"b\" # c';\n");
    }
}
