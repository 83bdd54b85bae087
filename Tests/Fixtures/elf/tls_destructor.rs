use std::cell::RefCell;

thread_local! {
    static HELD: RefCell<Vec<u8>> = RefCell::new(vec![1]);
}

#[no_mangle]
pub extern "C" fn fixture_entry(value: i32) -> i32 {
    HELD.with(|held| {
        held.borrow_mut().push(value as u8);
        held.borrow().len() as i32
    })
}

/// Leaves a thread that ends by itself and was never joined.
#[no_mangle]
pub extern "C" fn fixture_spawn() {
    std::thread::Builder::new().name("from-rust".into()).spawn(|| fixture_entry(1)).ok();
}
