extension Manifest {
    /// A program that answers the plugin's requests over HTTP on a Unix socket.
    public struct Process: Hashable, Sendable {
        /// How the program comes by its socket.
        public enum Socket: String, Sendable, CaseIterable {
            /// It has it as descriptor 3, and listens on it already (`LISTEN_FDS`).
            case descriptor
            /// It makes it at the path in `PLUGIN_HOST_SOCKET`.
            case path
        }

        /// The program and its arguments. Words that begin with `lib/` are files of the bundle; the
        /// first of them is the one whose change reloads the plugin. A program without a slash is
        /// looked up in `searchPath`.
        public var command: [String]
        /// What it finds in its environment beside what the host puts there.
        public var environment: [String: String] = [:]
        /// The path that is asked for its health; nil: it has none, and is ready as soon as it
        /// answers anything.
        public var health: String?
        public var socket = Socket.descriptor
        /// The image of the container that it runs in; nil: none.
        public var image: String?

        /// Makes one that has only what every one has.
        public init(command: [String]) { self.command = command }

        /// Where programs are looked up.
        public static let searchPath = "/usr/local/bin:/usr/bin:/bin"

        /// The name in `lib/` of the file that is the plugin's code.
        public var file: String? {
            command.first { $0.hasPrefix("lib/") }.map { String($0.dropFirst(4)) }
        }

        public static let wordsMax = 64
        public static let variablesMax = 64
    }
}
