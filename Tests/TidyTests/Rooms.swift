/// The rooms in Sources, and what each of them may know.
enum Rooms {
    /// Arrows point one way: a room imports only what stands behind its name.
    static let arrows: [String: Set<String>] = [
        "host": ["PluginHost", "HostModel"],
        "PluginHost": [
            "HTTPServer", "HTTPWire", "DynamicLibrary", "HostModel", "CPluginABI", "CLinux",
            "CZlib", "CSQLite", "COpenSSL", "Confinement",
        ],
        "HTTPServer": ["HTTPWire", "CLinux", "CTLS", "CZlib"],
        "HTTPWire": [],
        "DynamicLibrary": ["CLedger"],
        "HostModel": [],
        "Confinement": ["CConfinement"],
        "PluginKit": ["CPluginABI", "CPluginKit"],
        "CPluginKit": [],
        "CPluginABI": [], "CLedger": [], "CConfinement": [], "CLinux": [], "CTLS": [], "CZlib": [],
        "CSQLite": [], "COpenSSL": [],
    ]

    /// The toolchain's own modules that a room may import.
    static let toolchain: Set = [
        "Swift", "Glibc", "FoundationEssentials", "Dispatch", "Synchronization", "_Concurrency",
    ]

    /// The module that a line of Swift imports, or nil.
    static func imported(by line: String) -> String? {
        var words = line.split(separator: " ")[...]
        while let word = words.first,
            word.hasPrefix("@") || ["public", "package", "internal", "private"].contains(word)
        {
            words.removeFirst()
        }
        guard words.first == "import", words.count > 1 else { return nil }
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
        let path =
            kinds.contains(words[words.startIndex + 1]) ? words.dropFirst(2) : words.dropFirst()
        return path.first.map { String($0.prefix { $0 != "." }) }
    }
}

extension Rule {
    static let arrows = Rule(
        applies: { $0.isSwift && $0.isBelow("Sources") },
        check: { file in
            let room = file.folders.count > 1 ? file.folders[1] : ""
            guard let allowed = Rooms.arrows[room] else {
                return [(0, "there is no room \"\(room)\"")]
            }
            return file.lines.enumerated().compactMap { index, line in
                guard let module = Rooms.imported(by: line), module != room,
                    !allowed.contains(module), !Rooms.toolchain.contains(module)
                else { return nil }
                return (index + 1, "\(room) does not know \(module)")
            }
        })
}
