/// How large a bundle may be, in every respect.
package struct BundleLimits: Sendable {
    /// The longest `.tar.gz`.
    package var archiveBytesMax = 1 << 30
    /// The most that it may unpack to, headers included.
    package var totalBytesMax = 4 << 30
    /// The longest single file.
    package var entryBytesMax = 2 << 30
    package var entryCountMax = 50_000
    /// How many directories may be inside each other.
    package var depthMax = 32
    /// The longest path.
    package var pathBytesMax = 1024
    /// The longest component of a path.
    package var nameBytesMax = 255
    /// The longest pax or GNU header.
    package var extensionBytesMax = 1 << 20
    /// The most that all of them may have together, with the blocks that announce them.
    package var extensionsTotalBytesMax = 128 << 20
    /// How much larger than the compressed bytes the unpacked ones may be, once they are more than
    /// `ratioFreeBytes`; zlib itself reaches 1,032.
    package var ratioMax = 200
    package var ratioFreeBytes = 64 << 20
    /// How many objections are told.
    package var objectionsMax = 32

    package init() {}
}
