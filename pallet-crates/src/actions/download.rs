//! Files that the node fetches itself.

use pallet_core::action::{ActionError, Fragment};
use pallet_core::shell;

use crate::probes::Digest;

/// Fetches with what the node has: curl, wget, or apt's own helper, which every Debian has. The
/// helper would make a link to a file of the node.
const FETCH: &str = "fetch() {\n\
    if [ \"${1#file://}\" != \"$1\" ]; then cp -T -- \"${1#file://}\" \"$2\"\n\
    elif type -P curl >/dev/null; then curl -fsSL --retry 3 --retry-delay 1 -o \"$2\" -- \"$1\"\n\
    elif type -P wget >/dev/null; then wget -nv -t 3 -O \"$2\" -- \"$1\"\n\
    elif [ -x /usr/lib/apt/apt-helper ]; then rm -f -- \"$2\"; /usr/lib/apt/apt-helper -q download-file \"$1\" \"$2\"\n\
    else echo 'the node has neither curl nor wget to fetch it with' >&2; return 1; fi\n\
    }";

/// Adds commands that fetch `url` to `place`, a shell word, and fail if it has another digest.
pub(super) fn fetch(fragment: &mut Fragment, url: &str, digest: &Digest, place: &str) {
    fragment.line(FETCH);
    fragment.line(&format!("fetch {} {place}", shell::quote(url)));
    fragment.line(&format!(
        "found=$(sha256sum <{place}); found=${{found%% *}}\n\
         [ \"$found\" = {digest} ] || {{ echo \"what was fetched has the digest $found, not \"{digest} >&2; exit 1; }}"
    ));
}

/// Checks that an address and a digest are both given, and are fit, or that neither is given.
pub(super) fn check(
    (url_name, url): (&str, Option<&String>),
    (digest_name, digest): (&str, Option<&Digest>),
) -> Result<(), ActionError> {
    if url.is_some() != digest.is_some() {
        return Err(ActionError::new(format!("`{url_name}` and `{digest_name}` go together"))
            .help("what is fetched is trusted only if its digest is known: sha256sum prints it"));
    }
    let is_fit = |url: &&String| {
        let is_plain = |it: char| it.is_whitespace() || it.is_control();
        !url.contains(is_plain) && url.contains("://") && !url.starts_with('-')
    };
    match url {
        Some(url) if !is_fit(&url) => {
            Err(ActionError::new(format!("`{}` is no address", url.escape_debug()))
                .help("write it whole: https://example.com/file"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn what_is_fetched_is_checked() {
        let scratch = Scratch::new();
        let source = scratch.path("source");
        std::fs::write(source.as_str(), "content").unwrap();
        let url = format!("file://{source}");
        let place = scratch.path("it's here");
        let quoted = shell::quote(place.as_str()).into_owned();
        let ran = |digest: &Digest| {
            let mut fragment = Fragment::new();
            fetch(&mut fragment, &url, digest, &quoted);
            run(&fragment)
        };
        assert_eq!(ran(&Digest::of(b"content")).status, 0);
        assert_eq!(std::fs::read_to_string(place.as_str()).unwrap(), "content");
        let other = ran(&Digest::of(b"other"));
        assert!(other.status != 0 && other.output.contains("has the digest"), "{}", other.output);
    }

    #[test]
    fn addresses_and_digests_go_together() {
        let digest = Digest::of(b"");
        let error = |url: Option<&str>, digest: Option<&Digest>| {
            let url = url.map(str::to_owned);
            let checked = check(("url", url.as_ref()), ("sha256", digest));
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(error(None, None), None);
        assert_eq!(error(Some("https://x/y"), Some(&digest)), None);
        let together = Some("`url` and `sha256` go together".to_owned());
        assert_eq!(error(Some("https://x"), None), together);
        assert_eq!(error(None, Some(&digest)), together);
        let none = Some("`a b` is no address".to_owned());
        assert_eq!(error(Some("a b"), Some(&digest)), none);
    }
}
