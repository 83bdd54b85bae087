import Glibc
import HTTPWire

/// What a server that hands a request on to another one says of it in its head, so that the other
/// one sees what it has seen itself.
///
/// - Shape: a field `plugin-host-relay: ADDRESS PORT NAME TRACE`: the client's numeric address and
///   port, and the names that were made for the request, `-` for those that the client has given.
extension Exchange {
    /// The name of the field; only a server that `takesRelayed` looks at it.
    public static let relayFieldName: StaticString = "plugin-host-relay"

    /// The room that `writeRelay` needs, in bytes.
    public static let relayBytesMax = 192

    /// Writes the value of the field and returns its length; on the loop's thread.
    public func writeRelay(to room: UnsafeMutableRawBufferPointer) -> Int {
        precondition(room.count >= Self.relayBytesMax, "the room is too small")
        var at = 0
        func put(_ byte: UInt8) {
            unsafe room[at] = byte
            at += 1
        }
        func put(_ text: ByteSlice) {
            for index in 0..<text.count { put(text[index]) }
        }
        put(remoteAddress)
        put(UInt8(ascii: " "))
        var digits: UInt16 = 10_000
        let port = remotePort
        while digits > 1, port < digits { digits /= 10 }
        while digits > 0 {
            put(UInt8(ascii: "0") + UInt8(port / digits % 10))
            digits /= 10
        }
        put(UInt8(ascii: " "))
        if state.head.hasRequestID { put(UInt8(ascii: "-")) } else { put(quietID) }
        put(UInt8(ascii: " "))
        if hasGivenTraceparent { put(UInt8(ascii: "-")) } else { put(traceparent) }
        return at
    }
}

extension Connection {
    /// Takes what another server says of the request out of its head; false when there is nothing,
    /// and the request has been refused.
    @inline(never)
    func takeRelay(_ exchange: Exchange) -> Bool {
        let count = exchange.state.head.fieldCount
        var place = count - 1
        while place >= 0, unsafe !Self.isRelay(exchange.state.fields[place].name) { place -= 1 }
        guard place >= 0 else { return refuseRelay() }
        let field = unsafe exchange.state.fields[place]
        var parts = RelayParts(field.value)
        guard let address = parts.next(), address.count <= 47, let port = parts.next(),
            let number = port.asInteger.flatMap({ UInt16(exactly: $0) }),
            let name = parts.next(), let trace = parts.next()
        else { return refuseRelay() }
        for index in place..<(count - 1) {
            unsafe exchange.state.fields[index] = exchange.state.fields[index + 1]
        }
        exchange.state.head.fieldCount = count - 1
        if state.peer.port != number || state.peer.text != address {
            state.peer.become(address, number)
        }
        exchange.adopt(requestID: name, traceparent: trace)
        return true
    }

    private static func isRelay(_ name: ByteSlice) -> Bool {
        name.equalsIgnoringCase(Exchange.relayFieldName)
    }

    private func refuseRelay() -> Bool {
        refuse(
            400, "This socket is for the host alone; send requests to the host.",
            reason: .bodyRefused)
        return false
    }
}

/// The words of a relay field.
private struct RelayParts {
    private var rest: ByteSlice

    init(_ value: ByteSlice) { rest = value }

    /// The next word; nil when there is none.
    mutating func next() -> ByteSlice? {
        guard !rest.isEmpty else { return nil }
        let end = rest.firstIndex(of: UInt8(ascii: " ")) ?? rest.count
        let word = rest[0..<end]
        rest = rest[min(end + 1, rest.count)..<rest.count]
        return word
    }
}

extension PeerAddress {
    /// Takes on an address as text, of at most 47 bytes.
    fileprivate mutating func become(_ address: ByteSlice, _ port: UInt16) {
        for index in 0..<address.count { characters[index] = CChar(bitPattern: address[index]) }
        count = UInt8(address.count)
        self.port = port
        endpointCount = 0
    }
}
