import Glibc
public import HTTPWire
import Synchronization

/// A message that goes to many sockets: its bytes are kept once, and deflated once.
///
/// `@unchecked Sendable` because the bytes are not changed after it has been made.
@safe
public final class WebSocketMessage: @unchecked Sendable {
    /// What it is made of.
    public let kind: WebSocketMessageKind
    let bytes: UnsafeRawBufferPointer
    private let deflated = Mutex<[UInt8]?>(nil)

    /// Copies the bytes; `nil` when a text is not UTF-8.
    public init?(_ kind: WebSocketMessageKind, _ bytes: UnsafeRawBufferPointer) {
        if kind == .text {
            var validator = UTF8Validator()
            guard unsafe validator.accept(bytes), validator.isComplete else { return nil }
        }
        self.kind = kind
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        unsafe copy.copyMemory(from: bytes)
        unsafe self.bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { unsafe bytes.deallocate() }

    /// Calls `body` with the message as a deflater without memory writes it; not at all when it
    /// cannot be had.
    func withDeflated(by deflater: Deflater, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        deflated.withLock { deflated in
            if deflated == nil {
                var text: [UInt8] = []
                unsafe text.reserveCapacity(bytes.count / 2)
                deflater.reset()
                let isDone = unsafe deflater.deflate(bytes) { unsafe text.append(contentsOf: $0) }
                deflater.reset()
                guard isDone else { return false }
                deflated = text
            }
            unsafe deflated?.withUnsafeBytes { unsafe body($0) }
            return true
        }
    }
}

/// A copy of bytes on their way from another thread to the loop.
///
/// `@unchecked Sendable` because nobody changes it after it has been made.
@safe
final class SocketParcel: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(_ source: UnsafeRawBufferPointer) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 16)
        unsafe copy.copyMemory(from: source)
        unsafe bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { unsafe bytes.deallocate() }
}

/// What another thread wants a socket to do.
enum SocketAct: Sendable {
    case frame(WebSocketOpcode, isFinal: Bool, SocketParcel, mayDeflate: Bool)
    case message(WebSocketMessage)
    case close(code: UInt16, SocketParcel)
    case resume
}
