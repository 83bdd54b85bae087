internal import CLinux
internal import Glibc
internal import HostModel

/// One message between a supervisor and an engine.
///
/// - Shape: `WORD NUMBER`; behind a line end, if there is more to say, JSON; descriptors as the
///   kernel passes them.
struct WireMessage: Sendable {
    var word: EngineSeat.Word
    var number: Int32 = 0
    var json: JSONValue = .null
    /// Whoever sends them keeps them; whoever receives them has copies.
    var descriptors: [Int32] = []

    /// The longest text.
    static let bytesMax = 64 << 10

    /// Sends it.
    ///
    /// - Returns: 0, or the `errno`: `EAGAIN` where it does not wait and there is no room.
    func send(over wire: Int32, waits: Bool) -> Int32 {
        var text = "\(word.rawValue) \(number)"
        if json != .null { text += "\n" + json.text() }
        guard text.utf8.count <= Self.bytesMax else { return EMSGSIZE }
        let sent = text.withUTF8 { bytes in
            unsafe linux_send_message(
                wire, bytes.baseAddress, bytes.count, descriptors, Int32(descriptors.count),
                waits ? 1 : 0)
        }
        return sent < 0 ? Int32(-sent) : 0
    }

    /// Takes the next message; nil when there will be none, or where it does not wait, when there
    /// is none.
    static func receive(from wire: Int32, waits: Bool) -> WireMessage? {
        var buffer = [UInt8](repeating: 0, count: bytesMax)
        var descriptors = [Int32](repeating: -1, count: Int(linux_message_passed_max))
        var count: Int32 = 0
        let length = unsafe linux_receive_message(
            wire, &buffer, buffer.count, &descriptors, &count, waits ? 1 : 0)
        if length == -Int(EMSGSIZE) { return WireMessage(word: .unknown) }
        guard length > 0 else { return nil }
        let bytes = buffer[..<length]
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        var message = WireMessage(
            word: words.first.flatMap { EngineSeat.Word(rawValue: String($0)) } ?? .unknown)
        message.number = words.dropFirst().first.flatMap { Int32($0) } ?? 0
        message.descriptors = Array(descriptors.prefix(Int(count)))
        if line.count < bytes.count {
            message.json = (try? JSON.parse(bytes.dropFirst(line.count + 1))) ?? .null
        }
        return message
    }

    /// Gives up the descriptors that have come with it.
    func closeDescriptors() {
        for descriptor in descriptors { linux_close(descriptor) }
    }
}
