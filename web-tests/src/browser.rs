//! Chromium without a window.

use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use crate::PATIENCE;

/// The programs that may be there.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser that runs until it is dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    next: u64,
    profile: TempDir,
}

/// A page in a browser.
#[derive(Debug)]
pub struct Tab {
    browser: Browser,
    session: String,
    /// What went wrong in the page.
    faults: Vec<String>,
}

impl Browser {
    /// Starts a browser with an empty profile.
    #[must_use]
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("there is a place for files");
        let child = NAMES
            .iter()
            .find_map(|name| Self::command(name, profile.path()).spawn().ok());
        let mut child =
            child.unwrap_or_else(|| panic!("none of {NAMES:?} starts; `.ci/browser` installs one"));
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            let length = stderr.read_line(&mut line).expect("it is text");
            assert!(length > 0, "the browser ends: {said}");
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
            said.push_str(&line);
        };
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(drop));
        let host = address.trim_start_matches("ws://");
        let host = host.split('/').next().unwrap_or(host);
        let stream = TcpStream::connect(host).expect("the browser listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is a socket");
        let (socket, _) = tungstenite::client(&address, stream).expect("the browser responds");
        Self {
            child,
            socket,
            next: 0,
            profile,
        }
    }

    fn command(name: &str, profile: &Path) -> Command {
        let mut command = Command::new(name);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
            "about:blank",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Opens a page of this size.
    #[must_use]
    pub fn tab(mut self, width: u32, height: u32) -> Tab {
        let created = self.call(
            None,
            "Target.createTarget",
            &json!({ "url": "about:blank" }),
            &mut Vec::new(),
        );
        let target = json!({ "targetId": created["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", &target, &mut Vec::new());
        let session = attached["sessionId"]
            .as_str()
            .expect("it is a text")
            .to_owned();
        let mut tab = Tab {
            browser: self,
            session,
            faults: Vec::new(),
        };
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            tab.call(domain, &json!({}));
        }
        tab.resize(width, height);
        tab
    }

    fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
        faults: &mut Vec<String>,
    ) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let text = Message::text(message.to_string());
        self.socket.send(text).expect("the browser listens");
        loop {
            let said = self
                .socket
                .read()
                .unwrap_or_else(|error| panic!("{method}: {error}"));
            let Ok(text) = said.to_text() else { continue };
            let Ok(said) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            if said["id"] == self.next {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
            let is_fault = match said["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                // That a run does not answer is no fault of the page.
                Some("Log.entryAdded") => {
                    let entry = &said["params"]["entry"];
                    entry["level"] == "error" && entry["source"] != "network"
                }
                _ => false,
            };
            if is_fault {
                faults.push(said["params"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Some of its processes may still write to it; the rest is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(self.profile.path());
    }
}

impl Tab {
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.browser
            .call(Some(&self.session), method, parameters, &mut self.faults)
    }

    /// Changes the size of the window. A narrow one is that of a phone.
    pub fn resize(&mut self, width: u32, height: u32) {
        let is_phone = width < 600;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone,
        });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Prefers dark or light colours.
    pub fn colours(&mut self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &features);
    }

    /// Opens an address.
    pub fn open(&mut self, address: &str) {
        self.call("Page.navigate", &json!({ "url": address }));
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// The text of the first element of a selector.
    #[track_caller]
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({selector:?})?.innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.value(expression) != true {
            if Instant::now() > until {
                let page = self.text("body");
                panic!(
                    "`{expression}` does not become true; faults: {:?}; the page: {page}",
                    self.faults
                );
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// Waits until a value is what it should be.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str, wanted: impl Into<Value> + Debug) {
        let wanted = wanted.into();
        let until = Instant::now() + PATIENCE;
        let mut last = self.value(expression);
        while last != wanted {
            assert!(
                Instant::now() < until,
                "{expression} is {last}, not {wanted}; faults: {:?}",
                self.faults
            );
            thread::sleep(Duration::from_millis(25));
            last = self.value(expression);
        }
    }

    /// Clicks the first element of a selector.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).click()"));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key });
            if key == "Enter" {
                event["text"] = "\r".into();
            }
            let code = match key {
                "Tab" => 9,
                "Enter" => 13,
                "Escape" => 27,
                "ArrowLeft" => 37,
                "ArrowRight" => 39,
                other => panic!("the code of the key `{other}` is not known here"),
            };
            event["windowsVirtualKeyCode"] = code.into();
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Writes what is shown to a file in the target folder, and returns its path.
    #[track_caller]
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let taken = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = taken["data"].as_str().expect("it is a text");
        let data = STANDARD.decode(data).expect("it is base64");
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/page");
        std::fs::create_dir_all(&dir).expect("the target folder can be written");
        let path = dir.join(format!("{name}.png"));
        std::fs::write(&path, data).expect("the target folder can be written");
        path
    }

    /// Fails if a script has thrown an error, or something was refused by the policy of the page.
    #[track_caller]
    pub fn is_well(&mut self) {
        self.value("0");
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
    }
}
