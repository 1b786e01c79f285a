//! The live page: files that are part of the program. They contain no data of the run, which a script reads from
//! `/api/v1`, and need nothing from elsewhere.

use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use super::answer::{Answer, answer, with};

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The paths, each with its file.
const FILES: &[(&str, File)] = &[
    (
        "/",
        File {
            kind: HTML,
            text: include_str!("page/index.html"),
        },
    ),
    (
        "/page/style.css",
        File {
            kind: CSS,
            text: include_str!("page/style.css"),
        },
    ),
    (
        "/page/icon.svg",
        File {
            kind: SVG,
            text: include_str!("page/icon.svg"),
        },
    ),
    (
        "/page/main.js",
        File {
            kind: JS,
            text: include_str!("page/main.js"),
        },
    ),
    (
        "/page/client.js",
        File {
            kind: JS,
            text: include_str!("page/client.js"),
        },
    ),
    (
        "/page/model.js",
        File {
            kind: JS,
            text: include_str!("page/model.js"),
        },
    ),
    (
        "/page/layout.js",
        File {
            kind: JS,
            text: include_str!("page/layout.js"),
        },
    ),
    (
        "/page/graph.js",
        File {
            kind: JS,
            text: include_str!("page/graph.js"),
        },
    ),
    (
        "/page/panel.js",
        File {
            kind: JS,
            text: include_str!("page/panel.js"),
        },
    ),
    (
        "/page/tables.js",
        File {
            kind: JS,
            text: include_str!("page/tables.js"),
        },
    ),
    (
        "/page/chart.js",
        File {
            kind: JS,
            text: include_str!("page/chart.js"),
        },
    ),
    (
        "/page/dom.js",
        File {
            kind: JS,
            text: include_str!("page/dom.js"),
        },
    ),
    (
        "/page/format.js",
        File {
            kind: JS,
            text: include_str!("page/format.js"),
        },
    ),
];

/// The file at a path, if there is one. Paths are compared as they are, so none leads elsewhere.
pub(super) fn file(path: &str) -> Option<File> {
    let mut files = FILES.iter();
    files
        .find(|(known, _)| *known == path)
        .map(|(_, file)| *file)
}

/// The response with a file. Its policy allows scripts and data from this address alone, and no page around it.
pub(super) fn answer_file(file: File) -> Answer {
    let found = answer(StatusCode::OK, file.kind, file.text);
    let found = with(
        found,
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    );
    let found = with(found, X_CONTENT_TYPE_OPTIONS, "nosniff");
    with(found, REFERRER_POLICY, "no-referrer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_name_each_other_and_nothing_elsewhere() {
        for (path, file) in FILES {
            let words = file.text.split(['"', '\'', '`', '(', ')']);
            for word in words {
                let name = word.strip_prefix("./").map(|name| format!("/page/{name}"));
                let name = name.or_else(|| word.starts_with("/page/").then(|| word.to_owned()));
                if let Some(name) = name {
                    assert!(super::file(&name).is_some(), "{path} names {name}");
                }
                let is_elsewhere =
                    word.starts_with("//") && file.kind != JS || word.starts_with("http");
                assert!(
                    !is_elsewhere || word == "http://www.w3.org/2000/svg",
                    "{path} names {word}"
                );
            }
            // Text is never read as markup.
            for unsafe_word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                "document.write",
            ] {
                assert!(!file.text.contains(unsafe_word), "{path} has {unsafe_word}");
            }
        }
    }
}
