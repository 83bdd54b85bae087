/// The table in `abi-1/layout.txt`: what ABI 1.0 promised about sizes, offsets and values.
struct FrozenLayout {
    struct Member: Hashable {
        let name: String
        let offset: Int
        let size: Int
    }
    struct Struct {
        let name: String
        let size: Int
        let grows: Bool
        var members: [Member] = []
    }

    var structs: [Struct] = []
    var values: [(name: String, value: Int)] = []
    var texts: [(name: String, text: String)] = []

    struct Malformed: Error {
        let line: String
    }

    init(_ text: String) throws {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ").map(String.init)
            switch (words[0], words.count) {
            case ("struct", 4):
                let size = try Self.number(words[2], line)
                structs.append(Struct(name: words[1], size: size, grows: words[3] == "grows"))
            case ("value", 3):
                values.append((words[1], try Self.number(words[2], line)))
            case ("text", 3):
                texts.append((words[1], words[2]))
            case (let path, 3):
                let parts = path.split(separator: ".")
                guard parts.count == 2, let last = structs.indices.last,
                    structs[last].name == parts[0]
                else { throw Malformed(line: String(line)) }
                structs[last].members.append(
                    Member(
                        name: String(parts[1]), offset: try Self.number(words[1], line),
                        size: try Self.number(words[2], line)))
            default:
                throw Malformed(line: String(line))
            }
        }
    }

    private static func number(_ word: String, _ line: Substring) throws -> Int {
        guard let number = Int(word) else { throw Malformed(line: String(line)) }
        return number
    }

    /// A C and C++ source that compiles only if the headers keep what the table says.
    ///
    /// - Parameter exactly: structs that may grow have not grown either.
    func assertions(headers: [String], exactly: Bool) -> String {
        var lines = headers.map { "#include <pluginhost/\($0)>" }
        lines += ["#include <assert.h>", "#include <stddef.h>"]
        func require(_ condition: String, _ what: String) {
            lines.append("static_assert(\(condition), \"\(what)\");")
        }
        for one in structs {
            let comparison = one.grows && !exactly ? ">=" : "=="
            require("sizeof(\(one.name)) \(comparison) \(one.size)", "size of \(one.name)")
            for member in one.members {
                let path = "\(one.name).\(member.name)"
                require("offsetof(\(one.name), \(member.name)) == \(member.offset)", path)
                require("sizeof(((\(one.name) *)0)->\(member.name)) == \(member.size)", path)
            }
        }
        for (name, value) in values {
            require("(long long)(\(name)) == \(value)", name)
        }
        for (name, text) in texts {
            require("sizeof(\(name)) == \(text.utf8.count + 1)", "length of \(name)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
