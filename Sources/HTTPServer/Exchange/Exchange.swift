import CLinux
public import HTTPWire

/// A request and the response that it is owed: a trivial handle, one pointer.
///
/// Valid from `route` until the application has completed the response, also when the client has
/// gone meanwhile; the views into the request stay in place as long. Methods belong to the
/// reactor's thread; other threads go through `remote`. No method calls back into the application.
///
/// `@unchecked Sendable` because the handle is only an address: whoever takes it to another thread
/// may use `remote` and `isOnLoopThread` there, and read what the request holds as long as nobody
/// has completed the response.
@safe
public struct Exchange: Equatable, @unchecked Sendable {
    @usableFromInline let address: UnsafeMutablePointer<ExchangeFields>

    init(_ address: UnsafeMutablePointer<ExchangeFields>) {
        unsafe self.address = address
    }

    /// Says whether both handles mean the same exchange.
    @inlinable
    public static func == (left: Exchange, right: Exchange) -> Bool {
        unsafe left.address == right.address
    }

    /// Restores a handle from its `opaque` form.
    @inlinable @inline(__always)
    public init(opaque: UnsafeMutableRawPointer) {
        unsafe address = opaque.assumingMemoryBound(to: ExchangeFields.self)
    }

    /// The handle as a pointer that C code can carry.
    @inlinable @inline(__always)
    public var opaque: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(address) }

    @inlinable @inline(__always)
    var state: ExchangeFields {
        unsafeAddress { unsafe UnsafePointer(address) }
        nonmutating unsafeMutableAddress { unsafe address }
    }

    /// The request's head.
    @inlinable @inline(__always)
    public var head: RequestHead {
        unsafeAddress {
            unsafe UnsafeRawPointer(address).assumingMemoryBound(to: RequestHead.self)
        }
    }

    /// The request's fields in the order in which they came.
    @inlinable @inline(__always)
    public var fields: UnsafeBufferPointer<HeaderField> {
        unsafe UnsafeBufferPointer(
            start: address.pointee.fields.baseAddress, count: address.pointee.head.fieldCount)
    }

    /// The path, decoded and without dot segments; `%2F` stays as it is.
    @inlinable @inline(__always)
    public var path: ByteSlice { state.path }

    /// What follows the first `?` of the target, as it came.
    @inlinable @inline(__always)
    public var query: ByteSlice { state.head.query }

    /// The whole body of a buffered exchange within `handle` and after; empty for a streamed one.
    @inlinable @inline(__always)
    public var body: UnsafeRawBufferPointer { unsafe address.pointee.body }

    /// 576 bytes for the application's own state, aligned to 16, with what an earlier exchange left
    /// in them.
    @inlinable @inline(__always)
    public var applicationStorage: UnsafeMutableRawPointer {
        unsafe address.pointee.applicationStorage
    }

    /// The first value of a field by its name, compared without case.
    public func firstValue(named name: StaticString) -> ByteSlice? {
        for index in 0..<state.head.fieldCount {
            let field = unsafe state.fields[index]
            if field.name.equalsIgnoringCase(name) { return field.value }
        }
        return nil
    }

    /// The peer's numeric address, `unix` for a Unix socket.
    public var remoteAddress: ByteSlice {
        if let connection = state.connection { return connection.state.peer.text }
        return state.peer.text
    }

    /// The peer's port, 0 for a Unix socket.
    public var remotePort: UInt16 { state.connection?.state.peer.port ?? state.peer.port }

    /// The user id of the process at the other end of a Unix socket, or `nil`.
    public var peerUserID: UInt32? {
        guard let connection = state.connection else { return nil }
        let user = linux_peer_user(connection.state.descriptor)
        return user < 0 ? nil : UInt32(user)
    }

    /// The id of the process that connected a Unix socket, 0 when it cannot be seen from here; or
    /// `nil`.
    public var peerProcessID: Int32? {
        guard let connection = state.connection else { return nil }
        let process = linux_peer_process(connection.state.descriptor)
        return process < 0 ? nil : Int32(process)
    }

    /// Which one its connection is of those that its reactor has had, from 1 on; 0 when the client
    /// is gone.
    public var connectionNumber: UInt64 { UInt64(state.connection?.state.number ?? 0) }

    /// What the application has hung on the exchange's reactor.
    @inlinable @inline(__always)
    public var applicationState: UnsafeMutableRawPointer? {
        unsafe state.crossing.pointee.applicationState
    }

    /// What the application has set as its reactor's `attention`.
    @inlinable @inline(__always)
    public var attention: UnsafeMutableRawPointer? { unsafe state.crossing.pointee.attention }

    /// The reactor that this exchange belongs to.
    public var reactor: Reactor { state.loop.withReactor { $0 } }

    /// The index of that reactor.
    @inlinable @inline(__always)
    public var reactorIndex: Int { state.reactorIndex }

    /// Whether the calling thread is the one that runs this exchange's reactor.
    public var isOnLoopThread: Bool { reactor.isCurrentThread }

    /// Whether the application has completed the response.
    public var isComplete: Bool { state.response == .complete }

    /// Whether the status line has been given.
    public var hasBegun: Bool { state.response != .none }

    /// The status that the client has been given, also by the server itself; 0 for none.
    @inlinable @inline(__always)
    public var status: UInt16 { state.status }

    /// Whether the client is gone.
    public var isClosed: Bool { state.connection == nil }
}
