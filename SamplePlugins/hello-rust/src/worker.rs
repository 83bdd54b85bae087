//! A thread that completes responses later: it counts the words of request bodies.

use crate::abi;
use std::sync::mpsc::{channel, Sender};
use std::thread::JoinHandle;

/// A response that is owed, and the body it is about.
struct Job {
    body: abi::Bytes,
    response: *mut abi::Response,
}

// The header allows a response to be completed from any thread, and keeps the request's body valid
// until then.
unsafe impl Send for Job {}

pub struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn start(http: &'static abi::Http) -> std::io::Result<Worker> {
        let (jobs, received) = channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("hello-rust".into())
            .spawn(move || {
                for job in received {
                    complete(http, job);
                }
            })?;
        Ok(Worker {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Returns false if the response is still owed.
    pub fn add(&self, body: abi::Bytes, response: *mut abi::Response) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(Job { body, response }).is_ok())
    }
}

impl Drop for Worker {
    /// Completes what was taken, then joins the thread.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn complete(http: &abi::Http, job: Job) {
    let body = unsafe { job.body.bytes() };
    let words = body
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .count();
    let status = crate::respond_json(http, job.response, &format!("{{\"words\":{words}}}"));
    if status < 0 && status != abi::CLOSED {
        unsafe { (http.abort)(job.response) };
    }
}
