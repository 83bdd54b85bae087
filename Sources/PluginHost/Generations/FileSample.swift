import Glibc
import HostModel

/// A few pieces of a file, to tell quickly that it was never seen.
///
/// Two files with different samples differ. Two with the same sample may differ too: only the
/// digest tells.
struct FileSample: Hashable, Sendable {
    private static let pieces = 16
    private static let pieceBytes = 256

    private let size: Int
    /// FNV-1a of the pieces.
    private let hash: UInt64

    /// Reads pieces that are spread over the file, the last of them at its end.
    init(ofFile path: String) throws(HostError) {
        let file = try Descriptor(opening: path, flags: 0)
        let size = Int(try file.status().st_size)
        var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        let lastStart = max(0, size - Self.pieceBytes)
        for index in 0..<Self.pieces {
            let start = lastStart * index / (Self.pieces - 1)
            // What cannot be read counts as it stands: the digest is taken from all of the file.
            _ = unsafe pread(file.number, &piece, piece.count, off_t(start))
            for byte in piece { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        }
        self.size = size
        self.hash = hash
    }
}
