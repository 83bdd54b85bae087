internal import HostModel

/// Reads a tar archive entry by entry.
///
/// It reads what GNU tar (v7, oldgnu, gnu, ustar, pax), bsdtar and Python write, and is strict
/// where readers disagree with each other: a directory, a link or a device has no data, two blocks
/// of zeros end the archive, and nothing but zeros may follow them.
final class TarReader<Source: ByteSource> {
    private let source: Source
    private let limits: BundleLimits
    private let subject: String
    private var global = PaxRecords()
    /// Bytes of the current entry that are still to be read, and the padding behind them.
    private var dataLeft = 0
    private var paddingLeft = 0
    private var ended = false
    private var extensionsBytes = 0

    init(_ source: Source, limits: BundleLimits, subject: String) {
        self.source = source
        self.limits = limits
        self.subject = subject
    }

    /// Returns the next entry, or nil at the end of the archive.
    ///
    /// What was not read of the entry before is skipped.
    /// - Throws: `HostError` with code `archive_damaged` or `archive_too_large`.
    func next() throws(HostError) -> TarEntry? {
        guard !ended else { return nil }
        var local: PaxRecords?
        var longName: [UInt8]?
        var longLink: [UInt8]?
        while true {
            guard let header = try nextHeader() else {
                guard local == nil, longName == nil, longLink == nil else {
                    throw damaged("an extended header has no entry after it")
                }
                return nil
            }
            switch header.typeFlag {
            case UInt8(ascii: "x"):
                guard local == nil else { throw damaged("two pax headers are for one entry") }
                local = try records(header, over: PaxRecords())
            case UInt8(ascii: "g"):
                global = try records(header, over: global)
            case UInt8(ascii: "L"):
                guard longName == nil else { throw damaged("two long names are for one entry") }
                longName = try extensionData(header).prefix { $0 != 0 } + []
            case UInt8(ascii: "K"):
                guard longLink == nil else { throw damaged("two long links are for one entry") }
                longLink = try extensionData(header).prefix { $0 != 0 } + []
            default:
                return try entry(
                    header, name: local?.path ?? global.path ?? longName ?? header.name,
                    target: local?.linkPath ?? global.linkPath ?? longLink ?? header.linkName,
                    records: local)
            }
        }
    }

    /// Reads data of the current entry; 0 at its end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Int {
        let wanted = min(buffer.count, dataLeft)
        guard wanted > 0 else { return 0 }
        let count = try unsafe source.read(
            into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
        guard count > 0 else { throw truncated }
        dataLeft -= count
        return count
    }

    private func entry(
        _ header: TarHeader, name: [UInt8], target: [UInt8], records: PaxRecords?
    ) throws(HostError) -> TarEntry {
        let kind: TarEntry.Kind =
            switch header.typeFlag {
            case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
                // Before POSIX a directory was a file whose name ends in a slash.
                name.last == UInt8(ascii: "/") ? .directory : .file
            case UInt8(ascii: "1"): .hardLink
            case UInt8(ascii: "2"): .symbolicLink
            case UInt8(ascii: "3"): .characterDevice
            case UInt8(ascii: "4"): .blockDevice
            case UInt8(ascii: "5"): .directory
            case UInt8(ascii: "6"): .fifo
            case UInt8(ascii: "S"): .sparse
            default: .other(header.typeFlag)
            }
        let size = records?.size ?? global.size ?? header.size
        let isSparse = records?.isSparse ?? false || global.isSparse
        guard kind.mayHaveData || size == 0 else {
            throw damaged("an entry that is \(kind.words) says that \(size) bytes of data follow")
        }
        if header.isSparseMapContinued { try skipSparseMap() }
        guard size <= limits.entryBytesMax else {
            throw .archiveTooLarge(
                "one file has \(size) bytes; at most \(limits.entryBytesMax) are allowed",
                subject: subject)
        }
        expectData(size)
        return TarEntry(
            kind: isSparse ? .sparse : kind, path: try text(name),
            target: kind == .symbolicLink || kind == .hardLink ? try text(target) : "",
            size: size,
            modifiedSeconds: records?.modifiedSeconds ?? global.modifiedSeconds
                ?? header.modifiedSeconds)
    }

    private func text(_ bytes: [UInt8]) throws(HostError) -> String {
        guard UTF8Check.firstInvalidByte(in: bytes) == nil else {
            let shown = Escaping.quoted(String(decoding: bytes, as: UTF8.self))
            throw .archiveRefused(["\(shown): the name is not UTF-8"], subject: subject)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads the next header block; nil after the two blocks of zeros that end the archive.
    private func nextHeader() throws(HostError) -> TarHeader? {
        try skip(dataLeft + paddingLeft)
        dataLeft = 0
        paddingLeft = 0
        let block = try bytes(TarHeader.blockBytes)
        if block.allSatisfy({ $0 == 0 }) {
            guard try bytes(TarHeader.blockBytes).allSatisfy({ $0 == 0 }) else {
                throw damaged("one block of zeros is followed by something else")
            }
            try expectZerosToEnd()
            ended = true
            return nil
        }
        do {
            return try TarHeader(block)
        } catch {
            throw damaged(error.reason)
        }
    }

    private func expectZerosToEnd() throws(HostError) {
        let chunk = ByteBuffer(count: 1 << 14)
        while true {
            let count = try unsafe source.read(into: chunk.bytes)
            if count == 0 { return }
            guard unsafe chunk.bytes[..<count].allSatisfy({ $0 == 0 }) else {
                throw damaged("there is something after the end of the archive")
            }
        }
    }

    private func records(_ header: TarHeader, over old: PaxRecords) throws(HostError) -> PaxRecords
    {
        guard let records = old.updated(with: try extensionData(header)) else {
            throw damaged("a pax header does not have the right shape")
        }
        return records
    }

    private func extensionData(_ header: TarHeader) throws(HostError) -> [UInt8] {
        guard header.size <= limits.extensionBytesMax else {
            throw .archiveTooLarge(
                "a tar header has \(header.size) bytes; at most"
                    + " \(limits.extensionBytesMax) are allowed",
                subject: subject)
        }
        extensionsBytes += TarHeader.blockBytes + header.size
        guard extensionsBytes <= limits.extensionsTotalBytesMax else {
            throw .archiveTooLarge(
                "its extended tar headers have more than \(limits.extensionsTotalBytesMax) bytes",
                subject: subject)
        }
        let data = try bytes(header.size)
        try skip(Self.padding(header.size))
        return data
    }

    /// Skips the rest of a GNU sparse map; the 505th byte of a block tells whether one more comes.
    private func skipSparseMap() throws(HostError) {
        while try bytes(TarHeader.blockBytes)[504] != 0 {}
    }

    private func expectData(_ size: Int) {
        dataLeft = size
        paddingLeft = Self.padding(size)
    }

    private static func padding(_ size: Int) -> Int {
        (TarHeader.blockBytes - size % TarHeader.blockBytes) % TarHeader.blockBytes
    }

    private func bytes(_ count: Int) throws(HostError) -> [UInt8] {
        let buffer = ByteBuffer(count: count)
        try unsafe fill(buffer.bytes)
        return unsafe Array(buffer.bytes)
    }

    private func skip(_ count: Int) throws(HostError) {
        guard count > 0 else { return }
        let buffer = ByteBuffer(count: min(count, 1 << 16))
        var left = count
        while left > 0 {
            let wanted = unsafe min(left, buffer.bytes.count)
            try unsafe fill(UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<wanted]))
            left -= wanted
        }
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(HostError) {
        var filled = 0
        while filled < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = try unsafe source.read(into: rest)
            guard count > 0 else { throw truncated }
            filled += count
        }
    }

    private var truncated: HostError { damaged("the archive ends early: it is cut off") }

    private func damaged(_ reason: String) -> HostError {
        .archiveDamaged(reason, subject: subject)
    }
}
