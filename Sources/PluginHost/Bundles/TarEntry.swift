/// One entry of a tar archive, with what extended headers said about it.
struct TarEntry {
    enum Kind: Equatable {
        case file
        case directory
        case hardLink
        case symbolicLink
        case characterDevice
        case blockDevice
        case fifo
        case sparse
        case other(UInt8)

        /// In words for an error message.
        var words: String {
            switch self {
            case .file: "a file"
            case .directory: "a directory"
            case .hardLink: "a hard link"
            case .symbolicLink: "a symbolic link"
            case .characterDevice: "a character device"
            case .blockDevice: "a block device"
            case .fifo: "a fifo"
            case .sparse: "a sparse file"
            case .other(UInt8(ascii: "D")): "a directory of an incremental backup"
            case .other(UInt8(ascii: "M")): "the rest of a file from another volume"
            case .other(UInt8(ascii: "V")): "the label of a volume"
            case .other(let flag): "of the unknown type \(flag)"
            }
        }

        /// Whether data may follow; what is unknown is passed over as a file would be.
        ///
        /// - Source: POSIX.1-2017, pax, "ustar Interchange Format", on other values of `typeflag`.
        var mayHaveData: Bool {
            switch self {
            case .file, .sparse, .other: true
            default: false
            }
        }
    }

    var kind: Kind
    /// As written in the archive.
    var path: String
    /// Where a link points; empty for all others.
    var target: String
    /// The length of the data that follows.
    var size: Int
    /// Seconds since 1970.
    var modifiedSeconds: Int64
}
