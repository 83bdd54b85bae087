/// How a directory is served.
public struct StaticFileOptions: Sendable {
    /// The file that answers for a directory; empty for none.
    public var index = "index.html"
    /// The file that answers for everything that is not there, as applications of one page want it;
    /// `nil` for none.
    public var fallback: String?
    /// Whether `name.br`, `name.zst` or `name.gz` is sent in place of `name` to clients that like
    /// it better.
    public var servesPrecompressed = true
    /// What is said in `Cache-Control`, by the names of files; the first rule that fits counts.
    public var cacheRules: [CacheRule] = []
    /// Fields that every file is sent with.
    public var headers: [Header] = []

    /// Makes the default options.
    public init() {}

    /// The value of `Cache-Control` for some files.
    public struct CacheRule: Sendable {
        /// - Shape: `*` for every file, `*.css` for an end of the name, `assets/` for everything
        ///   below a directory, else the path of one file; never with a slash in front.
        public var pattern: String
        public var value: String

        /// Makes a rule.
        public init(pattern: String, value: String) {
            self.pattern = pattern
            self.value = value
        }
    }

    /// A field that files are sent with.
    public struct Header: Sendable {
        public var name: String
        public var value: String

        /// Makes a field.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }
}
