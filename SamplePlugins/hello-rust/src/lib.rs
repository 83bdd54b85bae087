//! A plugin in Rust. Everything that the host calls is in this file; `abi` declares the contract.

#![deny(warnings)]

mod abi;
mod worker;

use std::cell::RefCell;
use std::ffi::c_void;
use std::fmt::Write;
use std::mem::size_of;
use std::panic::{catch_unwind, AssertUnwindSafe};
use worker::Worker;

const ROUTE_HELLO: u32 = 0;
const ROUTE_VERSION: u32 = 1;
const ROUTE_WORDS: u32 = 2;

const fn route(method: &'static str, pattern: &'static str, body_bytes_max: u32) -> abi::Route {
    abi::Route {
        method: abi::Text::new(method),
        pattern: abi::Text::new(pattern),
        flags: 0,
        body_bytes_max,
    }
}

static ROUTES: [abi::Route; 3] = [
    route("GET", "/hello", 0),
    route("GET", "/version", 0),
    route("POST", "/words", 1024 * 1024),
];

static SERVICES: [abi::Text; 1] = [abi::Text::new(abi::LOG_ID)];

static MANIFEST: abi::Manifest = abi::Manifest {
    size: size_of::<abi::Manifest>() as u32,
    route_size: size_of::<abi::Route>() as u32,
    name: abi::Text::new("hello-rust"),
    version: abi::Text::new("1.0.0"),
    description: abi::Text::new(
        "A plugin in Rust: bindings by hand, a thread, and thread-local data that does not pin it.",
    ),
    routes: ROUTES.as_ptr(),
    route_count: ROUTES.len(),
    services: SERVICES.as_ptr(),
    service_count: SERVICES.len(),
};

static PLUGIN: abi::Plugin = abi::Plugin {
    size: size_of::<abi::Plugin>() as u32,
    abi_version: abi::ABI_VERSION,
    manifest: &MANIFEST,
    init,
    start,
    stop,
    deinit,
    handle,
    extension: None,
};

#[used]
#[link_section = ".note.pluginhost"]
static NOTE: abi::Note = abi::Note {
    owner_size: 11,
    value_size: 4,
    kind: 1,
    owner: *b"PluginHost\0\0",
    abi_version: abi::ABI_VERSION,
};

#[no_mangle]
pub extern "C" fn ph_plugin_entry(_host: *const abi::Host, abi_version: u32) -> *const abi::Plugin {
    if abi_version >> 16 == abi::ABI_MAJOR {
        &PLUGIN
    } else {
        std::ptr::null()
    }
}

thread_local! {
    /// A buffer for each thread of the host that calls `handle`. It has a destructor, which that
    /// thread owes the image until it ends: the host ends such threads before it closes the image.
    static SCRATCH: RefCell<String> = const { RefCell::new(String::new()) };
}

struct State {
    host: &'static abi::Host,
    http: &'static abi::Http,
    log: Option<&'static abi::Log>,
    worker: Option<Worker>,
}

impl State {
    fn write_log(&self, message: &str) {
        if let Some(log) = self.log {
            unsafe { (log.write)(self.host, abi::LOG_INFO, abi::Text::new(message)) };
        }
    }
}

/// Runs `body` and turns a panic into `FAILED`: nothing unwinds across the boundary.
fn guarded(
    error: *mut abi::Error,
    body: impl FnOnce() -> Result<abi::Status, String>,
) -> abi::Status {
    let outcome = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err("the plugin panicked; its message is on stderr".into()));
    outcome.unwrap_or_else(|message| {
        if let Some(error) = unsafe { error.as_mut() } {
            let length = message.len().min(error.capacity);
            unsafe { std::ptr::copy_nonoverlapping(message.as_ptr(), error.text, length) };
            error.length = length;
        }
        abi::FAILED
    })
}

unsafe extern "C" fn init(
    host: *const abi::Host,
    result: *mut *mut c_void,
    error: *mut abi::Error,
) -> abi::Status {
    guarded(error, || {
        let host = unsafe { &*host };
        let log = unsafe { (host.service)(host, abi::Text::new(abi::LOG_ID)) };
        let state = Box::new(State {
            host,
            http: unsafe { &*host.http },
            log: unsafe { log.cast::<abi::Log>().as_ref() },
            worker: None,
        });
        unsafe { *result = Box::into_raw(state).cast() };
        Ok(abi::OK)
    })
}

unsafe extern "C" fn start(state: *mut c_void, error: *mut abi::Error) -> abi::Status {
    guarded(error, || {
        let state = unsafe { &mut *state.cast::<State>() };
        let worker = Worker::start(state.http).map_err(|reason| reason.to_string())?;
        state.worker = Some(worker);
        state.write_log("hello-rust has started");
        Ok(abi::OK)
    })
}

unsafe extern "C" fn stop(state: *mut c_void, error: *mut abi::Error) -> abi::Status {
    guarded(error, || {
        let state = unsafe { &mut *state.cast::<State>() };
        state.worker = None;
        state.write_log("hello-rust has stopped");
        Ok(abi::OK)
    })
}

unsafe extern "C" fn deinit(state: *mut c_void) {
    guarded(std::ptr::null_mut(), || {
        drop(unsafe { Box::from_raw(state.cast::<State>()) });
        Ok(abi::OK)
    });
}

unsafe extern "C" fn handle(
    state: *mut c_void,
    request: *const abi::Request,
    response: *mut abi::Response,
) -> abi::Status {
    guarded(std::ptr::null_mut(), || {
        let (state, request) = unsafe { (&*state.cast::<State>(), &*request) };
        match request.route {
            ROUTE_HELLO => Ok(respond_json(
                state.http,
                response,
                r#"{"message":"Hello, World!"}"#,
            )),
            ROUTE_VERSION => SCRATCH.with_borrow_mut(|text| {
                text.clear();
                write!(
                    text,
                    r#"{{"name":"hello-rust","version":"1.0.0","generation":{}}}"#,
                    state.host.generation
                )
                .map_err(|reason| reason.to_string())?;
                Ok(respond_json(state.http, response, text))
            }),
            ROUTE_WORDS => match &state.worker {
                Some(worker) if worker.add(request.body, response) => Ok(abi::PENDING),
                _ => Ok(abi::FAILED),
            },
            _ => Ok(abi::FAILED),
        }
    })
}

/// Completes a response with 200 and JSON.
fn respond_json(http: &abi::Http, response: *mut abi::Response, json: &str) -> abi::Status {
    static HEADER: abi::Header = abi::Header {
        name: abi::Text::new("Content-Type"),
        value: abi::Text::new("application/json"),
    };
    unsafe { (http.respond)(response, 200, &HEADER, 1, abi::Text::new(json)) }
}
