//! A headless Chromium, driven over its debugging port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser, if there is one.
pub(crate) fn find() -> Option<PathBuf> {
    let named = std::env::var_os("PEERMESH_CHROMIUM").map(PathBuf::from);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let on_path = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    named.into_iter().chain(on_path).find(|program| program.is_file())
}

/// One page of a browser of its own, which ends with it.
pub(crate) struct Page {
    browser: Child,
    stream: TcpStream,
    asked: u64,
}

impl Page {
    /// Starts a browser on a page.
    pub(crate) fn open(program: &Path, profile: &Path, url: &str) -> Page {
        let mut command = Command::new(program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--no-first-run", "--disable-background-networking", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg(url);
        let mut browser = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(browser.stderr.take().unwrap()).lines();
        let place = lines
            .find_map(|line| line.unwrap().strip_prefix("DevTools listening on ws://").map(str::to_owned));
        // Whatever else it says is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let host = place.unwrap().split('/').next().unwrap().to_owned();
        let until = Instant::now() + PATIENCE;
        let path = loop {
            let pages: Value = serde_json::from_str(&get(&host, "/json/list")).unwrap_or_default();
            let ours = pages.as_array().into_iter().flatten().find(|page| page["url"] == url);
            if let Some(socket) = ours.and_then(|page| page["webSocketDebuggerUrl"].as_str()) {
                break socket.split_once(&host).unwrap().1.to_owned();
            }
            assert!(Instant::now() < until, "no page: {pages}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        Page { browser, stream, asked: 0 }
    }

    /// Runs a script and gives what it comes to, as text.
    pub(crate) fn runs(&mut self, script: &str) -> String {
        self.asked += 1;
        let parameters = json!({ "expression": script, "returnByValue": true });
        let call = json!({ "id": self.asked, "method": "Runtime.evaluate", "params": parameters });
        self.send(call.to_string().as_bytes());
        loop {
            let answer = self.receive();
            if answer["id"] == self.asked {
                let result = &answer["result"]["result"]["value"];
                return result.as_str().map_or_else(|| result.to_string(), str::to_owned);
            }
        }
    }

    /// Waits until a script comes to that.
    pub(crate) fn waits_for(&mut self, script: &str, wanted: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = self.runs(script);
            if seen == wanted {
                return;
            }
            if Instant::now() >= until {
                let shown = self.runs("document.documentElement.innerText");
                panic!("{script}: {seen:?}, not {wanted:?}; the page shows:\n{shown}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// One frame under a mask of zeros.
    fn send(&mut self, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let mut length = [0; 8];
        let wide = match head[1] {
            126 => 2,
            127 => 8,
            short => {
                length[7] = short;
                0
            }
        };
        self.stream.read_exact(&mut length[8 - wide..]).unwrap();
        let mut payload = vec![0; usize::try_from(u64::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        serde_json::from_slice(&payload).unwrap_or_default()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

/// The body of one answer.
fn get(host: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    // A server that keeps the stream open is read up to its answer's length.
    let mut chunk = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(usize::MAX);
            if body.len() >= length {
                return body.to_owned();
            }
        }
        match stream.read(&mut chunk).unwrap() {
            0 => return text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
