//! From the lines about one host to its settings.

use std::env;
use std::path::PathBuf;

use super::super::options::{expand_home, local_user};
use super::super::{JumpHost, TransportError};
use super::Value;
use super::keys::Key;

/// What the configuration says about one host.
#[derive(Debug, Default)]
pub(in super::super) struct HostSettings {
    pub(in super::super) host_name: Option<String>,
    pub(in super::super) port: Option<u16>,
    pub(in super::super) user: Option<String>,
    pub(in super::super) identity_files: Vec<PathBuf>,
    pub(in super::super) certificate_files: Vec<PathBuf>,
    pub(in super::super) identities_only: bool,
    pub(in super::super) identity_agent: Option<IdentityAgent>,
    pub(in super::super) proxy_jump: Option<Vec<JumpHost>>,
    pub(in super::super) user_known_hosts: Option<Vec<PathBuf>>,
    pub(in super::super) global_known_hosts: Option<Vec<PathBuf>>,
    pub(in super::super) host_key_alias: Option<String>,
    /// A host that is seen for the first time is refused, whatever the description says.
    pub(in super::super) strict: bool,
}

/// Which agent to ask.
#[derive(Debug)]
pub(in super::super) enum IdentityAgent {
    Disabled,
    Socket(PathBuf),
}

/// Makes settings of `values`; of most keys the first one counts.
pub(super) fn settle(
    values: Vec<Value>,
    name: &str,
    login: &str,
) -> Result<HostSettings, TransportError> {
    let mut settings = HostSettings::default();
    let first = |key| values.iter().find(|value| value.key == key);
    let word = |value: &Value| value.words.first().cloned().unwrap_or_default();

    if let Some(value) = first(Key::HostName) {
        let tokens = Tokens { value, replacements: &[('h', name), ('n', name)] };
        settings.host_name = Some(tokens.expand(&word(value))?);
    }
    if let Some(value) = first(Key::Port) {
        let port: Option<u16> = word(value).parse().ok().filter(|port| *port > 0);
        settings.port =
            Some(port.ok_or_else(|| value.place.error("this is no port number".to_owned()))?);
    }
    settings.user = first(Key::User).map(word);
    settings.host_key_alias = first(Key::HostKeyAlias).map(word);

    let port = settings.port.unwrap_or(22).to_string();
    let local_user = local_user().unwrap_or_default();
    let home = env::home_dir().map(|home| home.display().to_string()).unwrap_or_default();
    let replacements = [
        ('h', settings.host_name.as_deref().unwrap_or(name)),
        ('n', name),
        ('p', port.as_str()),
        ('r', settings.user.as_deref().unwrap_or(login)),
        ('u', local_user.as_str()),
        ('d', home.as_str()),
    ];
    let paths = |value: &Value| -> Result<Vec<PathBuf>, TransportError> {
        if let [only] = value.words.as_slice()
            && only.eq_ignore_ascii_case("none")
        {
            return Ok(Vec::new());
        }
        let tokens = Tokens { value, replacements: &replacements };
        let expand = |word: &String| Ok(expand_home(tokens.expand(word)?.as_ref()));
        value.words.iter().map(expand).collect()
    };
    let all = |key| values.iter().filter(move |value| value.key == key);
    for value in all(Key::IdentityFile) {
        settings.identity_files.extend(paths(value)?);
    }
    for value in all(Key::CertificateFile) {
        settings.certificate_files.extend(paths(value)?);
    }
    settings.user_known_hosts = first(Key::UserKnownHostsFile).map(paths).transpose()?;
    settings.global_known_hosts = first(Key::GlobalKnownHostsFile).map(paths).transpose()?;
    if let Some(value) = first(Key::IdentitiesOnly) {
        settings.identities_only = match word(value).to_ascii_lowercase().as_str() {
            "yes" | "true" => true,
            "no" | "false" => false,
            _ => return Err(value.place.error("IdentitiesOnly is yes or no".to_owned())),
        };
    }
    if let Some(value) = first(Key::IdentityAgent) {
        settings.identity_agent = match word(value).as_str() {
            "none" => Some(IdentityAgent::Disabled),
            "SSH_AUTH_SOCK" => None,
            variable if variable.starts_with('$') && !variable.starts_with("${") => {
                let socket = env::var_os(variable.trim_start_matches('$'));
                Some(socket.map_or(IdentityAgent::Disabled, |it| IdentityAgent::Socket(it.into())))
            }
            _ => paths(value)?.into_iter().next().map(IdentityAgent::Socket),
        };
    }
    if let Some(value) = first(Key::ProxyJump) {
        let chain = JumpHost::chain(&word(value)).map_err(|reason| value.place.error(reason))?;
        settings.proxy_jump = Some(chain);
    }
    settings.strict = first(Key::StrictHostKeyChecking).is_some();
    Ok(settings)
}

/// Replaces `%` tokens and `${VARIABLES}`.
struct Tokens<'a> {
    value: &'a Value,
    replacements: &'a [(char, &'a str)],
}

impl Tokens<'_> {
    fn expand(&self, text: &str) -> Result<String, TransportError> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, token) = rest.split_at(at);
            expanded.push_str(before);
            if let Some(variable) = token.strip_prefix("${") {
                let (name, after) = variable.split_once('}').ok_or_else(|| {
                    self.value.place.error(format!("`{text}`: a `${{` is not closed"))
                })?;
                expanded.push_str(&env::var(name).map_err(|_| {
                    let reason = format!("the environment variable {name} is not set");
                    self.value.place.error(reason)
                })?);
                rest = after;
                continue;
            }
            let mut letters = token.chars();
            let mark = letters.next();
            if mark == Some('$') {
                expanded.push('$');
                rest = letters.as_str();
                continue;
            }
            let letter = letters.next();
            match letter {
                Some('%') => expanded.push('%'),
                Some(letter) => match self.replacements.iter().find(|(it, _)| *it == letter) {
                    Some((_, replacement)) => expanded.push_str(replacement),
                    None => {
                        let reason = format!("the token %{letter} is not supported");
                        return Err(self.value.place.error(reason));
                    }
                },
                None => return Err(self.value.place.error("`%` at the end".to_owned())),
            }
            rest = letters.as_str();
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}
