import CPluginABI

/// Room for a message that the host lends.
@safe
struct Complaint {
    private let room: UnsafeMutablePointer<ph_error>?

    init(unsafe room: UnsafeMutablePointer<ph_error>?) {
        unsafe self.room = room
    }

    /// Writes as much of the message as there is room for, and returns "failed".
    func fail(_ message: String) -> ph_status {
        write(message)
        return failed
    }

    /// Writes as much of the message as there is room for, in whole characters.
    func write(_ message: String) {
        guard let room = unsafe room, let text = unsafe room.pointee.text else { return }
        let capacity = unsafe room.pointee.capacity
        var used = 0
        for scalar in message.unicodeScalars {
            let encoded = UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            guard used + encoded.count <= capacity else { break }
            for unit in encoded {
                unsafe text[used] = CChar(bitPattern: unit)
                used += 1
            }
        }
        unsafe room.pointee.length = used
    }
}
