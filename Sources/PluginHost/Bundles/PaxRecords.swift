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
        var rest = bytes[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }
            guard digits.count > 0, digits.count < 10,
                let length = Int(String(decoding: digits, as: UTF8.self)),
                length > digits.count + 1, length <= rest.count,
                rest.dropFirst(digits.count).first == UInt8(ascii: " ")
            else { return nil }
            let record = rest.prefix(length)
            guard record.last == UInt8(ascii: "\n") else { return nil }
            let body = record.dropFirst(digits.count + 1).dropLast()
            guard let equals = body.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let key = String(decoding: body[..<equals], as: UTF8.self)
            guard result.set(key, to: Array(body[(equals + 1)...])) else { return nil }
            rest = rest.dropFirst(length)
        }
        return result
    }

    private mutating func set(_ key: String, to value: [UInt8]) -> Bool {
        let given = value.isEmpty ? nil : value
        switch key {
        case "path": path = given
        case "linkpath": linkPath = given
        case "size":
            size = given.flatMap(Self.decimal)
            return given == nil || size != nil
        case "mtime":
            // Digits, perhaps with a sign and a fraction that is not needed.
            let whole = String(decoding: value.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
            modifiedSeconds = Int64(whole)
            return given == nil || modifiedSeconds != nil
        case _ where key.hasPrefix("GNU.sparse."): isSparse = true
        default: break
        }
        return true
    }

    private static func decimal(_ value: [UInt8]) -> Int? {
        guard value.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(String(decoding: value, as: UTF8.self))
    }
}
