import HTTPWire

/// The fields that the options give to files, in memory that lives as long as this object.
@safe
final class FileFields: @unchecked Sendable {  // because nothing changes after init
    /// For which files a value of `Cache-Control` counts.
    private enum Pattern {
        case every, ending, directory, file
    }

    private struct Rule {
        var pattern: Pattern
        var text: ByteSlice
        var value: ByteSlice
    }

    private let memory: UnsafeMutableRawBufferPointer
    /// Fields that every file is sent with.
    let headers: [HeaderField]
    private let rules: [Rule]

    init(_ options: StaticFileOptions) {
        let texts =
            options.headers.flatMap { [$0.name, $0.value] }
            + options.cacheRules.flatMap { [$0.pattern, $0.value] }
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: texts.reduce(1) { $0 + $1.utf8.count }, alignment: 1)
        unsafe self.memory = unsafe memory
        var used = 0
        func keep(_ text: some Collection<UInt8>) -> ByteSlice {
            let start = used
            for byte in text {
                unsafe memory[used] = byte
                used += 1
            }
            return unsafe ByteSlice(
                UnsafeRawBufferPointer(
                    UnsafeMutableRawBufferPointer(rebasing: memory[start..<used]))
            )
        }
        headers = options.headers.map { header in
            HeaderField(name: keep(header.name.utf8), value: keep(header.value.utf8))
        }
        rules = options.cacheRules.map { rule in
            let text = rule.pattern.utf8
            let value = keep(rule.value.utf8)
            if rule.pattern == "*" {
                return Rule(pattern: .every, text: ByteSlice(), value: value)
            }
            if text.first == UInt8(ascii: "*") {
                return Rule(pattern: .ending, text: keep(text.dropFirst()), value: value)
            }
            let isDirectory = text.last == UInt8(ascii: "/")
            return Rule(
                pattern: isDirectory ? .directory : .file, text: keep(text), value: value)
        }
    }

    deinit { unsafe memory.deallocate() }

    /// The value of `Cache-Control` for a file; empty for none.
    func cacheControl(of name: ByteSlice) -> ByteSlice {
        for rule in rules {
            let text = rule.text
            let isFit =
                switch rule.pattern {
                case .every: true
                case .ending:
                    name.count >= text.count
                        && name[(name.count - text.count)..<name.count] == text
                case .directory: name.count >= text.count && name[0..<text.count] == text
                case .file: name == text
                }
            if isFit { return rule.value }
        }
        return ByteSlice()
    }
}
