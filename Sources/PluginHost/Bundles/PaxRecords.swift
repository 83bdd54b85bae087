internal import HostModel

/// The records of a pax extended header that matter here.
///
/// - Shape: records `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record.
/// - Source: POSIX.1-2017, pax, "pax Extended Header".
struct PaxRecords {
    var path: [UInt8]?
    var linkPath: [UInt8]?
    var size: Int?
    var modifiedSeconds: Int64?
    /// Whether the data is a GNU sparse map and not the file.
    var isSparse = false

    init() {}

    /// Takes in the records of one header over those that are there; an empty value takes one back.
    ///
    /// Returns nil when they do not have the shape.
    func updated(with bytes: [UInt8]) -> PaxRecords? {
        var result = self
        var start = 0
        while start < bytes.count {
            var length = 0
            var next = start
            while next < bytes.count, next - start < 9, 0x30...0x39 ~= bytes[next] {
                length = length * 10 + Int(bytes[next] - 0x30)
                next += 1
            }
            let end = start + length
            guard next > start, next < end, end <= bytes.count, bytes[next] == 0x20,
                bytes[end - 1] == 0x0A,
                let equals = bytes[(next + 1)..<(end - 1)].firstIndex(of: 0x3D),
                result.set(bytes[(next + 1)..<equals], to: bytes[(equals + 1)..<(end - 1)])
            else { return nil }
            start = end
        }
        return result
    }

    /// Takes in one record; most have keys that do not matter, and there may be very many.
    private mutating func set(_ key: ArraySlice<UInt8>, to value: ArraySlice<UInt8>) -> Bool {
        switch key.count {
        case 4 where key.elementsEqual("path".utf8): path = Self.given(value)
        case 8 where key.elementsEqual("linkpath".utf8): linkPath = Self.given(value)
        case 4 where key.elementsEqual("size".utf8):
            size = Self.decimal(value)
            return value.isEmpty || size != nil
        case 5 where key.elementsEqual("mtime".utf8):
            // Digits, perhaps with a sign and a fraction that is not needed.
            let whole = String(decoding: value.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
            modifiedSeconds = Int64(whole)
            return value.isEmpty || modifiedSeconds != nil
        case 11... where key.starts(with: "GNU.sparse.".utf8): isSparse = true
        default: break
        }
        return true
    }

    private static func given(_ value: ArraySlice<UInt8>) -> [UInt8]? {
        value.isEmpty ? nil : Array(value)
    }

    private static func decimal(_ value: ArraySlice<UInt8>) -> Int? {
        guard value.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(String(decoding: value, as: UTF8.self))
    }
}
