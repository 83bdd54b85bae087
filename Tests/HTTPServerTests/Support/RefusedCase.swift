import CaseSupport
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
}
