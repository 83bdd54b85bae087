import HostModel

/// One message between the engine and a worker, as it crosses their socket.
///
/// - Shape: the length of what follows in four octets, the kind in one, the number of the request
///   in eight, the length of the JSON in four, all little-endian; the JSON; the rest are octets.
struct ControlFrame: Sendable {
    enum Kind: UInt8 {
        /// Wants an answer of the same number.
        case request = 1
        case reply = 2
        /// The answer that is an error, as JSON.
        case refusal = 3
        /// Wants no answer.
        case notice = 4
    }

    static let lengthBytes = 4
    private static let headBytes = 13
    /// The most octets of a frame behind its length: a state that is handed over, and some JSON.
    static let bytesMax = SavedState.bytesMax + (8 << 20)

    var kind: Kind
    var number: UInt64
    var json: JSONValue
    var bytes: [UInt8]

    init(_ kind: Kind, _ number: UInt64, _ json: JSONValue, _ bytes: [UInt8]) {
        self.kind = kind
        self.number = number
        self.json = json
        self.bytes = bytes
    }

    /// The frame with its length in front.
    var encoded: [UInt8] {
        let text = Array(json.text().utf8)
        let length = Self.headBytes + text.count + bytes.count
        var result: [UInt8] = []
        result.reserveCapacity(Self.lengthBytes + length)
        Self.put(UInt64(length), octets: 4, to: &result)
        result.append(kind.rawValue)
        Self.put(number, octets: 8, to: &result)
        Self.put(UInt64(text.count), octets: 4, to: &result)
        result += text
        result += bytes
        return result
    }

    /// The length that stands in front of a frame.
    static func length(_ octets: ArraySlice<UInt8>) -> Int { Int(get(octets.prefix(lengthBytes))) }

    /// Reads a frame without its length; nil when it is none.
    init?(decoding octets: ArraySlice<UInt8>) {
        guard octets.count >= Self.headBytes, let kind = Kind(rawValue: octets[octets.startIndex])
        else { return nil }
        let number = Self.get(octets.dropFirst(1).prefix(8))
        let textCount = Int(Self.get(octets.dropFirst(9).prefix(4)))
        let rest = octets.dropFirst(Self.headBytes)
        guard textCount <= rest.count, let json = try? JSON.parse(rest.prefix(textCount)) else {
            return nil
        }
        self.init(kind, number, json, Array(rest.dropFirst(textCount)))
    }

    private static func put(_ value: UInt64, octets: Int, to result: inout [UInt8]) {
        for index in 0..<octets { result.append(UInt8(truncatingIfNeeded: value >> (index * 8))) }
    }

    private static func get(_ octets: ArraySlice<UInt8>) -> UInt64 {
        octets.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
