//! The declarations of `pluginhost/plugin.h` and `pluginhost/log.h` in Rust, ABI 1.0, as far as
//! this plugin uses them.

#![allow(dead_code)]

use core::ffi::c_void;
use core::mem::size_of;

pub const ABI_MAJOR: u32 = 1;
pub const ABI_VERSION: u32 = ABI_MAJOR << 16;

pub type Status = i32;
pub const OK: Status = 0;
pub const PENDING: Status = 1;
pub const FAILED: Status = -1;
pub const CLOSED: Status = -4;

/// UTF-8 text, not owned.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    pub data: *const u8,
    pub length: usize,
}

impl Text {
    pub const fn new(text: &str) -> Text {
        Text {
            data: text.as_ptr(),
            length: text.len(),
        }
    }

    /// # Safety
    /// The text must be valid for as long as the result is used.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.length == 0 {
            return &[];
        }
        core::slice::from_raw_parts(self.data, self.length)
    }
}

pub type Bytes = Text;

#[repr(C)]
pub struct Error {
    pub size: u32,
    pub text: *mut u8,
    pub capacity: usize,
    pub length: usize,
}

#[repr(C)]
pub struct Route {
    pub method: Text,
    pub pattern: Text,
    pub flags: u32,
    pub body_bytes_max: u32,
}

#[repr(C)]
pub struct Manifest {
    pub size: u32,
    pub route_size: u32,
    pub name: Text,
    pub version: Text,
    pub description: Text,
    pub routes: *const Route,
    pub route_count: usize,
    pub services: *const Text,
    pub service_count: usize,
}

#[repr(C)]
pub struct Header {
    pub name: Text,
    pub value: Text,
}

#[repr(C)]
pub struct Request {
    pub size: u32,
    pub route: u32,
    pub method: Text,
    pub path: Text,
    pub query: Text,
    pub parameters: *const Text,
    pub parameter_count: usize,
    pub headers: *const Header,
    pub header_count: usize,
    pub body: Bytes,
    pub content_length: u64,
    pub remote_address: Text,
}

#[repr(C)]
pub struct Response {
    private: [u8; 0],
}

/// The functions that this plugin does not call are opaque pointers here.
#[repr(C)]
pub struct Http {
    pub size: u32,
    pub respond: unsafe extern "C" fn(*mut Response, u32, *const Header, usize, Bytes) -> Status,
    pub begin: *const c_void,
    pub write: *const c_void,
    pub finish: *const c_void,
    pub abort: unsafe extern "C" fn(*mut Response),
    pub observe: *const c_void,
    pub resume_body: *const c_void,
}

#[repr(C)]
pub struct Host {
    pub size: u32,
    pub abi_version: u32,
    pub host_version: Text,
    pub plugin_name: Text,
    pub generation: u64,
    pub directory: Text,
    pub static_directory: Text,
    pub sqlite_directory: Text,
    pub events_directory: Text,
    pub run_directory: Text,
    pub http: *const Http,
    pub service: unsafe extern "C" fn(*const Host, Text) -> *const c_void,
}

#[repr(C)]
pub struct Plugin {
    pub size: u32,
    pub abi_version: u32,
    pub manifest: *const Manifest,
    pub init: unsafe extern "C" fn(*const Host, *mut *mut c_void, *mut Error) -> Status,
    pub start: unsafe extern "C" fn(*mut c_void, *mut Error) -> Status,
    pub stop: unsafe extern "C" fn(*mut c_void, *mut Error) -> Status,
    pub deinit: unsafe extern "C" fn(*mut c_void),
    pub handle: unsafe extern "C" fn(*mut c_void, *const Request, *mut Response) -> Status,
    pub extension: Option<unsafe extern "C" fn(*mut c_void, Text) -> *const c_void>,
}

// They point at nothing but what is static and never written to.
unsafe impl Sync for Route {}
unsafe impl Sync for Header {}
unsafe impl Sync for Manifest {}
unsafe impl Sync for Plugin {}
unsafe impl Sync for Text {}
unsafe impl Sync for Http {}

pub const LOG_ID: &str = "ph.log/1";
pub const LOG_INFO: u32 = 1;

#[repr(C)]
pub struct Log {
    pub size: u32,
    pub write: unsafe extern "C" fn(*const Host, u32, Text) -> Status,
}

/// The ELF note that tells the host the ABI version before any code of the plugin has run.
#[repr(C, align(4))]
pub struct Note {
    pub owner_size: u32,
    pub value_size: u32,
    pub kind: u32,
    pub owner: [u8; 12],
    pub abi_version: u32,
}

// The sizes that the C compiler gives the header's structs on a 64-bit machine.
const _: () = {
    assert!(size_of::<Error>() == 32);
    assert!(size_of::<Route>() == 40);
    assert!(size_of::<Manifest>() == 88);
    assert!(size_of::<Request>() == 128);
    assert!(size_of::<Http>() == 64);
    assert!(size_of::<Host>() == 144);
    assert!(size_of::<Plugin>() == 64);
    assert!(size_of::<Log>() == 16);
    assert!(size_of::<Note>() == 28);
};
