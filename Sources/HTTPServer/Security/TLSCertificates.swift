import CTLS
import Glibc
import Synchronization

/// The certificates that a server shows, and the keys that go with them.
///
/// Which one a client is shown is chosen by the name that it asks for; the first one is for all
/// others. They can be read anew at any time: open connections stay as they are.
///
/// - Source: RFC 6066, section 3 (the name).
public final class TLSCertificates: Sendable {
    /// A certificate with its chain, and its private key; both in PEM.
    public struct Pair: Sendable, Hashable {
        public var certificate: String
        public var key: String

        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// A reference that OpenSSL counts.
    @safe
    private final class Context: @unchecked Sendable {  // because OpenSSL counts atomically
        let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

        deinit { unsafe tls_context_release(pointer) }
    }

    /// Where they are read from.
    public let pairs: [Pair]
    private let context: Mutex<Context>

    /// Reads the certificates.
    ///
    /// - Throws: `ServerError.Code.certificateInvalid`, naming the file.
    public init(_ pairs: [Pair]) throws(ServerError) {
        self.pairs = pairs
        context = Mutex(try TLSCertificates.read(pairs))
    }

    /// Reads them again; if that fails, those that were read before go on.
    public func reload() throws(ServerError) {
        let fresh = try TLSCertificates.read(pairs)
        context.withLock { $0 = fresh }
    }

    /// Begins to speak TLS on an accepted socket; nil when there is no memory.
    func session(on descriptor: Int32) -> OpaquePointer? {
        let context = context.withLock { $0 }
        return unsafe tls_session_create(context.pointer, descriptor)
    }

    private static func read(_ pairs: [Pair]) throws(ServerError) -> Context {
        var culprit = 0
        var reason = [CChar](repeating: 0, count: Int(tls_reason_max))
        let texts = pairs.map(\.certificate) + pairs.map(\.key)
        let copies = unsafe texts.map { unsafe UnsafePointer(strdup($0)) }
        defer {
            var rest = unsafe copies
            while let copy = unsafe rest.popLast() {
                unsafe free(UnsafeMutablePointer(mutating: copy))
            }
        }
        let created = unsafe copies.withUnsafeBufferPointer { all in
            unsafe tls_context_create(
                all.baseAddress, all.baseAddress.map { unsafe $0 + pairs.count }, pairs.count,
                &reason, &culprit)
        }
        guard let created = unsafe created else {
            let bytes = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw ServerError(
                .certificateInvalid,
                subject: pairs.indices.contains(culprit) ? pairs[culprit].certificate : "",
                reason: String(decoding: bytes, as: UTF8.self),
                remedy: "name PEM files: a certificate with its chain, and its key without a"
                    + " password")
        }
        return unsafe Context(created)
    }
}
