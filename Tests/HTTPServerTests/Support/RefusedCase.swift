import Foundation
import Testing

/// One case of `Cases/refused.txt`: bytes, and the status of the one answer to them.
struct RefusedCase: CustomStringConvertible, Sendable {
    let name: String
    private(set) var bytes: [UInt8] = []
    private(set) var status = 0

    var description: String { name }

    static let all: [RefusedCase] = {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let file = folder.deletingLastPathComponent().appendingPathComponent("Cases/refused.txt")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        var cases: [RefusedCase] = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") {
                cases.append(RefusedCase(name: String(line.dropFirst(3))))
            } else if cases.isEmpty {
                continue
            } else if line.hasPrefix("=> ") {
                cases[cases.count - 1].status = Int(line.dropFirst(3)) ?? 0
            } else {
                cases[cases.count - 1].bytes += unescaped(line)
            }
        }
        return cases
    }()

    private static func unescaped(_ line: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = line.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch escape {
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "0"): bytes.append(0)
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                bytes.append(UInt8(digits, radix: 16) ?? UInt8(ascii: "?"))
                rest = rest.dropFirst(2)
            default: bytes.append(escape)
            }
        }
        return bytes
    }
}
