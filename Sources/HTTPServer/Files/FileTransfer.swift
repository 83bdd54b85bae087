import CLinux
import Glibc

/// What a connection still has to send from files: parts of one file, each with bytes before it.
///
/// It belongs to the connection and not to the exchange, which has ended when the last bytes leave.
/// Made once for a response, so that nothing of it needs to be quick.
final class FileTransfer {
    /// A run of the file and the text that goes before it.
    struct Part {
        var text: String = ""
        var offset: UInt64 = 0
        var count: UInt64 = 0
    }

    private let descriptor: Int32
    private var parts: [Part]
    private var index = 0
    private var textIsOut = false

    /// Takes over the descriptor.
    init(descriptor: Int32, parts: [Part]) {
        self.descriptor = descriptor
        self.parts = parts
    }

    /// Puts the next text into the output, or sends a run of the file; leaves the connection with
    /// the last of it, so that what is sent then is not held back for more.
    func advance(on connection: Connection) {
        if !textIsOut {
            textIsOut = true
            parts[index].text.withUTF8 { unsafe connection.append(UnsafeRawBufferPointer($0)) }
            if parts[index].count == 0 { goOn(connection) }
            return
        }
        if unsafe connection.state.tls != nil {
            let count = min(parts[index].count, FileTransfer.readBytesMax)
            connection.appendFile(descriptor, offset: parts[index].offset, count: Int(count))
            parts[index].offset += count
            parts[index].count -= count
            if parts[index].count == 0 { goOn(connection) }
            return
        }
        let result = unsafe linux_send_file(
            connection.state.descriptor, descriptor, &parts[index].offset,
            Int(min(parts[index].count, FileTransfer.runBytesMax)))
        if result > 0 {
            parts[index].count -= UInt64(result)
            connection.state.sentBytes &+= result
            if parts[index].count == 0 { goOn(connection) }
        } else if result == 0 {
            // The file has become shorter than the length that was declared.
            connection.state.isBroken = true
        } else {
            connection.note(sendResult: result)
        }
    }

    /// Turns to the next part, or takes leave after the last.
    private func goOn(_ connection: Connection) {
        index += 1
        textIsOut = false
        guard index == parts.count else { return }
        connection.state.files = nil
        close()
    }

    /// Gives up the descriptor.
    func close() { linux_close(descriptor) }

    /// The most bytes of a file that one system call sends.
    private static let runBytesMax: UInt64 = 1 << 20
    /// Up to this size reading a run is cheaper than a system call of its own to send it.
    static let readBytesMax: UInt64 = 32 << 10
}
