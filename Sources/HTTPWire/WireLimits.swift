/// The bounds of what the parsers accept.
///
/// - Units: bytes, except for the counts.
public struct WireLimits: Equatable, Sendable {
    /// The longest request line, without its line end (414 beyond).
    public var requestLineBytesMax = 8_192
    /// The longest head, with every line end (431 beyond).
    public var headBytesMax = 32_768
    /// The most fields in a head or a trailer section (431 beyond); the caller's buffer bounds it
    /// too.
    public var fieldCountMax = 100
    /// The most empty lines before a request line.
    public var leadingEmptyLinesMax = 4
    /// The longest extension of one chunk, from the first byte after the size.
    public var chunkExtensionBytesMax = 256
    /// How far the framing of a chunked body may outgrow its payload: what each size line has
    /// beyond 16 bytes and twice its chunk adds up; what it stays below that is taken off again.
    public var chunkOverheadBytesMax = 16_384
    /// The longest trailer section, with every line end (431 beyond).
    public var trailerBytesMax = 8_192
    /// The longest chunked body, framing not counted (413 beyond).
    public var bodyBytesMax = UInt64(Int64.max)

    /// Makes the default limits.
    public init() {}
}
