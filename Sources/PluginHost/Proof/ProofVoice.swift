import Glibc
import HostModel

/// How the child of a proof tells the host what it does: one line of JSON for each step, and one at
/// the end.
///
/// What the plugin prints must not get between: its standard output is the errors from then on.
struct ProofVoice: Sendable {
    private static let step = "step"

    private let descriptor: Int32

    /// Takes the standard output away from everybody else.
    init() {
        descriptor = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
        dup2(STDERR_FILENO, STDOUT_FILENO)
    }

    /// Tells which step begins.
    func begin(_ step: String) { say([Self.step: .string(step)]) }

    /// Writes a line.
    func say(_ json: JSONValue) { Self.write(json.text() + "\n", to: descriptor) }

    /// Writes a line for people to read, at once: it may be the last.
    static func complain(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

    private static func write(_ line: String, to descriptor: Int32) {
        var line = line
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    /// Whether the line that ends it has come.
    @Sendable static func saysAll(_ output: [UInt8]) -> Bool {
        output.last == UInt8(ascii: "\n") && hear(output).end != nil
    }

    /// What the lines of a child say: its last step, and the line that ended it.
    static func hear(_ output: [UInt8]) -> (step: String?, end: JSONValue?) {
        var step: String?
        for line in output.split(separator: UInt8(ascii: "\n")) {
            guard let json = try? JSON.parse(line) else { return (step, nil) }
            guard let next = json[Self.step]?.string else { return (step, json) }
            step = next
        }
        return (step, nil)
    }
}
