import Glibc
internal import HTTPWire
package import HostModel

/// What a command knows of the process it runs in.
package enum CommandEnvironment {
    package enum Stream: Sendable {
        case output, errors
    }

    /// Writes text to a standard stream; a stream that is closed is no error.
    package static func write(_ text: String, to stream: Stream) {
        write(Array(text.utf8), to: stream)
    }

    private static func write(_ bytes: [UInt8], to stream: Stream) {
        let descriptor = stream == .output ? STDOUT_FILENO : STDERR_FILENO
        unsafe bytes.withUnsafeBytes { bytes in
            var rest = unsafe bytes
            while rest.count > 0 {
                let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    /// The most bytes that a command takes from its standard input.
    private static let inputBytesMax = 512 << 10

    /// Reads the standard input to its end.
    ///
    /// - Throws: `HostError` when it cannot be read or is longer than 512 KiB.
    package static func input() throws(HostError) -> [UInt8] {
        try Descriptor(opening: "/dev/stdin", flags: O_RDONLY).readAll(bytesMax: inputBytesMax)
    }

    /// Bytes as they travel in JSON.
    package static func base64(_ bytes: [UInt8]) -> String { Base64.text(of: bytes) }

    /// Writes bytes that have travelled so to the standard output.
    package static func writeBase64(_ text: String) {
        write(Base64.bytes(of: text) ?? [], to: .output)
    }

    /// A path made absolute against the working directory.
    package static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let here = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(here) }
        return unsafe String(cString: here) + "/" + path
    }

    /// The directories of a list with colons between, made absolute; empty ones are left out.
    package static func directories(_ list: String) -> [String] {
        list.split(separator: ":").map { absolute(String($0)) }
    }

    /// This very program, for children that are to be it as well.
    package static let executable = "/proc/self/exe"

    /// Some of the variables that the process was started with.
    static func variables(_ names: [String]) -> [String: String] {
        var result: [String: String] = [:]
        for name in names {
            result[name] = unsafe getenv(name).map { unsafe String(cString: $0) }
        }
        return result
    }

    /// The search path of `PLUGIN_HOST_PATH`.
    package static var searchPath: [String] {
        guard let list = unsafe getenv("PLUGIN_HOST_PATH") else { return [] }
        return directories(unsafe String(cString: list))
    }

    /// Where settings come from beside the files: the environment that the process was started
    /// with.
    ///
    /// - Parameter environment: which it is; nil takes it from the variables.
    /// - Throws: `environment_invalid`.
    package static func configuration(
        environment: String?
    ) throws(HostError) -> ConfigurationOptions {
        let file = try Descriptor(opening: "/proc/self/environ", flags: O_RDONLY)
        let bytes = try file.readAll(bytesMax: 16 << 20)
        var variables: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = String(decoding: entry[..<equals], as: UTF8.self)
            variables[name] = String(decoding: entry[(equals + 1)...], as: UTF8.self)
        }
        return try ConfigurationOptions(environment: environment, variables: variables)
    }

    /// The root that is used when the command line names none.
    package static var standardRoot: RootLayout {
        var environment: [String: String] = [:]
        for name in ["PLUGIN_HOST_ROOT", "XDG_DATA_HOME", "HOME"] {
            environment[name] = unsafe getenv(name).map { unsafe String(cString: $0) }
        }
        return RootLayout.standard(environment: environment)
    }
}
