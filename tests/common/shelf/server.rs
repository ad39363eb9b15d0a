//! A local web server that sends the given replies.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a server does with one request.
#[derive(Clone)]
pub enum Reply {
    /// Status, and a body with its length.
    Whole(u16, Vec<u8>),
    /// A body without a length, which ends when the connection does.
    Unmeasured(Vec<u8>),
    /// A body shorter than its declared length.
    Short(Vec<u8>, usize),
}

/// A server that sends each reply in turn and then repeats the last one.
pub struct Server {
    /// URL with a slash at the end.
    pub address: String,
    /// The request line and headers of each request.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(replies: Vec<Reply>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}/", listener.local_addr().expect("bound"));
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        // Ends with the test program.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut seen = seen.lock().expect("no test panics in here");
                let reply = replies[seen.len().min(replies.len() - 1)].clone();
                // The client may hang up; that is part of the tests.
                seen.push(answer(stream, reply).unwrap_or_default());
            }
        });
        Server { address, requests }
    }

    pub fn mirrors(&self) -> Vec<String> {
        vec![self.address.clone()]
    }

    /// Number of requests received.
    pub fn count(&self) -> usize {
        self.requests.lock().expect("no test panics in here").len()
    }
}

fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<String> {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    while lines.read_line(&mut request)? > 2 {}
    let (status, length, body) = match reply {
        Reply::Whole(status, body) => (status, Some(body.len()), body),
        Reply::Unmeasured(body) => (200, None, body),
        Reply::Short(body, promised) => (200, Some(promised), body),
    };
    write!(stream, "HTTP/1.1 {status} Status\r\nConnection: close\r\n")?;
    if let Some(length) = length {
        write!(stream, "Content-Length: {length}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    // The client may hang up before the whole body is sent.
    let _ = stream.write_all(&body);
    Ok(request)
}
