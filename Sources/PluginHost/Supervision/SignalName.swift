internal import Glibc

/// The names of signals.
enum SignalName {
    /// A signal's name, such as `SIGSEGV`.
    static func of(_ number: Int32) -> String {
        unsafe sigabbrev_np(number).map { unsafe "SIG" + String(cString: $0) }
            ?? "signal \(number)"
    }
}
