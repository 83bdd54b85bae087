import CLinux
import CTLS
import Glibc

/// What a connection does otherwise when it speaks TLS.
///
/// Everything above goes on as without: bytes are received and sent by the same calls, with the
/// same results. The handshake is a part of the first head, and has the same time.
extension Connection {
    /// Begins to speak TLS; false when there is no memory.
    func secure(by certificates: TLSCertificates) -> Bool {
        unsafe state.tls = certificates.session(on: state.descriptor)
        return unsafe state.tls != nil
    }

    /// Receives, and notes when there is no more.
    @inline(never)
    func receiveSecurely(
        _ tls: OpaquePointer, _ bytes: UnsafeMutableRawPointer, _ count: Int
    ) -> Int {
        var notes: Int32 = 0
        let result = unsafe tls_receive(tls, bytes, count, &notes)
        if notes & Int32(tls_note_drained) != 0, !state.endIsAhead || result < 0 {
            state.mayHaveInput = false
        }
        if notes & Int32(tls_note_wants_writable) != 0 {
            state.mayHaveInput = false
            awaitWritable()
        }
        return result
    }

    /// Says that nothing more will be sent.
    @inline(never)
    func finishSecurely() {
        if let tls = unsafe state.tls { unsafe tls_finish(tls) }
    }

    /// Ends TLS on a connection that is about to be closed.
    @inline(never)
    func giveUpTLS() {
        guard let tls = unsafe state.tls else { return }
        if !state.isBroken, !state.resetsOnClose { unsafe tls_finish(tls) }
        unsafe tls_session_release(tls)
        unsafe state.tls = nil
    }
}
