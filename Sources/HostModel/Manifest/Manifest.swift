/// What a bundle says about itself in `manifest.json`.
///
/// It is read before any code of the plugin runs, and must then agree with what the code says (see
/// `difference(from:)`).
public struct Manifest: Hashable, Sendable {
    public var name: PluginName
    public var version: SemanticVersion
    /// The contract the plugin was built for.
    public var abi: ABIVersion
    public var description = ""
    public var license: String?
    public var authors: [String] = []
    public var homepage: String?
    /// The language of the plugin, for the record only.
    public var language: String?
    public var library: Library
    /// The services the plugin asks the host for, such as `ph.log/1`.
    public var services: [String] = []
    /// The capabilities that the plugin provides to others.
    public var provides: [Provision] = []
    /// What must be there before the plugin can serve.
    public var requires: [Requirement] = []
    /// The routes, when the manifest lists them; the code's own list is what counts.
    public var routes: [Route]?
    public var files = StaticFiles()
    public var limits = Limits()
    public var configuration = Configuration()
    /// How a new generation is tried on a share of the clients first; nil: not at all.
    public var canary: CanaryPolicy?
    /// Where its code is to run unless the operator says otherwise; nil: in the host, if it can be
    /// unloaded.
    public var mode: PluginMode?
    /// What becomes of it when it brings the engine down, unless the operator says otherwise.
    public var onCrash: CrashPolicy?
    /// How many processes it has when it does not run in the host.
    public var instances = 1
    /// How its processes are started again.
    public var restart = Restart()
    /// How much it may use, unless its operator says otherwise.
    public var resources = ResourceLimits()
    /// The program that it is, when it is no library.
    public var process: Process?
    /// How far it may be tried before it enters the host.
    public var proof = Proof()

    /// Makes a manifest that has only what every manifest has.
    public init(
        name: PluginName, version: SemanticVersion, abi: ABIVersion, library: Library
    ) {
        self.name = name
        self.version = version
        self.abi = abi
        self.library = library
    }

    /// The file that holds the code.
    public struct Library: Hashable, Sendable {
        /// The name of the file inside `lib/`.
        public var file: String
        /// What the file must hash to, when the bundle was packed with a digest.
        public var sha256: Digest?

        public init(file: String, sha256: Digest? = nil) {
            self.file = file
            self.sha256 = sha256
        }
    }

    /// One route, as the manifest lists it.
    public struct Route: Hashable, Sendable, CustomStringConvertible {
        public var method: String
        public var pattern: String
        /// Whether it runs on the plugin's own threads from the start.
        public var isBlocking = false
        /// How long its responses may take to begin; 0: as long as they like; nil: as the plugin's.
        public var requestSeconds: Int?

        public init(method: String, pattern: String) {
            self.method = method
            self.pattern = pattern
        }

        public var description: String { method + " " + pattern }
    }

    /// How files under `priv/static/` are served.
    public struct StaticFiles: Hashable, Sendable {
        /// The file served for a directory.
        public var index = "index.html"
        /// The file served when there is no other, for applications that route in the browser.
        public var fallback: String?
        /// What is said in `Cache-Control`; the first rule that fits a file counts.
        public var cacheRules: [CacheRule] = []
        /// Fields that every file is sent with.
        public var headers: [Header] = []

        public init() {}

        /// The value of `Cache-Control` for some files.
        public struct CacheRule: Hashable, Sendable {
            /// `*` for every file, `*.css` for an end of the name, `assets/` for everything below a
            /// directory, else the path of one file.
            public var pattern: String
            public var value: String

            public init(pattern: String, value: String) {
                self.pattern = pattern
                self.value = value
            }
        }

        /// A field of a response.
        public struct Header: Hashable, Sendable {
            public var name: String
            public var value: String

            public init(name: String, value: String) {
                self.name = name
                self.value = value
            }
        }
    }

    /// What the plugin may take; nil means that the host decides.
    public struct Limits: Hashable, Sendable {
        /// How long an old generation may finish its requests.
        public var drainSeconds: Int?
        /// How long `start` may take.
        public var startSeconds: Int?
        /// The longest request body.
        public var bodyBytesMax: Int?
        /// How long a response may take to begin; 0: as long as it likes.
        public var requestSeconds: Int?
        /// How many requests it may have at a time; 0: any number.
        public var concurrencyMax: Int?
        /// How many threads its blocking routes may take up.
        public var poolThreadsMax: Int?
        /// How many requests may wait for one of them.
        public var poolQueueMax: Int?
        /// How often it is asked how it is; 0: never.
        public var heartbeatSeconds: Int?
        /// How long the release before it stands by; 0: not at all.
        public var overlapSeconds: Int?
        /// How long a reload may keep requests waiting while state is handed over.
        public var handOverSeconds: Int?

        public init() {}

        public static let drainSecondsRange = 0...600
        public static let startSecondsRange = 1...300
        public static let bodyBytesRange = 0...(1 << 34)
        public static let requestSecondsRange = 0...86_400
        public static let concurrencyRange = 0...1_000_000
        public static let poolThreadsRange = 1...1_024
        public static let poolQueueRange = 0...1_000_000
        public static let heartbeatSecondsRange = 0...86_400
        public static let overlapSecondsRange = 0...86_400
        public static let handOverSecondsRange = 1...60
    }
}

/// The bounds of what a manifest may hold.
public enum ManifestLimit {
    /// The longest `manifest.json`.
    public static let fileBytesMax = 1 << 20
    /// The longest text in it.
    public static let textBytesMax = 4096
    /// The longest file name.
    public static let fileNameBytesMax = 255
    public static let authorsMax = 64
    public static let servicesMax = 256
    public static let providesMax = 256
    public static let requiresMax = 256
    public static let routesMax = 4096
    public static let patternBytesMax = 1024
    public static let cacheRulesMax = 64
    public static let headersMax = 32
    /// How many processes a plugin may have.
    public static let instancesRange = 1...64
    /// The longest value of a response's field.
    public static let headerBytesMax = 1024
}
