/// Little-endian numbers and strings in bytes from a file; nothing outside the bytes can be read.
struct ByteView {
    private let storage: [UInt8]

    init(_ storage: [UInt8]) { self.storage = storage }

    var count: Int { storage.count }

    func u8(_ offset: Int) -> UInt8? {
        offset >= 0 && offset < storage.count ? storage[offset] : nil
    }

    func u16(_ offset: Int) -> UInt16? { number(offset) }
    func u32(_ offset: Int) -> UInt32? { number(offset) }
    func u64(_ offset: Int) -> UInt64? { number(offset) }

    private func number<T: FixedWidthInteger & UnsignedInteger>(_ offset: Int) -> T? {
        let width = T.bitWidth / 8
        guard offset >= 0, offset <= storage.count - width else { return nil }
        var value: T = 0
        for index in (0..<width).reversed() {
            value = value << 8 | T(truncatingIfNeeded: storage[offset + index])
        }
        return value
    }

    /// The NUL-terminated string at an offset; nil when no NUL follows within the bytes.
    func string(at offset: Int) -> String? {
        guard offset >= 0, offset < storage.count else { return nil }
        guard let end = storage[offset...].firstIndex(of: 0) else { return nil }
        return String(decoding: storage[offset..<end], as: UTF8.self)
    }

    func slice(_ range: Range<Int>) -> [UInt8]? {
        guard range.lowerBound >= 0, range.upperBound <= storage.count else { return nil }
        return Array(storage[range])
    }

    /// Whether every byte is zero.
    var isBlank: Bool { storage.allSatisfy { $0 == 0 } }
}
