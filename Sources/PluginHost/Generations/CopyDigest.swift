import Dispatch
import Glibc
import HostModel
import Synchronization

/// The digest of a copy, taken while the copy is still being made: together they take no longer
/// than the slower of the two.
final class CopyDigest: Sendable {
    private struct State {
        /// How much of it is in place.
        var bytes = 0
        var hasBegun = false
        var hasEnded = false
    }

    private let state = Mutex(State())
    private let news = DispatchSemaphore(value: 0)
    private let promise = Promise<Result<Digest, HostError>>()

    /// Hears how much of the copy is in place, first of none.
    @Sendable func note(_ path: String, _ bytes: UInt64) {
        let isFirst = state.withLock { state in
            state.bytes = Int(bytes)
            defer { state.hasBegun = true }
            return !state.hasBegun
        }
        news.signal()
        if isFirst { Blocking.runSoon { self.promise.fulfil(self.take(path)) } }
    }

    /// Hears that nothing more comes.
    func end() {
        state.withLock { $0.hasEnded = true }
        news.signal()
    }

    /// Waits for the digest, once, of a copy that has been begun.
    nonisolated(nonsending) func value() async -> Result<Digest, HostError> {
        await promise.value()
    }

    private func take(_ path: String) -> Result<Digest, HostError> {
        do throws(HostError) {
            let file = try Descriptor(opening: path, flags: O_RDONLY)
            var hash = SHA256()
            let chunk = ByteBuffer(count: 1 << 18)
            var taken = 0
            while true {
                news.wait()
                let (bytes, hasEnded) = state.withLock { ($0.bytes, $0.hasEnded) }
                while taken < bytes {
                    let count = try unsafe file.read(into: chunk.bytes)
                    guard count > 0 else { break }
                    taken += count
                    unsafe hash.update(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<count]))
                }
                if hasEnded { return .success(hash.finish()) }
            }
        } catch {
            return .failure(error)
        }
    }
}
