//! The console page's files, compiled into the program and served as they are.
//!
//! All files but the page itself lie in a folder that is named after what they all hold: a browser keeps them for
//! good, and a page of one version of the server never gets a file of another.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::session::Gateway;

/// A file of the console page or of the SDK it uses, compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path, such as `/static/5f0c/console/app.js`; `/` is the page.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// Its contents.
    pub bytes: &'static [u8],
    /// Its contents once more, as gzip; empty where that would not be shorter.
    pub gzip: &'static [u8],
    /// Names its contents: a weak entity tag, for both forms of them.
    pub tag: &'static str,
    /// Whether its path is never given to other contents.
    pub immutable: bool,
}

/// Routes to the files; none where there are no files.
pub(crate) fn routes(assets: &'static [Asset], gateway: Arc<Gateway>) -> Router {
    if assets.is_empty() {
        return Router::new();
    }
    let at = |path: &str| assets.iter().find(|asset| asset.path == path).copied();
    let page = at("/");
    Router::new()
        .route(
            "/",
            get(move |headers: HeaderMap| async move {
                let mut response = answer(page, &headers);
                let policy = policy(&gateway.node.other_nodes());
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_SECURITY_POLICY, policy);
                response
            }),
        )
        .route(
            "/{*path}",
            get(
                move |Path(path): Path<String>, headers: HeaderMap| async move {
                    answer(at(&format!("/{path}")), &headers)
                },
            ),
        )
}

/// What the page may do: run nothing that does not come from here, and talk to this server and to the others on
/// its log, where it goes should this one stop. One that comes later is reached after a reload.
fn policy(nodes: &[String]) -> HeaderValue {
    let sockets = nodes.iter().filter_map(|url| {
        // `http` becomes `ws`, and `https` becomes `wss`.
        let (secure, rest) = url.strip_prefix("http")?.split_once("://")?;
        let host = rest.split('/').next()?;
        if host.starts_with('[') {
            // The grammar of sources knows no IPv6 address, and browsers pass over what it does not know: the page
            // would never get there. So it may open sockets anywhere, of which it has no reason to open any: what it
            // runs comes from here.
            return Some(format!("ws{secure}:"));
        }
        let one_source = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '\'');
        let socket = format!("ws{secure}://{host}");
        socket.chars().all(one_source).then_some(socket)
    });
    let sources = std::iter::once("'self'".to_owned()).chain(sockets);
    let mut sources: Vec<String> = sources.collect();
    // Several may fall back to the same.
    sources.sort();
    sources.dedup();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        sources.join(" ")
    );
    HeaderValue::try_from(policy).expect("sources are plain text")
}

fn answer(asset: Option<Asset>, request: &HeaderMap) -> Response {
    let Some(asset) = asset else {
        // Another version may have it a moment later.
        let headers = [(header::CACHE_CONTROL, "no-store")];
        return (StatusCode::NOT_FOUND, headers, "no such page\n").into_response();
    };
    let mut headers = HeaderMap::new();
    let mut set = |name, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::ETAG, asset.tag);
    let caching = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    set(header::CACHE_CONTROL, caching);
    set(header::VARY, "accept-encoding");
    if has(request, header::IF_NONE_MATCH, |tag| {
        tag == "*" || tag == asset.tag
    }) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    set(header::CONTENT_TYPE, asset.kind);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if asset.gzip.is_empty() || !has(request, header::ACCEPT_ENCODING, takes_gzip) {
        return (headers, asset.bytes).into_response();
    }
    set(header::CONTENT_ENCODING, "gzip");
    (headers, asset.gzip).into_response()
}

/// Whether one of the values of a header that is a list is such a one.
fn has(headers: &HeaderMap, name: header::HeaderName, is: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name);
    let mut values = values.iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|each| is(each.trim())))
}

/// Whether an element of `accept-encoding`, such as `gzip;q=0.8`, allows gzip. `*` is left out: whoever says no more
/// than that gets what needs no decoding.
fn takes_gzip(element: &str) -> bool {
    let mut parts = element.split(';').map(str::trim);
    let named = parts.next().is_some_and(|name| {
        name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip")
    });
    let refused = parts.any(|part| {
        let part = part.to_ascii_lowercase();
        part.strip_prefix("q=")
            .is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|q| q <= 0.0))
    });
    named && !refused
}

#[cfg(test)]
mod tests;
