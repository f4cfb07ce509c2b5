//! A bare relay: what passes commands on and events back and does nothing else. It keeps nothing, knows one
//! secret and one thread for each stream: the least that a broker of runners can cost.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::wire::{Input, Message, SECRET, connect, put_frame, read_frame, read_message};

/// Runners by their ids.
type Runners = Arc<Mutex<HashMap<String, Arc<Mutex<TcpStream>>>>>;

/// Relays until its process ends: listens on `listen` and posts events to `target`.
///
/// # Errors
/// When it cannot listen.
pub fn serve(listen: SocketAddr, target: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    let runners = Runners::default();
    for stream in listener.incoming() {
        let (stream, runners) = (stream?, Arc::clone(&runners));
        thread::spawn(move || {
            // A stream that ends is no matter.
            let _ = attend(stream, &runners, target);
        });
    }
    Ok(())
}

fn attend(stream: TcpStream, runners: &Runners, target: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = (Input::new(stream.try_clone()?), stream);
    while let Some(request) = read_message(&mut input)? {
        if request.header("authorization") != Some(format!("bearer {SECRET}").as_str()) {
            return output.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        }
        if request.header("upgrade").is_some() {
            return relay_events(input, output, &request, runners, target);
        }
        let answer: &[u8] = match hand_over(&request, runners) {
            Ok(()) => b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}",
            Err(_) => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        };
        output.write_all(answer)?;
    }
    Ok(())
}

/// Writes the command of a request to its runner.
fn hand_over(request: &Message, runners: &Runners) -> io::Result<()> {
    let body: serde_json::Value = serde_json::from_slice(&request.body)?;
    let runner = body["runnerId"].as_str().unwrap_or("default");
    let runner = lock(runners).get(runner).cloned().ok_or(io::ErrorKind::NotConnected)?;
    let mut frame = Vec::new();
    put_frame(&mut frame, body["command"].to_string().as_bytes(), false)?;
    lock(&runner).write_all(&frame)
}

/// Posts what a runner says, one event after the other.
fn relay_events(
    mut input: Input,
    mut output: TcpStream,
    request: &Message,
    runners: &Runners,
    target: SocketAddr,
) -> io::Result<()> {
    let id = request.first.split("runnerId=").nth(1).and_then(|rest| rest.split(' ').next());
    output.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )?;
    lock(runners).insert(id.unwrap_or("default").to_owned(), Arc::new(Mutex::new(output)));
    let (mut answers, mut posts) = connect(target)?;
    let (mut event, mut post) = (Vec::new(), Vec::new());
    while read_frame(&mut input, &mut event)? == 1 {
        post.clear();
        write!(
            post,
            "POST /api/runner/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {SECRET}\r\nContent-Length: {}\r\n\r\n",
            event.len()
        )?;
        post.extend_from_slice(&event);
        posts.write_all(&post)?;
        read_message(&mut answers)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
